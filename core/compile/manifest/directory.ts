import { readdir, readFile, realpath, stat } from "node:fs/promises";
import { join } from "node:path";
import { causeOf, messageOf } from "../../base/mod.ts";
import { compareText, inOrder, type Problem, problemOf } from "../../config/mod.ts";
import { type Document, type ParsedDocuments, parseText } from "../../schema/mod.ts";

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

/** Nobody nests deeper on purpose. */
const MAX_DEPTH = 32;

/**
 * Reads the manifests of a directory and of those below it (*.yaml, *.yml,
 * *.json; sorted), or one file. Hidden names are skipped, which leaves out
 * `..data` and the timed directories that Kubernetes mounts: their files are
 * read once, by the links beside them. A file that cannot be read is a problem
 * among the others. Files whose text stands in `before` are not parsed again.
 */
export async function loadDirectory(root: string, before: LoadedDirectory | null = null): Promise<LoadedDirectory> {
  const scan: Scan = { files: [], directories: [], problems: [], seen: new Set() };
  await scanPath(root, 0, scan);
  const parsed = new Map(before?.files.map((file) => [file.file, file]));
  const files: LoadedFile[] = [];
  for (const file of scan.files.sort(compareText)) {
    const text = await readManifest(file).catch((error) => problemOf(file, cannotRead(file, error)));
    if (typeof text !== "string") scan.problems.push(text);
    else files.push(reuse(parsed.get(file), text) ?? { file, text, ...parseText({ file, text }) });
  }
  return {
    files,
    directories: scan.directories,
    documents: files.flatMap(({ documents }) => documents),
    problems: inOrder([...scan.problems, ...files.flatMap(({ problems }) => problems)]),
  };
}

interface Scan {
  readonly files: string[];
  readonly directories: string[];
  readonly problems: Problem[];
  /** Real paths, so that links make neither copies nor circles. */
  readonly seen: Set<string>;
}

function reuse(known: LoadedFile | undefined, text: string): LoadedFile | null {
  return known?.text === text ? known : null;
}

async function scanPath(path: string, depth: number, scan: Scan): Promise<void> {
  try {
    const real = await realpath(path);
    if (scan.seen.has(real)) return;
    scan.seen.add(real);
    const kind = await stat(real);
    if (kind.isDirectory()) await scanDirectory(path, depth, scan);
    else if (depth === 0 || isManifest(path)) scan.files.push(path);
  } catch (error) {
    if (depth === 0 || isManifest(path)) scan.problems.push(problemOf(path, cannotRead(path, error)));
  }
}

async function scanDirectory(path: string, depth: number, scan: Scan): Promise<void> {
  if (depth > MAX_DEPTH) return;
  scan.directories.push(path);
  const names = await readdir(path);
  for (const name of names.sort(compareText))
    if (!name.startsWith(".")) await scanPath(join(path, name), depth + 1, scan);
}

function isManifest(path: string): boolean {
  return /\.(ya?ml|json)$/.test(path);
}

async function readManifest(file: string): Promise<string> {
  const { size } = await stat(file);
  if (size > MAX_FILE_BYTES) throw new Error(`${size} bytes are more than ${MAX_FILE_BYTES}`);
  return new TextDecoder("utf-8", { fatal: true }).decode(await readFile(file));
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  EACCES: "permission denied",
  EISDIR: "it is a directory",
  ELOOP: "its links lead in a circle",
};

function cannotRead(file: string, error: unknown): string {
  const code = (causeOf(error, Error) as NodeJS.ErrnoException | null)?.code ?? "";
  if (error instanceof TypeError) return `Cannot read ${file}: it is not UTF-8 text`;
  return `Cannot read ${file}: ${REASONS[code] ?? messageOf(error)}`;
}
