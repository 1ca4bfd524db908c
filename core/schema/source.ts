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
import { type Path, pathText } from "../config/mod.ts";
import type { Place } from "./document.ts";

/** How documents are read: YAML 1.2 with merge keys, as Kubernetes reads them. Errors are data, not text with frames. */
export const YAML_OPTIONS = { merge: true, prettyErrors: false, logLevel: "silent" } as const;

/** The part of a document that places are looked up in. */
export interface YamlRoot {
  readonly contents: unknown;
  readonly range?: Range | null;
}

/**
 * The text of one YAML document, from which its tree can be had again. It
 * keeps the text: the tree would hold twenty times as much, and most documents
 * have nothing wrong with them. A tree that was made stays while it is in use.
 */
export class SourceTree {
  readonly #text: string;
  readonly #lines: LineCounter;
  readonly #start: number;
  readonly #end: number;
  #tree: WeakRef<YamlRoot> | null = null;

  constructor(text: string, lines: LineCounter, range: Range | null | undefined) {
    this.#text = text;
    this.#lines = lines;
    this.#start = range?.[0] ?? 0;
    this.#end = range?.[2] ?? text.length;
  }

  locate(path: Path): Place {
    return placeAt(this.#lines, this.#start + offsetOf(this.#read(), path));
  }

  #read(): YamlRoot {
    const known = this.#tree?.deref();
    if (known !== undefined) return known;
    const tree = parseDocument(this.#text.slice(this.#start, this.#end), YAML_OPTIONS);
    this.#tree = new WeakRef<YamlRoot>(tree);
    return tree;
  }
}

/** Where the values of a document stand; a document may be part of a tree, as the items of a List are. */
export class Places {
  readonly #tree: SourceTree;
  readonly #prefix: Path;
  /** Those that were asked for: the same problems are told at every compilation. */
  #known: Map<string, Place> | null = null;

  constructor(tree: SourceTree, prefix: Path) {
    this.#tree = tree;
    this.#prefix = prefix;
  }

  of(path: Path): Place {
    const key = pathText(path);
    const known = this.#known?.get(key);
    if (known !== undefined) return known;
    const place = this.#tree.locate([...this.#prefix, ...path]);
    this.#known ??= new Map();
    this.#known.set(key, place);
    return place;
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
