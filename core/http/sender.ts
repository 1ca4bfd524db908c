import { latin1 } from "../base/mod.ts";
import type { Wire } from "../listener/mod.ts";
import type { Trailers } from "./body.ts";

const STAGE_BYTES = 128 * 1024;
/** A piece this small is copied behind the head, so that both leave in one write. */
const COPY_BELOW = 16 * 1024;
/** Room for "FFFFFF\r\n" and the CRLF after the data. */
const CHUNK_FRAME = 16;

const CRLF = latin1("\r\n");
const LAST_CHUNK = latin1("0\r\n");
const HEX = latin1("0123456789abcdef");

/**
 * The bytes that one event of a worker is about to write, one sender at a
 * time: what an event produces for a socket leaves in one system call.
 *
 * A worker has one stage. Every entry point (socket event, deadline, promise)
 * ends with `flush`; a second sender that takes the stage flushes the first.
 */
export class Stage {
  readonly bytes = Buffer.allocUnsafeSlow(STAGE_BYTES);
  length = 0;
  #owner: Sender | null = null;

  take(owner: Sender): void {
    if (this.#owner === owner) return;
    this.flush();
    this.#owner = owner;
  }

  /** Makes sure that `n` bytes fit; `n` is at most half of the stage. */
  room(n: number): void {
    if (this.length + n > STAGE_BYTES) this.#write();
  }

  copy(from: Uint8Array, start: number, end: number): void {
    const size = end - start;
    if (size > STAGE_BYTES / 2) {
      this.#write();
      this.#owner?.passThrough(from, start, end);
      return;
    }
    this.room(size);
    const to = this.bytes;
    let at = this.length;
    if (size <= 48) for (let p = start; p < end; p++) to[at++] = from[p]!;
    else (from as Buffer).copy(to, at, start, end);
    this.length += size;
  }

  text(text: string): void {
    this.room(text.length);
    this.length += this.bytes.latin1Write(text, this.length, text.length);
  }

  byte(value: number): void {
    this.room(1);
    this.bytes[this.length++] = value;
  }

  flush(): void {
    const owner = this.#owner;
    if (owner === null) return;
    this.#write();
    this.#owner = null;
  }

  #write(): void {
    const length = this.length;
    if (length === 0) return;
    this.length = 0;
    this.#owner?.passThrough(this.bytes, 0, length);
  }
}

/** How the body of the message being sent is framed. */
export const Framing = { None: 0, Length: 1, Chunked: 2, UntilClose: 3 } as const;
export type Framing = (typeof Framing)[keyof typeof Framing];

/**
 * The outgoing half of a connection. What the kernel does not take waits here;
 * whoever feeds a sender stops when it is `blocked`, so that at most what one
 * event brought is held.
 */
export class Sender {
  framing: Framing = Framing.None;
  /** Bytes of heads and bodies written since the exchange began; its owner resets it. */
  bodyBytes = 0;
  readonly stage: Stage;
  #wire: Wire;
  #queue: Buffer[] = [];
  #shutdown = false;
  #broken = false;

  constructor(wire: Wire, stage: Stage) {
    this.#wire = wire;
    this.stage = stage;
  }

  /** Bytes wait for the kernel: feed no more until `drain` says true. */
  get blocked(): boolean {
    return this.#queue.length > 0;
  }

  /** Makes the stage this sender's; the head of a message is written to it directly. */
  open(): Stage {
    this.stage.take(this);
    return this.stage;
  }

  /** A piece of the body, framed as the head said. */
  piece(bytes: Buffer, start: number, end: number): void {
    const size = end - start;
    if (size === 0 || this.framing === Framing.None) return;
    this.bodyBytes += size;
    const stage = this.open();
    if (this.framing === Framing.Chunked) this.#chunk(stage, bytes, start, end);
    else if (stage.length > 0 && size <= COPY_BELOW) stage.copy(bytes, start, end);
    else {
      stage.flush();
      this.passThrough(bytes, start, end);
    }
  }

  #chunk(stage: Stage, bytes: Buffer, start: number, end: number): void {
    stage.room(CHUNK_FRAME);
    hexadecimal(stage, end - start);
    stage.copy(CRLF, 0, 2);
    stage.copy(bytes, start, end);
    stage.copy(CRLF, 0, 2);
  }

  /** The end of the body, with the trailer section where the framing has one. */
  finish(trailers: Trailers | null): void {
    if (this.framing === Framing.Chunked) {
      const stage = this.open();
      stage.copy(LAST_CHUNK, 0, 3);
      if (trailers !== null) {
        for (let i = 0; i < trailers.count; i++) {
          stage.copy(trailers.bytes, trailers.nameStart(i), trailers.valueEnd(i));
          stage.copy(CRLF, 0, 2);
        }
      }
      stage.copy(CRLF, 0, 2);
    }
    this.framing = Framing.None;
  }

  /** Writes now, behind whatever waits already. Copies what the kernel leaves. */
  passThrough(bytes: Uint8Array, start: number, end: number): void {
    if (this.#broken || this.#shutdown) return;
    let from = start;
    if (this.#queue.length === 0) {
      const written = this.#wire.write(bytes, start, end - start);
      if (written === end - start) return;
      if (written < 0) {
        this.#broken = true;
        return;
      }
      from += written;
    }
    this.#queue.push(Buffer.from(bytes.subarray(from, end)));
  }

  /** The kernel takes bytes again. True when nothing waits any more. */
  drain(): boolean {
    while (this.#queue.length > 0) {
      const next = this.#queue[0]!;
      const written = this.#wire.write(next, 0, next.length);
      if (written < 0) {
        this.#broken = true;
        this.#queue = [];
        break;
      }
      if (written < next.length) {
        this.#queue[0] = next.subarray(written);
        return false;
      }
      this.#queue.shift();
    }
    if (this.#shutdown) this.#wire.shutdown();
    return true;
  }

  /** Sends FIN once everything has gone. */
  shutdown(): void {
    this.stage.take(this);
    this.stage.flush();
    if (this.#shutdown) return;
    this.#shutdown = true;
    if (this.#queue.length === 0) this.#wire.shutdown();
  }

  /** Forgets what waits: the socket is gone or will be. */
  discard(): void {
    this.stage.take(this);
    this.stage.length = 0;
    this.stage.flush();
    this.#broken = true;
    this.#queue = [];
  }
}

function hexadecimal(stage: Stage, value: number): void {
  let shift = 0;
  while (value >>> (shift + 4) !== 0 && shift < 28) shift += 4;
  for (; shift >= 0; shift -= 4) stage.bytes[stage.length++] = HEX[(value >>> shift) & 15]!;
}
