const HEX = Buffer.from("0123456789abcdef");
/** Offsets of the 16 bytes of a UUID in its text (RFC 9562, section 4). */
const AT = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];
const POOL_BYTES = 4096;
const DASH = 45;

/** Random UUIDs (version 4) as text, from a pool of random bytes: no string is made. */
export class RequestIds {
  readonly #fill: (bytes: Uint8Array) => void;
  readonly #pool = new Uint8Array(new ArrayBuffer(POOL_BYTES));
  #at = POOL_BYTES;

  /** @param fill fills bytes with cryptographic randomness. */
  constructor(fill: (bytes: Uint8Array) => void) {
    this.#fill = fill;
  }

  /** Writes 36 characters at `offset`. */
  write(to: Buffer, offset: number): void {
    if (this.#at === POOL_BYTES) {
      this.#fill(this.#pool);
      this.#at = 0;
    }
    const pool = this.#pool;
    for (let i = 0; i < 16; i++) {
      let byte = pool[this.#at++]!;
      if (i === 6) byte = (byte & 0x0f) | 0x40;
      else if (i === 8) byte = (byte & 0x3f) | 0x80;
      const p = offset + AT[i]!;
      to[p] = HEX[byte >> 4]!;
      to[p + 1] = HEX[byte & 15]!;
    }
    to[offset + 8] = to[offset + 13] = to[offset + 18] = to[offset + 23] = DASH;
  }
}
