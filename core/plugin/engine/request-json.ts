import { METHOD_NAMES, Method, type RequestHead } from "../../http/mod.ts";
import type { HeaderChanges } from "../header-change.ts";
import type { RequestFacts } from "../plugin.ts";

/** The fixed pieces of a request in JSON. */
const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const METHOD = text('{"method":"');
const PATH = text('","path":"');
const QUERY = text('","query":"');
const AUTHORITY = text('","authority":"');
const HEADERS = text('","headers":{');
const IDENTITY = text('},"source":{"identity":"');
const ADDRESS = text('","address":"');
const SERVICE = text('"},"service":"');
const ROUTE = text('","route":"');
const END = text('"}');
const QUOTE = text('"');
const NEXT = text(',"');
const COLON = text('":"');
const METHODS: readonly Uint8Array[] = METHOD_NAMES.map(text);
const HEX = text("0123456789abcdef");

/** What one byte can become at most: \u00XX. */
const LONGEST = 6;
const FIXED = 256;

const Kind = { Plain: 0, Control: 1, Escaped: 2, High: 3 } as const;
const KIND = new Uint8Array(256);
for (let c = 0; c < 256; c++) KIND[c] = c < 32 || c === 127 ? Kind.Control : c > 127 ? Kind.High : Kind.Plain;
KIND[0x22] = KIND[0x5c] = Kind.Escaped;
const LOWER = new Uint8Array(256);
for (let c = 0; c < 256; c++) LOWER[c] = c >= 0x41 && c <= 0x5a ? c + 32 : c;

/**
 * Writes requests as the JSON of the contract, from the bytes of the head
 * straight into the memory of a guest. No text is made on the way.
 *
 * A byte above 127 becomes the character of that number, as in the Fetch
 * standard, so that every value survives the way there and back. Repeated
 * headers become one, joined by ", " ("; " for cookie, RFC 9113, 8.2.3): an
 * object with a name twice would mean one thing here and another there.
 */
export class RequestJson {
  #out: Uint8Array = new Uint8Array(0);
  #at = 0;
  /** For each field the next of the same name, or -1; and whether an earlier one has written it. */
  readonly #next = new Int16Array(256);
  readonly #written = new Uint8Array(256);
  /** By a small hash of the name: the head in which a name with this hash was last seen. */
  readonly #stamps = new Uint32Array(256);
  #stamp = 0;

  /** Bytes that the JSON of a request can have at most. */
  most(head: RequestHead, facts: RequestFacts): number {
    let bytes = head.methodEnd - head.methodStart + head.pathEnd - head.pathStart;
    bytes += head.queryEnd - head.queryStart + head.authorityEnd - head.authorityStart;
    const fields = head.count;
    for (let i = 0; i < fields; i++)
      bytes += head.nameEnd(i) - head.nameStart(i) + head.valueEnd(i) - head.valueStart(i);
    bytes += facts.address.length + facts.service.length + facts.route.length + (facts.peer?.length ?? 0);
    const { changes } = facts;
    if (changes === null) return FIXED + fields * 8 + bytes * LONGEST;
    return FIXED + (fields + changes.list.length) * 8 + (bytes + changes.lines.length) * LONGEST;
  }

  /** Writes a request at a place with room for `most()`; returns where it ends. */
  write(out: Uint8Array, at: number, head: RequestHead, facts: RequestFacts): number {
    this.#out = out;
    this.#at = at;
    this.#put(METHOD);
    if (head.method === Method.Other) this.#bytes(head.bytes, head.methodStart, head.methodEnd);
    else this.#put(METHODS[head.method]!);
    this.#put(PATH);
    this.#bytes(head.bytes, head.pathStart, head.pathEnd);
    this.#put(QUERY);
    this.#bytes(head.bytes, head.queryStart, head.queryEnd);
    this.#put(AUTHORITY);
    this.#bytes(head.bytes, head.authorityStart, head.authorityEnd);
    this.#put(HEADERS);
    this.#headers(head, facts.changes);
    this.#put(IDENTITY);
    this.#text(facts.peer ?? "");
    this.#put(ADDRESS);
    this.#text(facts.address);
    this.#put(SERVICE);
    this.#text(facts.service);
    this.#put(ROUTE);
    this.#text(facts.route);
    this.#put(END);
    return this.#at;
  }

  #headers(head: RequestHead, changes: HeaderChanges | null): void {
    this.#link(head);
    const first = this.#at;
    for (let i = 0; i < head.count; i++) {
      if (this.#written[i] === 1 || changes?.drops(head, i)) continue;
      this.#put(this.#at === first ? QUOTE : NEXT);
      this.#name(head.bytes, head.nameStart(i), head.nameEnd(i));
      this.#put(COLON);
      this.#bytes(head.bytes, head.valueStart(i), head.valueEnd(i));
      if (this.#next[i]! >= 0) this.#repeats(head, i);
      this.#put(QUOTE);
    }
    if (changes !== null) this.#changes(changes, first);
  }

  #changes(changes: HeaderChanges, first: number): void {
    for (const { name, value } of changes.list) {
      if (value === null) continue;
      this.#put(this.#at === first ? QUOTE : NEXT);
      this.#text(name);
      this.#put(COLON);
      this.#text(value);
      this.#put(QUOTE);
    }
  }

  #repeats(head: RequestHead, first: number): void {
    const separator =
      head.nameEnd(first) - head.nameStart(first) === 6 && head.findName("cookie") === first ? 0x3b : 0x2c;
    for (let i = this.#next[first]!; i >= 0; i = this.#next[i]!) {
      this.#out[this.#at++] = separator;
      this.#out[this.#at++] = 0x20;
      this.#bytes(head.bytes, head.valueStart(i), head.valueEnd(i));
    }
  }

  /** Chains fields of one name. Names that share a hash and differ are compared with all before them. */
  #link(head: RequestHead): void {
    const stamp = ++this.#stamp >>> 0;
    for (let i = 0; i < head.count; i++) {
      this.#next[i] = -1;
      this.#written[i] = 0;
      const start = head.nameStart(i);
      const end = head.nameEnd(i);
      const hash =
        (Math.imul(LOWER[head.bytes[start]!]!, 31) + Math.imul(LOWER[head.bytes[end - 1]!]!, 7) + (end - start) * 3) &
        255;
      if (this.#stamps[hash] === stamp) this.#linkTo(head, i);
      this.#stamps[hash] = stamp;
    }
  }

  #linkTo(head: RequestHead, i: number): void {
    for (let before = i - 1; before >= 0; before--) {
      if (!sameName(head, before, i)) continue;
      this.#next[before] = i;
      this.#written[i] = 1;
      return;
    }
  }

  #put(piece: Uint8Array): void {
    const out = this.#out;
    let at = this.#at;
    for (let i = 0; i < piece.length; i++) out[at++] = piece[i]!;
    this.#at = at;
  }

  #bytes(bytes: Uint8Array, start: number, end: number): void {
    const out = this.#out;
    let at = this.#at;
    for (let i = start; i < end; i++) {
      const c = bytes[i]!;
      if (KIND[c] === Kind.Plain) out[at++] = c;
      else at = escapeByte(out, at, c);
    }
    this.#at = at;
  }

  #name(bytes: Uint8Array, start: number, end: number): void {
    const out = this.#out;
    let at = this.#at;
    for (let i = start; i < end; i++) {
      const c = LOWER[bytes[i]!]!;
      if (KIND[c] === Kind.Plain) out[at++] = c;
      else at = escapeByte(out, at, c);
    }
    this.#at = at;
  }

  #text(value: string): void {
    const out = this.#out;
    let at = this.#at;
    for (let i = 0; i < value.length; i++) {
      const c = value.charCodeAt(i);
      if (c < 256 && KIND[c] === Kind.Plain) out[at++] = c;
      else at = c < 256 ? escapeByte(out, at, c) : escapeUnit(out, at, c >> 8, c & 255);
    }
    this.#at = at;
  }
}

function escapeByte(out: Uint8Array, at: number, c: number): number {
  if (KIND[c] === Kind.Control) return escapeUnit(out, at, 0, c);
  if (KIND[c] === Kind.Escaped) {
    out[at] = 0x5c;
    out[at + 1] = c;
  } else {
    out[at] = 0xc0 | (c >> 6);
    out[at + 1] = 0x80 | (c & 63);
  }
  return at + 2;
}

/** A UTF-16 unit as \uXXXX. */
function escapeUnit(out: Uint8Array, at: number, high: number, low: number): number {
  out[at] = 0x5c;
  out[at + 1] = 0x75;
  out[at + 2] = HEX[high >> 4]!;
  out[at + 3] = HEX[high & 15]!;
  out[at + 4] = HEX[low >> 4]!;
  out[at + 5] = HEX[low & 15]!;
  return at + 6;
}

function sameName(head: RequestHead, a: number, b: number): boolean {
  const length = head.nameEnd(a) - head.nameStart(a);
  if (head.nameEnd(b) - head.nameStart(b) !== length) return false;
  const bytes = head.bytes;
  const first = head.nameStart(a);
  const second = head.nameStart(b);
  for (let i = 0; i < length; i++) if (LOWER[bytes[first + i]!] !== LOWER[bytes[second + i]!]) return false;
  return true;
}
