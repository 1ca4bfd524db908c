import { readFile, stat } from "node:fs/promises";
import { inOrder, type Problem, problemOf } from "../../config/mod.ts";
import { type Document, type ParsedDocuments, parseText } from "../../schema/mod.ts";
import { cannotRead, scanManifests } from "../watch/mod.ts";

/** What a directory of manifests holds. */
export interface LoadedDirectory extends ParsedDocuments {
  readonly documents: readonly Document[];
  readonly problems: readonly Problem[];
  /** The files as they were read, in order. */
  readonly files: readonly LoadedFile[];
  /** The directories in which a change may change something. */
  readonly directories: readonly string[];
}

export interface LoadedFile extends ParsedDocuments {
  readonly file: string;
  readonly text: string;
}

/** A larger file is no manifest. */
const MAX_FILE_BYTES = 64 * 1024 * 1024;

/**
 * Reads the manifests of a directory and of those below it, or one file. A
 * file that cannot be read is a problem among the others. Files whose text
 * stands in `before` are not parsed again.
 */
export async function loadDirectory(root: string, before: LoadedDirectory | null = null): Promise<LoadedDirectory> {
  const scan = await scanManifests(root);
  const problems: Problem[] = [...scan.problems];
  const parsed = new Map(before?.files.map((file) => [file.file, file]));
  const files: LoadedFile[] = [];
  for (const file of scan.files) {
    const text = await readManifest(file).catch((error) => problemOf(file, cannotRead(file, error)));
    if (typeof text !== "string") problems.push(text);
    else files.push(reuse(parsed.get(file), text) ?? { file, text, ...parseText({ file, text }) });
  }
  return {
    files,
    directories: scan.directories,
    documents: files.flatMap(({ documents }) => documents),
    problems: inOrder([...problems, ...files.flatMap(({ problems }) => problems)]),
  };
}

function reuse(known: LoadedFile | undefined, text: string): LoadedFile | null {
  return known?.text === text ? known : null;
}

async function readManifest(file: string): Promise<string> {
  const { size } = await stat(file);
  if (size > MAX_FILE_BYTES) throw new Error(`${size} bytes are more than ${MAX_FILE_BYTES}`);
  return new TextDecoder("utf-8", { fatal: true }).decode(await readFile(file));
}
