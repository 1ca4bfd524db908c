import { ENTRY_OVERHEAD, FIRST_DYNAMIC, STATIC_FIELDS } from "./hpack-static.ts";

/** The table we use of what a peer offers. */
const MAX_TABLE = 4096;
const SLOTS = 256;
const FIRST_BLOCK = 4096;

const FNV_START = 0x811c9dc5 | 0;
const FNV_PRIME = 0x01000193;

/** How a field is written (RFC 7541, section 6). */
const INDEXED = 0x80;
const INSERTED = 0x40;
const SIZE_UPDATE = 0x20;
const NEVER = 0x10;
const PLAIN = 0x00;

/** Where blocks are put together, one at a time; one for all encoders of a worker. */
export class EncoderScratch {
  bytes = Buffer.allocUnsafeSlow(FIRST_BLOCK);
  length = 0;
  /** A number as text, on its way into the block. */
  readonly digits = Buffer.allocUnsafeSlow(16);

  room(size: number): void {
    const wanted = this.length + size;
    if (wanted <= this.bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(wanted * 2);
    this.bytes.copy(grown, 0, 0, this.length);
    this.bytes = grown;
  }
}

/** An entry of the dynamic table, found again by the hash of its line. */
class Entry {
  readonly hash: number;
  /** Name and value, without anything between. */
  readonly bytes: Uint8Array;
  readonly nameLength: number;
  /** How many had been inserted with it. */
  readonly sequence: number;

  constructor(hash: number, bytes: Uint8Array, nameLength: number, sequence: number) {
    this.hash = hash;
    this.bytes = bytes;
    this.nameLength = nameLength;
    this.sequence = sequence;
  }
}

/**
 * The encoding half of HPACK for one direction of a connection.
 *
 * A line enters the dynamic table when it is seen a second time, and stays:
 * nothing is evicted, so that an index is a subtraction. Values are written as
 * they are, without Huffman: the table does the work, and bytes are cheaper
 * than bits. What came as never to be indexed, and what is a secret, stays so.
 */
export class HpackEncoder {
  readonly #out: EncoderScratch;
  readonly #entries: (Entry | null)[] = new Array<Entry | null>(SLOTS).fill(null);
  /** Hashes of lines seen once. */
  readonly #seen = new Int32Array(SLOTS);
  #limit = MAX_TABLE;
  #size = 0;
  #inserted = 0;
  /** The peer must be told of another size before the next block. */
  #resized = false;

  constructor(scratch: EncoderScratch) {
    this.#out = scratch;
  }

  /** The peer's SETTINGS_HEADER_TABLE_SIZE. */
  resize(size: number): void {
    const limit = Math.min(size, MAX_TABLE);
    if (limit === this.#limit) return;
    this.#limit = limit;
    this.#resized = true;
  }

  /** Begins a block. */
  begin(): void {
    this.#out.length = 0;
    if (!this.#resized) return;
    this.#resized = false;
    this.#out.room(16);
    // By way of nothing: the table is empty on both sides, whatever the size was meanwhile (RFC 7541, section 4.2).
    this.#integer(SIZE_UPDATE, 5, 0);
    this.#integer(SIZE_UPDATE, 5, this.#limit);
    this.#entries.fill(null);
    this.#seen.fill(0);
    this.#size = this.#inserted = 0;
  }

  /** A field that stands in the static table as it is. */
  indexed(index: number): void {
    this.#out.room(8);
    this.#integer(INDEXED, 7, index);
  }

  /** A field whose value is a number. */
  number(name: Uint8Array, value: number): void {
    const { digits } = this.#out;
    const length = digits.latin1Write(String(value));
    this.field(name, 0, name.length, digits, 0, length, false, false);
  }

  /** A field whose name may be in any case. `changes`: its value is hardly ever the same again. */
  field(
    names: Uint8Array,
    nameStart: number,
    nameEnd: number,
    values: Uint8Array,
    valueStart: number,
    valueEnd: number,
    secret: boolean,
    changes: boolean,
  ): void {
    this.#out.room(nameEnd - nameStart + valueEnd - valueStart + 16);
    const nameHash = hashName(names, nameStart, nameEnd);
    let again = false;
    if (!secret && !changes) {
      const hash = hashBytes(nameHash, values, valueStart, valueEnd);
      const slot = hash & (SLOTS - 1);
      const entry = this.#entries[slot]!;
      if (entry === null) {
        again = this.#seen[slot] === hash && this.#fits(nameEnd - nameStart + valueEnd - valueStart);
        this.#seen[slot] = hash;
        if (again) this.#insert(hash, slot, names, nameStart, nameEnd, values, valueStart, valueEnd);
      } else if (entry.hash === hash && isEntry(entry, names, nameStart, nameEnd, values, valueStart, valueEnd)) {
        this.#integer(INDEXED, 7, FIRST_DYNAMIC + this.#inserted - entry.sequence);
        return;
      }
    }
    const mode = again ? INSERTED : secret ? NEVER : PLAIN;
    const named = staticName(nameHash, names, nameStart, nameEnd);
    this.#literal(mode, again ? 6 : 4, named, names, nameStart, nameEnd, values, valueStart, valueEnd);
  }

  #fits(length: number): boolean {
    return this.#size + length + ENTRY_OVERHEAD <= this.#limit;
  }

  #insert(
    hash: number,
    slot: number,
    names: Uint8Array,
    nameStart: number,
    nameEnd: number,
    values: Uint8Array,
    valueStart: number,
    valueEnd: number,
  ): void {
    const nameLength = nameEnd - nameStart;
    const bytes = new Uint8Array(nameLength + valueEnd - valueStart);
    for (let i = 0; i < nameLength; i++) bytes[i] = lower(names[nameStart + i]!);
    bytes.set(values.subarray(valueStart, valueEnd), nameLength);
    this.#size += bytes.length + ENTRY_OVERHEAD;
    this.#entries[slot] = new Entry(hash, bytes, nameLength, ++this.#inserted);
  }

  #literal(
    mode: number,
    bits: number,
    named: number,
    names: Uint8Array,
    nameStart: number,
    nameEnd: number,
    values: Uint8Array,
    valueStart: number,
    valueEnd: number,
  ): void {
    const out = this.#out;
    this.#integer(mode, bits, named);
    if (named === 0) {
      this.#integer(0, 7, nameEnd - nameStart);
      for (let p = nameStart; p < nameEnd; p++) out.bytes[out.length++] = lower(names[p]!);
    }
    this.#integer(0, 7, valueEnd - valueStart);
    if (valueEnd - valueStart > 48) {
      out.bytes.set(values.subarray(valueStart, valueEnd), out.length);
      out.length += valueEnd - valueStart;
    } else for (let p = valueStart; p < valueEnd; p++) out.bytes[out.length++] = values[p]!;
  }

  #integer(mode: number, bits: number, value: number): void {
    const out = this.#out;
    const mask = (1 << bits) - 1;
    if (value < mask) {
      out.bytes[out.length++] = mode | value;
      return;
    }
    out.bytes[out.length++] = mode | mask;
    let rest = value - mask;
    for (; rest >= 0x80; rest >>>= 7) out.bytes[out.length++] = (rest & 0x7f) | 0x80;
    out.bytes[out.length++] = rest;
  }
}

function lower(c: number): number {
  return c >= 0x41 && c <= 0x5a ? c | 0x20 : c;
}

function hashName(bytes: Uint8Array, start: number, end: number): number {
  let hash = FNV_START;
  for (let p = start; p < end; p++) hash = Math.imul(hash ^ lower(bytes[p]!), FNV_PRIME);
  // A name and a value are not the same as the two in one.
  return Math.imul(hash ^ 0x100, FNV_PRIME);
}

/** Folded, so that a slot depends on all of it; 0 stands for nothing seen. */
function hashBytes(seed: number, bytes: Uint8Array, start: number, end: number): number {
  let hash = seed;
  for (let p = start; p < end; p++) hash = Math.imul(hash ^ bytes[p]!, FNV_PRIME);
  return hash ^ (hash >>> 15) || 1;
}

function isEntry(
  entry: Entry,
  names: Uint8Array,
  nameStart: number,
  nameEnd: number,
  values: Uint8Array,
  valueStart: number,
  valueEnd: number,
): boolean {
  const { bytes, nameLength } = entry;
  if (nameLength !== nameEnd - nameStart || bytes.length - nameLength !== valueEnd - valueStart) return false;
  for (let i = 0; i < nameLength; i++) if (bytes[i] !== lower(names[nameStart + i]!)) return false;
  for (let i = valueStart; i < valueEnd; i++) if (bytes[nameLength + i - valueStart] !== values[i]) return false;
  return true;
}

// ---- names of the static table ----

const NAME_SLOTS = 256;
/** Indexes by hash of the name, the first entry of each; looked for in the slots that follow. */
const NAME_TABLE = new Uint8Array(NAME_SLOTS);
const NAME_BYTES: readonly Uint8Array[] = [
  new Uint8Array(0),
  ...STATIC_FIELDS.map(([name]) => new TextEncoder().encode(name)),
];

for (let index = 1; index < NAME_BYTES.length; index++) {
  const name = NAME_BYTES[index]!;
  if (STATIC_FIELDS.findIndex(([other]) => other === STATIC_FIELDS[index - 1]![0]) !== index - 1) continue;
  let slot = nameSlot(hashName(name, 0, name.length));
  while (NAME_TABLE[slot] !== 0) slot = (slot + 1) & (NAME_SLOTS - 1);
  NAME_TABLE[slot] = index;
}

function nameSlot(hash: number): number {
  return (hash ^ (hash >>> 15)) & (NAME_SLOTS - 1);
}

/** Index of a name in the static table; 0 where it has none. */
function staticName(hash: number, bytes: Uint8Array, start: number, end: number): number {
  for (let slot = nameSlot(hash); NAME_TABLE[slot] !== 0; slot = (slot + 1) & (NAME_SLOTS - 1)) {
    const name = NAME_BYTES[NAME_TABLE[slot]!]!;
    if (name.length !== end - start) continue;
    let i = 0;
    while (i < name.length && name[i] === lower(bytes[start + i]!)) i++;
    if (i === name.length) return NAME_TABLE[slot]!;
  }
  return 0;
}
