import { MeshError } from "../base/mod.ts";

/** Bytes before the payload: length and type. */
const HEAD_BYTES = 5;

/** The other end broke the framing, or sent more than it may. */
export class BadFrame extends MeshError {
  override readonly name = "BadFrame";
  readonly code = "MESH_BAD_FRAME";
  readonly source = "mesh";
}

/** Bytes of one frame, ready to be written. */
export function encodeFrame(type: number, payload: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(HEAD_BYTES + payload.length);
  frame.writeUInt32BE(payload.length + 1, 0);
  frame[4] = type;
  frame.set(payload, HEAD_BYTES);
  return frame;
}

/** Bytes of one frame around text that is JSON already. */
export function encodeText(type: number, json: string): Buffer {
  const length = Buffer.byteLength(json);
  const frame = Buffer.allocUnsafe(HEAD_BYTES + length);
  frame.writeUInt32BE(length + 1, 0);
  frame[4] = type;
  frame.utf8Write(json, HEAD_BYTES, length);
  return frame;
}

/**
 * Cuts a byte stream into frames. Chunks are kept as they came until a frame
 * is whole, and copied once; nothing larger than the limit is ever gathered.
 */
export class FrameReader {
  #limit: number;
  #chunks: Buffer[] = [];
  #bytes = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Takes longer frames from now on, e.g. since the peer is known. */
  allow(limit: number): void {
    this.#limit = limit;
  }

  push(chunk: Buffer): void {
    if (chunk.length === 0) return;
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
  }

  /**
   * The next whole frame, or null until more bytes come.
   *
   * @throws {BadFrame} when a frame is empty or longer than the limit.
   */
  next(): { readonly type: number; readonly payload: Buffer } | null {
    if (this.#bytes < HEAD_BYTES) return null;
    const head = this.#first(HEAD_BYTES);
    const length = head.readUInt32BE(0);
    if (length === 0 || length > this.#limit)
      throw new BadFrame(`Cannot read a frame: its length is ${length} and the limit ${this.#limit}`);
    if (this.#bytes < length + 4) return null;
    const frame = this.#first(length + 4);
    this.#skip(length + 4);
    return { type: frame[4]!, payload: frame.subarray(HEAD_BYTES, length + 4) };
  }

  /** The first chunk, made at least `count` bytes long; the caller knows that so many are there. */
  #first(count: number): Buffer {
    if (this.#chunks[0]!.length >= count) return this.#chunks[0]!;
    this.#chunks = [Buffer.concat(this.#chunks)];
    return this.#chunks[0]!;
  }

  #skip(count: number): void {
    this.#bytes -= count;
    const rest = this.#chunks[0]!.subarray(count);
    if (rest.length > 0) this.#chunks[0] = rest;
    else this.#chunks.shift();
  }
}
