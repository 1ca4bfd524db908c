import { METHOD_NAMES, Method, type RequestHead } from "../http/mod.ts";
import type { MatchModel, ValueMatchModel } from "./model.ts";
import { hexPair } from "./path.ts";
import { Pattern } from "./pattern.ts";

const AMPERSAND = 0x26;
const EQUALS = 0x3d;
const PERCENT = 0x25;
const PLUS = 0x2b;
const COMMA = 0x2c;
const SPACE = 0x20;

/** What a request must have beside its path: method, headers, query parameters. Makes no strings. */
export class Conditions {
  readonly headerCount: number;
  readonly queryCount: number;
  readonly hasMethod: boolean;
  readonly #method: Method;
  /** Bytes of a method without a number; null for any method. */
  readonly #token: Uint8Array | null;
  readonly #headers: readonly HeaderCondition[];
  readonly #query: readonly QueryCondition[];

  /** @throws {InvalidPattern} */
  constructor(match: MatchModel) {
    const method =
      match.method === undefined ? -1 : METHOD_NAMES.indexOf(match.method as (typeof METHOD_NAMES)[number]);
    this.#method = (method > 0 ? method : Method.Other) as Method;
    this.#token = method === -1 && match.method !== undefined ? bytesOf(match.method) : null;
    this.#headers = firstOfName(match.headers ?? [], lower).map((header) => new HeaderCondition(header));
    this.#query = firstOfName(match.query ?? [], (name) => name).map((param) => new QueryCondition(param));
    this.hasMethod = match.method !== undefined;
    this.headerCount = this.#headers.length;
    this.queryCount = this.#query.length;
  }

  hold(head: RequestHead): boolean {
    if (this.hasMethod && !this.#methodHolds(head)) return false;
    const headers = this.#headers;
    for (let i = 0; i < headers.length; i++) if (!headers[i]!.holds(head)) return false;
    const query = this.#query;
    for (let i = 0; i < query.length; i++) if (!query[i]!.holds(head)) return false;
    return true;
  }

  #methodHolds(head: RequestHead): boolean {
    const token = this.#token;
    if (token === null) return head.method === this.#method;
    return head.method === Method.Other && equals(head.bytes, head.methodStart, head.methodEnd, token);
  }
}

/** A header's combined value: repeated fields joined by ", " (RFC 9110, 5.3). */
class HeaderCondition {
  readonly #name: string;
  readonly #value: Uint8Array;
  readonly #pattern: Pattern | null;

  constructor(model: ValueMatchModel) {
    this.#name = lower(model.name);
    this.#value = bytesOf(model.value);
    this.#pattern = model.type === "RegularExpression" ? new Pattern(model.value) : null;
  }

  holds(head: RequestHead): boolean {
    const i = head.findName(this.#name);
    if (i < 0) return false;
    return this.#pattern === null ? this.#isExact(head, i) : this.#isMatched(head, i, this.#pattern);
  }

  #isExact(head: RequestHead, first: number): boolean {
    const { bytes } = head;
    const value = this.#value;
    let at = 0;
    for (let i = first; i >= 0; i = head.findName(this.#name, i + 1)) {
      if (i !== first && (value[at++] !== COMMA || value[at++] !== SPACE)) return false;
      for (let k = head.valueStart(i), end = head.valueEnd(i); k < end; k++) if (bytes[k] !== value[at++]) return false;
    }
    return at === value.length;
  }

  #isMatched(head: RequestHead, first: number, pattern: Pattern): boolean {
    const { bytes } = head;
    pattern.begin();
    for (let i = first; i >= 0; i = head.findName(this.#name, i + 1)) {
      if (i !== first && !(pattern.step(COMMA) && pattern.step(SPACE))) return false;
      for (let k = head.valueStart(i), end = head.valueEnd(i); k < end; k++) if (!pattern.step(bytes[k]!)) return false;
    }
    return pattern.end();
  }
}

/**
 * A query parameter's first value, as Gateway API recommends for repeated
 * ones. Name and value are decoded as a form (WHATWG URL, 5.1: "+" is a space,
 * a broken escape stands for itself), because that is what the app will read.
 */
class QueryCondition {
  readonly #name: Uint8Array;
  readonly #value: Uint8Array;
  readonly #pattern: Pattern | null;

  constructor(model: ValueMatchModel) {
    this.#name = bytesOf(model.name);
    this.#value = bytesOf(model.value);
    this.#pattern = model.type === "RegularExpression" ? new Pattern(model.value) : null;
  }

  holds(head: RequestHead): boolean {
    const { bytes, queryEnd } = head;
    for (let at = head.queryStart; at < queryEnd; at++) {
      const end = indexOf(bytes, AMPERSAND, at, queryEnd);
      const equalsAt = indexOf(bytes, EQUALS, at, end);
      if (equalsDecoded(bytes, at, equalsAt, this.#name)) {
        const start = equalsAt < end ? equalsAt + 1 : end;
        if (this.#pattern === null) return equalsDecoded(bytes, start, end, this.#value);
        return matchesDecoded(bytes, start, end, this.#pattern);
      }
      at = end;
    }
    return false;
  }
}

/** Of several with one name the first counts; the others are ignored (Gateway API, HTTPHeaderMatch). */
function firstOfName(models: readonly ValueMatchModel[], key: (name: string) => string): readonly ValueMatchModel[] {
  return models.filter((model, i) => models.findIndex((other) => key(other.name) === key(model.name)) === i);
}

function equalsDecoded(bytes: Uint8Array, start: number, end: number, value: Uint8Array): boolean {
  let at = 0;
  for (let i = start; i < end; at++) {
    const unit = decodeAt(bytes, i, end);
    if (value[at] !== (unit & 0xff)) return false;
    i += unit >> 8;
  }
  return at === value.length;
}

function matchesDecoded(bytes: Uint8Array, start: number, end: number, pattern: Pattern): boolean {
  pattern.begin();
  for (let i = start; i < end; ) {
    const unit = decodeAt(bytes, i, end);
    if (!pattern.step(unit & 0xff)) return false;
    i += unit >> 8;
  }
  return pattern.end();
}

/** The decoded byte at `i`, and above it how many bytes wrote it. */
function decodeAt(bytes: Uint8Array, i: number, end: number): number {
  const c = bytes[i]!;
  if (c === PLUS) return SPACE | 0x100;
  const byte = c === PERCENT && i + 2 < end ? hexPair(bytes[i + 1]!, bytes[i + 2]!) : -1;
  return byte < 0 ? c | 0x100 : byte | 0x300;
}

function equals(bytes: Uint8Array, start: number, end: number, value: Uint8Array): boolean {
  if (end - start !== value.length) return false;
  for (let i = 0; i < value.length; i++) if (bytes[start + i] !== value[i]) return false;
  return true;
}

function indexOf(bytes: Uint8Array, byte: number, start: number, end: number): number {
  let i = start;
  while (i < end && bytes[i] !== byte) i++;
  return i;
}

function bytesOf(text: string): Uint8Array {
  return Buffer.from(text, "utf8");
}

function lower(name: string): string {
  return name.toLowerCase();
}
