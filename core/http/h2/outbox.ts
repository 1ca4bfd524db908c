import { NO_BYTES } from "../../base/mod.ts";
import type { Wire } from "../../listener/mod.ts";
import { Flag, FRAME_HEADER_BYTES, FrameType } from "./frame.ts";

/** What a round of small messages takes, and one of bodies with the frame that goes over the mark. */
const CHUNK_BYTES = 32 * 1024;
const LARGE_CHUNK_BYTES = 96 * 1024;
/** Chunks kept for reuse, per worker. */
const MAX_FREE = 64;
const MAX_FREE_LARGE = 8;

/** Buffers that connections write into while they have something to write. One per worker. */
export class Chunks {
  readonly #free: Buffer[] = [];
  readonly #freeLarge: Buffer[] = [];

  /** One with room for `size` bytes. */
  take(size: number): Buffer {
    if (size <= CHUNK_BYTES) return this.#free.pop() ?? Buffer.allocUnsafeSlow(CHUNK_BYTES);
    if (size <= LARGE_CHUNK_BYTES) return this.#freeLarge.pop() ?? Buffer.allocUnsafeSlow(LARGE_CHUNK_BYTES);
    return Buffer.allocUnsafeSlow(size * 2);
  }

  give(chunk: Buffer): void {
    if (chunk.length === CHUNK_BYTES) {
      if (this.#free.length < MAX_FREE) this.#free.push(chunk);
    } else if (chunk.length === LARGE_CHUNK_BYTES && this.#freeLarge.length < MAX_FREE_LARGE) {
      this.#freeLarge.push(chunk);
    }
  }
}

/**
 * Frames on their way to the kernel. Holds memory only while bytes wait; who
 * writes looks at `length` first.
 */
export class Outbox {
  readonly #wire: Wire;
  readonly #chunks: Chunks;
  #bytes: Buffer = NO_BYTES;
  #start = 0;
  #end = 0;
  /** Where the header of the last frame stands, while nothing is behind it and it is not with the kernel. */
  #last = -1;
  #blocked = false;
  #broken = false;
  /** Bytes that the kernel has taken. */
  taken = 0;

  constructor(wire: Wire, chunks: Chunks) {
    this.#wire = wire;
    this.#chunks = chunks;
  }

  /** Bytes that wait. */
  get length(): number {
    return this.#end - this.#start;
  }
  /** The kernel is full: it says when it is not. */
  get blocked(): boolean {
    return this.#blocked;
  }

  /** Writes a frame's header; its payload follows. */
  header(type: number, flags: number, stream: number, length: number): void {
    this.#room(FRAME_HEADER_BYTES + length);
    const to = this.#bytes;
    const at = this.#end;
    to[at] = length >>> 16;
    to[at + 1] = length >>> 8;
    to[at + 2] = length;
    to[at + 3] = type;
    to[at + 4] = flags;
    to[at + 5] = stream >>> 24;
    to[at + 6] = stream >>> 16;
    to[at + 7] = stream >>> 8;
    to[at + 8] = stream;
    this.#last = at;
    this.#end = at + FRAME_HEADER_BYTES;
  }

  payload(from: Uint8Array, start: number, end: number): void {
    const size = end - start;
    this.#room(size);
    if (size <= 48) {
      const to = this.#bytes;
      let at = this.#end;
      for (let p = start; p < end; p++) to[at++] = from[p]!;
    } else this.#bytes.set(start === 0 && end === from.length ? from : from.subarray(start, end), this.#end);
    this.#end += size;
  }

  uint32(value: number): void {
    this.#room(4);
    const to = this.#bytes;
    to[this.#end++] = value >>> 24;
    to[this.#end++] = value >>> 16;
    to[this.#end++] = value >>> 8;
    to[this.#end++] = value;
  }

  uint16(value: number): void {
    this.#room(2);
    this.#bytes[this.#end++] = value >>> 8;
    this.#bytes[this.#end++] = value;
  }

  /** Ends a stream by its last frame, where that is still at hand. */
  endsWith(stream: number): boolean {
    const at = this.#last;
    if (at < 0) return false;
    const bytes = this.#bytes;
    if (bytes[at + 3]! > FrameType.Headers) return false;
    const id = ((bytes[at + 5]! << 24) | (bytes[at + 6]! << 16) | (bytes[at + 7]! << 8) | bytes[at + 8]!) >>> 0;
    if (id !== stream) return false;
    bytes[at + 4]! |= Flag.EndStream;
    return true;
  }

  #room(size: number): void {
    if (this.#end + size <= this.#bytes.length) return;
    const length = this.length;
    const before = this.#bytes;
    const old = this.#start;
    if (this.#last >= 0) this.#last -= old;
    this.#bytes = this.#chunks.take(length + size);
    before.copy(this.#bytes, 0, old, this.#end);
    this.#chunks.give(before);
    this.#start = 0;
    this.#end = length;
  }

  /** Hands over what waits; true when nothing waits any more. */
  flush(): boolean {
    if (this.#end === this.#start) return true;
    this.#last = -1;
    if (this.#broken) this.#start = this.#end;
    else {
      const size = this.length;
      const written = this.#wire.write(this.#bytes, this.#start, size);
      if (written < 0) this.discard();
      else {
        this.#start += written;
        this.taken += written;
      }
      this.#blocked = this.#start < this.#end;
    }
    if (this.#blocked) return false;
    this.#chunks.give(this.#bytes);
    this.#bytes = NO_BYTES;
    this.#start = this.#end = 0;
    return true;
  }

  /** Forgets what waits: the socket is gone or will be. */
  discard(): void {
    this.#broken = true;
    this.#blocked = false;
    this.#start = this.#end;
  }
}
