import { Held } from "../held.ts";
import { FRAME_HEADER_BYTES, FrameType, uint31 } from "./frame.ts";

/** Who takes the frames of a connection, in order. The bytes are the socket's: copy what is kept. */
export interface FrameOwner {
  /** Nothing more is wanted. */
  readonly over: boolean;
  /** The header of a frame has come. */
  frameBegun(): void;
  /** A piece of a DATA frame's payload; the reader's `left` is what comes behind it. */
  dataRead(bytes: Buffer, start: number, end: number): void;
  /** A frame is whole; of DATA, all has been said by then. */
  frameEnded(bytes: Buffer, start: number, end: number): void;
}

/**
 * Cuts what comes from a socket into frames, however it is cut by the network.
 * Payloads of DATA pass through; any other is held until it is whole, up to
 * the frame size that the owner lets begin.
 */
export class FrameReader {
  type = 0;
  flags = 0;
  stream = 0;
  /** Bytes of the payload that have not come. */
  left = 0;
  readonly #owner: FrameOwner;
  readonly #header = Buffer.alloc(FRAME_HEADER_BYTES);
  #headerLength = 0;
  #inFrame = false;
  #payload: Held | null = null;

  constructor(owner: FrameOwner) {
    this.#owner = owner;
  }

  read(bytes: Buffer, start: number, end: number): void {
    const owner = this.#owner;
    let p = start;
    while (p < end && !owner.over) {
      p = this.#inFrame ? this.#readPayload(bytes, p, end) : this.#readHeader(bytes, p, end);
    }
  }

  /** Lets go of what is held. */
  discard(): void {
    this.#payload = null;
  }

  #readHeader(bytes: Buffer, p: number, end: number): number {
    if (this.#headerLength === 0 && end - p >= FRAME_HEADER_BYTES) {
      this.#begin(bytes, p);
      if (this.left === 0) this.#end(bytes, p + FRAME_HEADER_BYTES, p + FRAME_HEADER_BYTES);
      return p + FRAME_HEADER_BYTES;
    }
    const taken = Math.min(end - p, FRAME_HEADER_BYTES - this.#headerLength);
    bytes.copy(this.#header, this.#headerLength, p, p + taken);
    this.#headerLength += taken;
    if (this.#headerLength < FRAME_HEADER_BYTES) return p + taken;
    this.#headerLength = 0;
    this.#begin(this.#header, 0);
    if (this.left === 0) this.#end(bytes, p + taken, p + taken);
    return p + taken;
  }

  #begin(from: Buffer, at: number): void {
    this.left = (from[at]! << 16) | (from[at + 1]! << 8) | from[at + 2]!;
    this.type = from[at + 3]!;
    this.flags = from[at + 4]!;
    this.stream = uint31(from, at + 5);
    this.#inFrame = true;
    this.#owner.frameBegun();
  }

  #readPayload(bytes: Buffer, p: number, end: number): number {
    const next = Math.min(end, p + this.left);
    if (this.type === FrameType.Data) {
      this.left -= next - p;
      this.#owner.dataRead(bytes, p, next);
      if (this.left === 0) this.#end(bytes, next, next);
    } else if (this.#payload === null && next - p === this.left) this.#end(bytes, p, next);
    else this.#hold(bytes, p, next);
    return next;
  }

  #hold(bytes: Buffer, p: number, next: number): void {
    this.#payload ??= new Held();
    const payload = this.#payload;
    payload.append(bytes, p, next);
    this.left -= next - p;
    if (this.left > 0) return;
    this.#payload = null;
    this.#end(payload.bytes, 0, payload.length);
  }

  #end(bytes: Buffer, start: number, end: number): void {
    this.#inFrame = false;
    if (!this.#owner.over) this.#owner.frameEnded(bytes, start, end);
  }
}
