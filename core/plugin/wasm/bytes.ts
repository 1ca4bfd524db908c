/** Reads a WASM binary from front to back. Every read past the end throws `MalformedModule`. */
export class WasmReader {
  readonly bytes: Uint8Array;
  readonly end: number;
  at: number;

  constructor(bytes: Uint8Array, at = 0, end: number = bytes.length) {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
  }

  u8(): number {
    if (this.at >= this.end) throw new MalformedModule("it ends in the middle");
    return this.bytes[this.at++]!;
  }

  /** Unsigned LEB128 of at most 32 bits. */
  u32(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.u8();
      value |= (byte & 127) << shift;
      if (byte < 128) return value >>> 0;
    }
    throw new MalformedModule("a number is too long");
  }

  /** Steps over a LEB128 of any width or sign. */
  skipLeb(): void {
    for (let i = 0; i < 10; i++) if (this.u8() < 128) return;
    throw new MalformedModule("a number is too long");
  }

  skip(count: number): void {
    if (count > this.end - this.at) throw new MalformedModule("it ends in the middle");
    this.at += count;
  }

  /** Steps over a name and returns it. */
  name(): string {
    const length = this.u32();
    const start = this.at;
    this.skip(length);
    return new TextDecoder().decode(this.bytes.subarray(start, this.at));
  }
}

/** Grows as it is written to. */
export class WasmWriter {
  #bytes = new Uint8Array(1 << 12);
  length = 0;

  u8(value: number): void {
    this.#need(1);
    this.#bytes[this.length++] = value;
  }

  u32(value: number): void {
    this.#need(5);
    let rest = value >>> 0;
    while (rest > 127) {
      this.#bytes[this.length++] = (rest & 127) | 128;
      rest >>>= 7;
    }
    this.#bytes[this.length++] = rest;
  }

  /** Signed LEB128 of 32 bits. */
  s32(value: number): void {
    this.#need(5);
    let rest = value | 0;
    while (rest < -64 || rest > 63) {
      this.#bytes[this.length++] = (rest & 127) | 128;
      rest >>= 7;
    }
    this.#bytes[this.length++] = rest & 127;
  }

  raw(bytes: Uint8Array | readonly number[]): void {
    this.#need(bytes.length);
    this.#bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** Copies a part of other bytes. */
  copy(bytes: Uint8Array, start: number, end: number): void {
    this.raw(bytes.subarray(start, end));
  }

  name(text: string): void {
    const bytes = new TextEncoder().encode(text);
    this.u32(bytes.length);
    this.raw(bytes);
  }

  /** A section or a function body: its length, then its bytes. */
  sized(inner: WasmWriter): void {
    this.u32(inner.length);
    this.raw(inner.view());
  }

  clear(): void {
    this.length = 0;
  }

  /** What was written, valid until the next write. */
  view(): Uint8Array {
    return this.#bytes.subarray(0, this.length);
  }

  #need(count: number): void {
    if (this.length + count <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(this.#bytes.length * 2, this.length + count));
    larger.set(this.#bytes.subarray(0, this.length));
    this.#bytes = larger;
  }
}

/** A module that cannot be read, or uses what the sandbox does not offer. The message completes "the module …". */
export class MalformedModule extends Error {
  override readonly name = "MalformedModule";
}
