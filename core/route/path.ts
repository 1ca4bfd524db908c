import { NO_BYTES } from "../base/mod.ts";
import { hashByte } from "./byte-table.ts";

const PERCENT = 0x25;
const DOT = 0x2e;
const SLASH = 0x2f;

/** RFC 3986, 2.3: the bytes that mean the same escaped and plain. */
const UNRESERVED = new Uint8Array(256).map((_, c) => (/[A-Za-z0-9._~-]/.test(String.fromCharCode(c)) ? 1 : 0));

/**
 * Reads a path once: hashes it byte by byte and remembers the places where a
 * prefix of whole elements could end, with the hash up to there. One per
 * worker, shared by its routers; what it holds is good until the next `read`.
 *
 * The path is read as its normal form (RFC 3986, 6.2.2: unreserved bytes
 * unescaped, hex digits in upper case, dot segments resolved), because an app
 * may do the same: neither "/public/../admin" nor "/%61dmin" goes around the
 * rule for "/admin". What is forwarded stays as it came.
 */
export class PathScan {
  readonly seed: number;
  bytes: Buffer = NO_BYTES;
  start = 0;
  end = 0;
  /** Hash of the whole path. */
  hash = 0;
  /** How many places were remembered. */
  count = 0;
  /** Their distances from `start`, ascending. */
  lengths = new Int32Array(0);
  hashes = new Int32Array(0);
  #scratch: Buffer = NO_BYTES;
  #plain = true;

  /** The seed is that of the tables that are probed with the hashes. */
  constructor(seed: number) {
    this.seed = seed | 0;
  }

  /** Makes room for as many places as a router can ask for; called when a router is made. */
  reserve(places: number): void {
    if (this.lengths.length >= places) return;
    this.lengths = new Int32Array(places);
    this.hashes = new Int32Array(places);
  }

  /** Reads the path in `bytes[start, end)`; only places at a distance marked in `wanted` are remembered. */
  read(bytes: Buffer, start: number, end: number, wanted: Uint8Array): void {
    this.#read(bytes, start, end, wanted);
    if (this.#plain) return;
    if (this.#scratch.length < end - start) this.#scratch = Buffer.alloc(Math.max(end - start, 1024));
    this.#read(this.#scratch, 0, normalizePath(bytes, start, end, this.#scratch), wanted);
  }

  #read(bytes: Buffer, start: number, end: number, wanted: Uint8Array): void {
    let hash = this.seed;
    let plain = true;
    this.count = 0;
    for (let i = start; i < end; i++) {
      const c = bytes[i]!;
      if (c <= SLASH) {
        if (c === SLASH) {
          if (i - start < wanted.length && wanted[i - start] === 1) this.#remember(i - start, hash);
          if (i + 1 < end && bytes[i + 1] === DOT) plain = false;
        } else if (c === PERCENT) plain = false;
      }
      hash = hashByte(hash, c);
    }
    if (end - start < wanted.length && wanted[end - start] === 1) this.#remember(end - start, hash);
    this.bytes = bytes;
    this.start = start;
    this.end = end;
    this.hash = hash;
    this.#plain = plain;
  }

  #remember(length: number, hash: number): void {
    this.lengths[this.count] = length;
    this.hashes[this.count++] = hash;
  }
}

/** Writes the normal form of a path to `into`, which is at least as long; gives its length. */
export function normalizePath(bytes: Uint8Array, start: number, end: number, into: Uint8Array): number {
  return resolveDots(into, plainBytes(bytes, start, end, into));
}

function plainBytes(bytes: Uint8Array, start: number, end: number, into: Uint8Array): number {
  let n = 0;
  for (let i = start; i < end; i++) {
    const c = bytes[i]!;
    const byte = c === PERCENT && i + 2 < end ? hexPair(bytes[i + 1]!, bytes[i + 2]!) : -1;
    if (byte < 0) into[n++] = c;
    else {
      if (UNRESERVED[byte] === 1) into[n++] = byte;
      else {
        into[n++] = PERCENT;
        into[n++] = upperHex(bytes[i + 1]!);
        into[n++] = upperHex(bytes[i + 2]!);
      }
      i += 2;
    }
  }
  return n;
}

/** RFC 3986, 5.2.4, in place. A target that is no path ("*") stays as it is. */
function resolveDots(path: Uint8Array, length: number): number {
  if (path[0] !== SLASH) return length;
  let kept = 0;
  for (let at = 0; at < length; ) {
    let end = at + 1;
    while (end < length && path[end] !== SLASH) end++;
    const dots = dotsIn(path, at + 1, end);
    if (dots === 0) {
      path.copyWithin(kept, at, end);
      kept += end - at;
    } else {
      if (dots === 2) while (kept > 0 && path[--kept] !== SLASH);
      if (end === length) path[kept++] = SLASH;
    }
    at = end;
  }
  return kept;
}

/** 1 for ".", 2 for "..", 0 for any other element. */
function dotsIn(path: Uint8Array, start: number, end: number): number {
  if (end - start === 1) return path[start] === DOT ? 1 : 0;
  return end - start === 2 && path[start] === DOT && path[start + 1] === DOT ? 2 : 0;
}

/** The byte that two hex digits write, or -1. */
export function hexPair(high: number, low: number): number {
  const h = hexDigit(high);
  const l = hexDigit(low);
  return h < 0 || l < 0 ? -1 : h * 16 + l;
}

function hexDigit(c: number): number {
  if (c >= 0x30 && c <= 0x39) return c - 0x30;
  const lower = c | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

function upperHex(c: number): number {
  return c >= 0x61 ? c - 32 : c;
}
