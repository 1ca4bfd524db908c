import { DEFAULT_WINDOW, FRAME_BYTES, FrameType, MAX_WINDOW } from "./frame.ts";
import type { Guard } from "./guard.ts";
import type { Outbox } from "./outbox.ts";
import type { Stream } from "./stream.ts";

/** Bodies go on only while less than this waits for the kernel: what a round writes stays small. */
const BULK_BYTES = 64 * 1024;
/** A peer may answer each frame of DATA with a WINDOW_UPDATE of the stream and one of the connection, and some more. */
const UPDATES_PER_FRAME = 4;

/** The bodies of all streams on their way out: in turns of one frame, as far as the windows go. */
export class Turns {
  readonly #out: Outbox;
  readonly #guard: Guard;
  readonly #ready: Stream[] = [];
  #window = DEFAULT_WINDOW;

  constructor(out: Outbox, guard: Guard) {
    this.#out = out;
    this.#guard = guard;
  }

  get waiting(): boolean {
    return this.#ready.length > 0;
  }
  /** Somebody waits, and not for the connection's window. */
  get canGoOn(): boolean {
    return this.#ready.length > 0 && this.#window > 0;
  }

  /** The peer takes `increment` more of all streams together; false when that is beyond all bounds. */
  widen(increment: number): boolean {
    this.#window += increment;
    return this.#window <= MAX_WINDOW;
  }

  /** A stream has bytes that its window allows; false when it stands in line already, or has no window. */
  join(stream: Stream): boolean {
    if (stream.isReady || stream.sendWindow <= 0) return false;
    stream.isReady = true;
    this.#ready.push(stream);
    return true;
  }

  /** Lets those that wait send. */
  pump(): void {
    const ready = this.#ready;
    const out = this.#out;
    while (ready.length > 0 && this.#window > 0 && out.length < BULK_BYTES && !out.blocked) {
      const stream = ready.shift()!;
      if (!stream.closed && stream.turn()) ready.push(stream);
      else stream.isReady = false;
    }
  }

  /** Sends what may go at once; the offset of the first byte that may not. */
  send(stream: Stream, bytes: Buffer, start: number, end: number): number {
    let p = start;
    while (p < end && this.#ready.length === 0 && this.#out.length < BULK_BYTES) {
      const sent = this.sendFrame(stream, bytes, p, end);
      if (sent === 0) break;
      p += sent;
    }
    return p;
  }

  /** Sends one frame, as large as it may be; its size. */
  sendFrame(stream: Stream, bytes: Buffer, start: number, end: number): number {
    const size = Math.min(end - start, FRAME_BYTES, stream.sendWindow, this.#window);
    if (size <= 0) return 0;
    stream.sendWindow -= size;
    this.#window -= size;
    this.#guard.forgive("window_flood", UPDATES_PER_FRAME);
    this.#out.header(FrameType.Data, 0, stream.id, size);
    this.#out.payload(bytes, start, start + size);
    return size;
  }
}
