import {
  isCollection,
  isMap,
  isScalar,
  isSeq,
  type LineCounter,
  type Node,
  type Pair,
  parseDocument,
  type Range,
} from "yaml";
import type { Path } from "../config/mod.ts";
import type { Place } from "./document.ts";

/** How documents are read: YAML 1.2 with merge keys, as Kubernetes reads them. Errors are data, not text with frames. */
export const YAML_OPTIONS = { merge: true, prettyErrors: false, logLevel: "silent" } as const;

/** The part of a document that places are looked up in. */
export interface YamlRoot {
  readonly contents: unknown;
  readonly range?: Range | null;
}

/**
 * A document's text, from which the place of any value can be told. It keeps
 * the text and reads it again when asked: a syntax tree would hold twenty
 * times as much for every document, and most have nothing wrong with them.
 */
export class Source {
  readonly #text: string;
  readonly #start: number;
  readonly #end: number;
  readonly #lines: LineCounter;
  /** Path inside the text at which the document begins: items of a List. */
  readonly #prefix: Path;

  constructor(text: string, range: readonly [number, number], lines: LineCounter, prefix: Path = []) {
    this.#text = text;
    this.#start = range[0];
    this.#end = range[1];
    this.#lines = lines;
    this.#prefix = prefix;
  }

  locate(path: Path): Place {
    const document = parseDocument(this.#text.slice(this.#start, this.#end), YAML_OPTIONS);
    return placeAt(this.#lines, this.#start + offsetOf(document, [...this.#prefix, ...path]));
  }

  within(prefix: Path): Source {
    return new Source(this.#text, [this.#start, this.#end], this.#lines, [...this.#prefix, ...prefix]);
  }
}

/** Line and column of an offset, both from 1. */
export function placeAt(lines: LineCounter, offset: number): Place {
  const { line, col } = lines.linePos(offset);
  return { line: Math.max(1, line), column: Math.max(1, col) };
}

/** Offset of a scalar's own text, of an object's or list's key, or of the nearest that encloses a missing value. */
export function offsetOf(document: YamlRoot, path: Path): number {
  let node = document.contents;
  let offset = startOf(node) ?? document.range?.[0] ?? 0;
  for (const step of path) {
    if (isSeq(node) && typeof step === "number") {
      node = node.items[step];
      if (node === undefined) return offset;
      offset = startOf(node) ?? offset;
    } else {
      const pair = isMap(node) ? pairOf(node.items, step) : undefined;
      if (pair === undefined) return offset;
      node = pair.value;
      const own = isCollection(node) || isEmptyScalar(node) ? undefined : startOf(node);
      offset = own ?? startOf(pair.key) ?? offset;
    }
  }
  return offset;
}

/** Offset of a field's name, for a field that should not be there at all. */
export function keyOffsetOf(document: YamlRoot, path: Path, key: string): number {
  let node = document.contents;
  for (const step of path) {
    if (isSeq(node) && typeof step === "number") node = node.items[step];
    else node = isMap(node) ? pairOf(node.items, step)?.value : undefined;
  }
  const pair = isMap(node) ? pairOf(node.items, key) : undefined;
  return startOf(pair?.key) ?? offsetOf(document, path);
}

/** Path of the field whose name begins at an offset; null without one. */
export function keyPathAt(node: unknown, offset: number, path: Path = []): Path | null {
  if (isSeq(node)) return firstOf(node.items, (item, i) => keyPathAt(item, offset, [...path, i]));
  if (!isMap(node)) return null;
  return firstOf(node.items, ({ key, value }) => {
    const here = [...path, String(isScalar(key) ? key.value : key)];
    return startOf(key) === offset ? here : keyPathAt(value, offset, here);
  });
}

function firstOf<T, R>(items: readonly T[], find: (item: T, i: number) => R | null): R | null {
  for (const [i, item] of items.entries()) {
    const found = find(item, i);
    if (found !== null) return found;
  }
  return null;
}

function pairOf(pairs: readonly Pair[], step: string | number): Pair | undefined {
  return pairs.find(({ key }) => String(isScalar(key) ? key.value : key) === String(step));
}

function startOf(node: unknown): number | undefined {
  return (node as Node | null | undefined)?.range?.[0];
}

function isEmptyScalar(node: unknown): boolean {
  return isScalar(node) && node.source === "";
}
