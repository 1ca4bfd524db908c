import type { RequestHead } from "../../http/mod.ts";
import type { PathChangeModel } from "../model.ts";
import { normalizePath } from "../path.ts";

const PERCENT = 0x25;
const DOT = 0x2e;
const SLASH = 0x2f;

/** Length of a matched prefix that stands for the whole path: an exact path, or a regular expression. */
export const WHOLE_PATH = -1;

/**
 * What is put in the place of a path, or of its matched prefix (Gateway API,
 * HTTPPathModifier). Immutable.
 */
export class PathChange {
  readonly #isFull: boolean;
  readonly #value: string;

  constructor({ type, value }: PathChangeModel) {
    this.#isFull = type === "ReplaceFullPath";
    this.#value = this.#isFull ? rooted(escaped(value)) : escaped(value).replace(/\/+$/, "");
  }

  /**
   * The path that goes on, without its query. `prefix` is the length of the
   * prefix that the rule matched, in the path's normal form: that is what was
   * matched, so it is what is cut.
   */
  of(head: RequestHead, prefix: number): string {
    if (this.#isFull) return this.#value;
    const path = normalPath(head);
    // "*" and CONNECT have no path whose prefix could be another.
    if (!path.startsWith("/")) return path;
    const rest = prefix === WHOLE_PATH ? "" : path.slice(prefix);
    return rooted(this.#value + rest);
  }
}

function rooted(path: string): string {
  return path.startsWith("/") ? path : `/${path}`;
}

/** What an author writes may have what no request line can: it is escaped, not refused. */
function escaped(value: string): string {
  return value.replace(/[^!-~]+|[#"<>]/gu, (part) => encodeURIComponent(part.toWellFormed()));
}

function normalPath(head: RequestHead): string {
  const { bytes, pathStart, pathEnd } = head;
  if (isPlain(bytes, pathStart, pathEnd)) return head.pathText();
  const into = Buffer.alloc(pathEnd - pathStart);
  return into.latin1Slice(0, normalizePath(bytes, pathStart, pathEnd, into));
}

function isPlain(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) {
    if (bytes[i] === PERCENT || (bytes[i] === SLASH && bytes[i + 1] === DOT)) return false;
  }
  return true;
}
