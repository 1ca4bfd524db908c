import { type LoadedDirectory, loadDirectory, readBeside, readPacked } from "../core/compile/mod.ts";
import { hasErrors, type Problem } from "../core/config/mod.ts";
import type { ApplyRequest } from "../core/control/client/mod.ts";
import { type Document, isKind, parseText, type SourceText } from "../core/schema/mod.ts";
import { list, text } from "./flag.ts";

/** `-f`: manifests, as often as there are. */
export function manifestFlag() {
  const about = "a file, a directory, or - for standard input";
  return list(text({ short: "f", hint: "PATH", about }));
}

/** Manifests as they were typed on the command line. */
export interface Manifests {
  readonly texts: readonly SourceText[];
  readonly documents: readonly Document[];
  readonly problems: readonly Problem[];
}

/** Reads files, directories and standard input. */
export async function loadManifests(paths: readonly string[]): Promise<Manifests> {
  const loaded: Pick<LoadedDirectory, "files" | "documents" | "problems">[] = [];
  for (const path of paths) loaded.push(path === "-" ? await standardInput() : await loadDirectory(path));
  return {
    texts: loaded.flatMap(({ files }) => files.map(({ file, text }) => ({ file, text }))),
    documents: loaded.flatMap(({ documents }) => documents),
    problems: loaded.flatMap(({ problems }) => problems),
  };
}

/** What the control plane needs of manifests: their texts, and the modules that lie beside them. */
export async function requestOf({ texts, documents }: Manifests): Promise<ApplyRequest> {
  const modules = [];
  for (const document of documents) {
    const path = isKind(document, "Plugin") ? document.body.spec.source.file : undefined;
    if (path === undefined) continue;
    const { bytes, source = bytes } = await readPacked(path, (name) => readBeside(document.file, name));
    modules.push({ file: document.file, path, bytes: Buffer.from(source).toString("base64") });
  }
  return { files: texts, modules };
}

/** True where there is nothing to send: the problems say why. */
export function isUnreadable({ documents, problems }: Manifests): boolean {
  return hasErrors(problems) || documents.length === 0;
}

async function standardInput() {
  const source = { file: "-", text: await Bun.stdin.text() };
  const parsed = parseText(source);
  return { files: [{ ...source, ...parsed }], ...parsed };
}
