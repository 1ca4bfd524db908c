import { kindOfName, kindOfValue } from "./field-kind.ts";
import { BAD_CODE, decodeHuffman, NO_ROOM } from "./hpack-huffman.ts";
import { SEPARATOR_BYTES, STATIC_LINES, TableLine } from "./hpack-line.ts";
import { ENTRY_OVERHEAD, FIRST_DYNAMIC } from "./hpack-static.ts";

/** Who takes the fields of a block, in order. The bytes are the decoder's: copy what is kept. */
export interface FieldSink {
  /** A line `name: value\r\n` from offset 0 on. `secret`: it came as never to be indexed. */
  take(line: Buffer, nameLength: number, valueEnd: number, kind: number, secret: boolean): void;
  /** A field did not fit; the rest of the block is decoded all the same, to keep the table in step. */
  tooLong(): void;
}

/** Longest line that is decoded; anything longer only keeps the table in step. */
export const MAX_LINE_BYTES = 64 * 1024;

/** What every entry takes at least. */
const MAX_ENTRIES = (maxSize: number): number => Math.ceil(maxSize / ENTRY_OVERHEAD);

const COLON = 0x3a;
const SPACE = 0x20;
const CR = 13;
const LF = 10;

/** Where literals are put together, one field at a time; one for all decoders of a worker. */
export class DecoderScratch {
  readonly line = Buffer.allocUnsafeSlow(MAX_LINE_BYTES + 2 * SEPARATOR_BYTES);
}

/**
 * The decoding half of HPACK (RFC 7541) for one direction of a connection.
 *
 * Holds the dynamic table, up to `maxSize` bytes as the table counts, and
 * nothing of any block.
 */
export class HpackDecoder {
  readonly #maxSize: number;
  readonly #line: Buffer;
  /** A ring of entries; `#newest` is the one with index 62. */
  readonly #ring: (TableLine | null)[];
  #newest = 0;
  #count = 0;
  #size = 0;
  /** What the peer has chosen to use of `#maxSize`. */
  #limit: number;

  #block: Uint8Array = new Uint8Array(0);
  #at = 0;
  #end = 0;

  constructor(maxSize: number, scratch: DecoderScratch) {
    this.#maxSize = this.#limit = maxSize;
    this.#ring = new Array<TableLine | null>(MAX_ENTRIES(maxSize) + 1).fill(null);
    this.#line = scratch.line;
  }

  /** Bytes in the table, as it counts. */
  get size(): number {
    return this.#size;
  }

  /** Decodes a whole block; false where it is no HPACK: the connection cannot go on. */
  decode(block: Uint8Array, start: number, end: number, sink: FieldSink): boolean {
    this.#block = block;
    this.#at = start;
    this.#end = end;
    let fields = false;
    while (this.#at < end) {
      const first = block[this.#at]!;
      if ((first & 0xe0) === 0x20) {
        // Size updates stand in front of a block only (RFC 7541, section 4.2).
        if (fields || !this.#resize()) return false;
        continue;
      }
      fields = true;
      if (!(first >= 0x80 ? this.#indexed(sink) : this.#literal(first, sink))) return false;
    }
    return true;
  }

  #resize(): boolean {
    const size = this.#integer(5);
    if (size < 0 || size > this.#maxSize) return false;
    this.#limit = size;
    this.#evict(0);
    return true;
  }

  #indexed(sink: FieldSink): boolean {
    const line = this.#entry(this.#integer(7));
    if (line === null) return false;
    sink.take(line.bytes, line.nameLength, line.valueEnd, line.kind, false);
    return true;
  }

  #literal(first: number, sink: FieldSink): boolean {
    const indexes = (first & 0x40) !== 0;
    const index = this.#integer(indexes ? 6 : 4);
    if (index < 0) return false;
    const line = this.#line;
    let nameLength: number;
    let nameKind: number;
    if (index > 0) {
      const named = this.#entry(index);
      if (named === null) return false;
      nameLength = named.nameLength;
      nameKind = named.nameKind;
      named.bytes.copy(line, 0, 0, nameLength);
    } else {
      nameLength = this.#string(0);
      if (nameLength === BAD_CODE) return false;
      nameKind = nameLength < 0 ? 0 : kindOfName(line, 0, nameLength);
    }
    const valueStart = nameLength < 0 ? 0 : nameLength + SEPARATOR_BYTES;
    const valueEnd = this.#string(valueStart);
    if (valueEnd === BAD_CODE) return false;
    if (nameLength < 0 || valueEnd < 0) this.#tooLong(indexes, sink);
    else this.#took(nameLength, valueEnd, nameKind, indexes, (first & 0x10) !== 0, sink);
    return true;
  }

  /** An entry that no table can hold empties it (RFC 7541, section 4.4). */
  #tooLong(indexes: boolean, sink: FieldSink): void {
    if (indexes) this.#evict(this.#limit);
    sink.tooLong();
  }

  #took(
    nameLength: number,
    valueEnd: number,
    nameKind: number,
    indexes: boolean,
    secret: boolean,
    sink: FieldSink,
  ): void {
    const line = this.#line;
    line[nameLength] = COLON;
    line[nameLength + 1] = SPACE;
    line[valueEnd] = CR;
    line[valueEnd + 1] = LF;
    const kind = kindOfValue(nameKind, line, nameLength + SEPARATOR_BYTES, valueEnd);
    if (indexes) this.#insert(nameLength, valueEnd, nameKind, kind);
    sink.take(line, nameLength, valueEnd, kind, secret && !indexes);
  }

  // ---- the table ----

  #entry(index: number): TableLine | null {
    if (index < FIRST_DYNAMIC) return index > 0 ? STATIC_LINES[index]! : null;
    const back = index - FIRST_DYNAMIC;
    if (back >= this.#count) return null;
    const size = this.#ring.length;
    return this.#ring[(this.#newest - back + size) % size]!;
  }

  #insert(nameLength: number, valueEnd: number, nameKind: number, kind: number): void {
    const size = valueEnd - SEPARATOR_BYTES + ENTRY_OVERHEAD;
    this.#evict(size);
    if (size > this.#limit) return;
    const bytes = Buffer.allocUnsafeSlow(valueEnd + SEPARATOR_BYTES);
    this.#line.copy(bytes, 0, 0, bytes.length);
    this.#newest = (this.#newest + 1) % this.#ring.length;
    this.#ring[this.#newest] = new TableLine(bytes, nameLength, valueEnd, nameKind, kind);
    this.#count++;
    this.#size += size;
  }

  /** Makes room for `size` more. */
  #evict(size: number): void {
    const ring = this.#ring;
    while (this.#count > 0 && this.#size + size > this.#limit) {
      const oldest = (this.#newest - this.#count + 1 + ring.length) % ring.length;
      this.#size -= ring[oldest]!.size;
      ring[oldest] = null;
      this.#count--;
    }
  }

  // ---- primitives ----

  /** An integer behind a prefix of `bits` (RFC 7541, section 5.1); -1 where it is cut off or beyond any use. */
  #integer(bits: number): number {
    const mask = (1 << bits) - 1;
    let value = this.#block[this.#at++]! & mask;
    if (value < mask) return value;
    for (let shift = 0; shift <= 21; shift += 7) {
      if (this.#at >= this.#end) return -1;
      const byte = this.#block[this.#at++]!;
      value += (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    return -1;
  }

  /** Puts a string into the line from `to` on: the offset behind it, `BAD_CODE` or `NO_ROOM`. */
  #string(to: number): number {
    if (this.#at >= this.#end) return BAD_CODE;
    const coded = this.#block[this.#at]! >= 0x80;
    const length = this.#integer(7);
    const start = this.#at;
    if (length < 0 || length > this.#end - start) return BAD_CODE;
    this.#at = start + length;
    if (coded) return decodeHuffman(this.#block, start, start + length, this.#line, to, MAX_LINE_BYTES);
    if (to + length > MAX_LINE_BYTES) return NO_ROOM;
    copyBytes(this.#block, start, start + length, this.#line, to);
    return to + length;
  }
}

/** Short runs are the rule: a loop beats the call. */
function copyBytes(from: Uint8Array, start: number, end: number, to: Buffer, at: number): void {
  if (end - start > 48) {
    to.set(from.subarray(start, end), at);
    return;
  }
  let out = at;
  for (let p = start; p < end; p++) to[out++] = from[p]!;
}
