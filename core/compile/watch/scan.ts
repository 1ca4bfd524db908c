import { readdir, realpath, stat } from "node:fs/promises";
import { join } from "node:path";
import { causeOf, messageOf } from "../../base/mod.ts";
import { compareText, type Problem, problemOf } from "../../config/mod.ts";

/** The manifests of a directory, unread. */
export interface Scan {
  /** Sorted. */
  readonly files: readonly string[];
  /** The directories in which a change may change something. */
  readonly directories: readonly string[];
  /** What could not be looked at. */
  readonly problems: readonly Problem[];
}

/** Nobody nests deeper on purpose. */
const MAX_DEPTH = 32;

/**
 * Finds the manifests of a directory and of those below it (*.yaml, *.yml,
 * *.json), or one file. Hidden names are skipped, which leaves out `..data`
 * and the timed directories that Kubernetes mounts: their files are found
 * once, by the links beside them.
 */
export async function scanManifests(root: string): Promise<Scan> {
  const found: Found = { files: [], directories: [], problems: [], seen: new Set() };
  await scanPath(root, 0, found);
  found.files.sort(compareText);
  return found;
}

interface Found {
  readonly files: string[];
  readonly directories: string[];
  readonly problems: Problem[];
  /** Real paths, so that links make neither copies nor circles. */
  readonly seen: Set<string>;
}

async function scanPath(path: string, depth: number, found: Found): Promise<void> {
  try {
    const real = await realpath(path);
    if (found.seen.has(real)) return;
    found.seen.add(real);
    const kind = await stat(real);
    if (kind.isDirectory()) await scanDirectory(path, depth, found);
    else if (depth === 0 || isManifest(path)) found.files.push(path);
  } catch (error) {
    if (depth === 0 || isManifest(path)) found.problems.push(problemOf(path, cannotRead(path, error)));
  }
}

async function scanDirectory(path: string, depth: number, found: Found): Promise<void> {
  if (depth > MAX_DEPTH) return;
  found.directories.push(path);
  const names = await readdir(path);
  for (const name of names.sort(compareText))
    if (!name.startsWith(".")) await scanPath(join(path, name), depth + 1, found);
}

function isManifest(path: string): boolean {
  return /\.(ya?ml|json)$/.test(path);
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  EACCES: "permission denied",
  EISDIR: "it is a directory",
  ELOOP: "its links lead in a circle",
};

/** The sentence for a manifest that cannot be read. */
export function cannotRead(file: string, error: unknown): string {
  const code = (causeOf(error, Error) as NodeJS.ErrnoException | null)?.code ?? "";
  if (error instanceof TypeError) return `Cannot read ${file}: it is not UTF-8 text`;
  return `Cannot read ${file}: ${REASONS[code] ?? messageOf(error)}`;
}
