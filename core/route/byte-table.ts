/** Value of each byte, and of each byte with A-Z read as a-z (RFC 9110, 4.2.3: a host has no case). */
const AS_IS = new Uint8Array(256).map((_, c) => c);
const LOWER = new Uint8Array(256).map((_, c) => (c >= 0x41 && c <= 0x5a ? c + 32 : c));

const FNV_PRIME = 0x01000193;

/** One step of the hash of a ByteTable (FNV-1a); start from the table's seed. */
export function hashByte(hash: number, byte: number): number {
  return Math.imul(hash ^ byte, FNV_PRIME);
}

/** FNV leaves the low bits weak; this spreads the high ones over them. */
function slotOf(hash: number, mask: number): number {
  const h = Math.imul(hash ^ (hash >>> 16), 0x45d9f3b);
  return (h ^ (h >>> 15)) & mask;
}

export interface ByteTableOptions {
  /** Differs from process to process, so that nobody outside can aim at one slot. */
  readonly seed: number;
  /** Reads A-Z as a-z, in keys and in what is looked up. Default: false. */
  readonly ignoreCase?: boolean;
}

/**
 * An immutable map whose keys are bytes and whose lookup takes a range of a
 * buffer: no string is made and nothing is allocated. All keys lie in one
 * array. Of two equal keys the first counts.
 */
export class ByteTable<V> {
  readonly size: number;
  readonly #seed: number;
  readonly #map: Uint8Array;
  readonly #mask: number;
  /** Entry number + 1, or 0; at most half full. */
  readonly #slots: Int32Array;
  readonly #hashes: Int32Array;
  /** Where each key starts; the next one's start is its end. */
  readonly #starts: Int32Array;
  readonly #keys: Uint8Array;
  readonly #values: readonly V[];

  constructor(entries: readonly (readonly [key: Uint8Array, value: V])[], options: ByteTableOptions) {
    let slots = 4;
    while (slots < entries.length * 2) slots *= 2;
    this.size = entries.length;
    this.#seed = options.seed | 0;
    this.#map = options.ignoreCase === true ? LOWER : AS_IS;
    this.#mask = slots - 1;
    this.#slots = new Int32Array(slots);
    this.#hashes = new Int32Array(entries.length);
    this.#starts = new Int32Array(entries.length + 1);
    this.#keys = new Uint8Array(entries.reduce((sum, [key]) => sum + key.length, 0));
    this.#values = entries.map(([, value]) => value);
    entries.forEach(([key], i) => {
      this.#put(i, key);
    });
  }

  #put(entry: number, key: Uint8Array): void {
    const start = this.#starts[entry]!;
    for (let i = 0; i < key.length; i++) this.#keys[start + i] = this.#map[key[i]!]!;
    this.#starts[entry + 1] = start + key.length;
    const hash = this.hash(key, 0, key.length);
    this.#hashes[entry] = hash;
    let slot = slotOf(hash, this.#mask);
    while (this.#slots[slot] !== 0) slot = (slot + 1) & this.#mask;
    this.#slots[slot] = entry + 1;
  }

  /** Hash of a range, as `probe` wants it. */
  hash(bytes: Uint8Array, start: number, end: number): number {
    const map = this.#map;
    let hash = this.#seed;
    for (let i = start; i < end; i++) hash = hashByte(hash, map[bytes[i]!]!);
    return hash;
  }

  get(bytes: Uint8Array, start: number, end: number): V | null {
    return this.probe(this.hash(bytes, start, end), bytes, start, end);
  }

  /** Looks up a range whose hash the caller has made on its way. */
  probe(hash: number, bytes: Uint8Array, start: number, end: number): V | null {
    const slots = this.#slots;
    const mask = this.#mask;
    for (let slot = slotOf(hash, mask); ; slot = (slot + 1) & mask) {
      const entry = slots[slot]! - 1;
      if (entry < 0) return null;
      if (this.#hashes[entry] === hash && this.#equals(entry, bytes, start, end)) return this.#values[entry]!;
    }
  }

  #equals(entry: number, bytes: Uint8Array, start: number, end: number): boolean {
    const keys = this.#keys;
    const map = this.#map;
    const from = this.#starts[entry]!;
    if (this.#starts[entry + 1]! - from !== end - start) return false;
    for (let i = start, k = from; i < end; i++, k++) if (map[bytes[i]!] !== keys[k]) return false;
    return true;
  }
}
