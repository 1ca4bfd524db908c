import { dirname, join, normalize } from "node:path";
import { Glob } from "bun";

/** The repository. */
export const ROOT: string = normalize(join(import.meta.dir, "..", ".."));

/** Files of a house by their path from its root, with their text. */
export type Sources = ReadonlyMap<string, string>;

/** One import, export-from or import(): who, whom, and whether the program loads it before it runs. */
export interface Import {
  readonly from: string;
  /** A path from the root for relative imports, else the package or `node:` module. */
  readonly to: string;
  readonly atStart: boolean;
}

/** Text of all files that match; a file that vanishes meanwhile (somebody builds) is left out. */
export async function readSources(patterns: readonly string[], root = ROOT): Promise<Sources> {
  const sources = new Map<string, string>();
  for (const pattern of patterns) {
    for (const path of new Glob(pattern).scanSync({ cwd: root, onlyFiles: true, dot: true })) {
      const text = await Bun.file(join(root, path))
        .text()
        .catch(() => null);
      if (text !== null) sources.set(path, text);
    }
  }
  return sources;
}

const STATEMENT = /^\s*(import|export)\s+(type\s)?(?:[^;"'`]*?\sfrom\s+)?"([^"]+)"/gm;
const CALL = /\bimport\(\s*"([^"]+)"\s*\)/g;

/** Everything a file imports, types too. */
export function importsOf(path: string, text: string): Import[] {
  const code = withoutComments(text);
  const found: Import[] = [];
  for (const [, , type, to] of code.matchAll(STATEMENT)) {
    found.push({ from: path, to: resolve(path, to!), atStart: type === undefined });
  }
  for (const [, to] of code.matchAll(CALL)) found.push({ from: path, to: resolve(path, to!), atStart: false });
  return found;
}

/** A source with its comments cut out; strings stay, also those with slashes. */
export function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|\s)\/\/.*$/gm, "$1");
}

function resolve(from: string, to: string): string {
  return to.startsWith(".") ? join(dirname(from), to) : to;
}
