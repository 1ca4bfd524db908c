import { NO_BYTES } from "../base/mod.ts";

const LF = 10;

/** A head that comes in pieces: copied together, so that no piece keeps its whole buffer alive. */
export class Held {
  #bytes: Buffer = NO_BYTES;
  length = 0;

  get bytes(): Buffer {
    return this.#bytes;
  }

  append(from: Buffer, start: number, end: number): void {
    const size = this.length + end - start;
    if (size > this.#bytes.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(512, size * 2));
      this.#bytes.copy(grown, 0, 0, this.length);
      this.#bytes = grown;
    }
    from.copy(this.#bytes, this.length, start, end);
    this.length = size;
  }

  /** A head can have become whole, or wrong, only by a line feed. */
  static mayComplete(bytes: Buffer, start: number, end: number): boolean {
    const at = bytes.indexOf(LF, start);
    return at >= 0 && at < end;
  }
}
