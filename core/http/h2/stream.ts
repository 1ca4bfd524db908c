import { Trailers } from "../body.ts";
import { CHUNKED } from "../head.ts";
import { Held } from "../held.ts";
import type { Connection } from "./connection.ts";
import { DEFAULT_WINDOW, type ErrorCode } from "./frame.ts";

/** Up to here the window of a stream that has the connection for itself grows when its bytes go on at once. */
const GROWN_WINDOW = 256 * 1024;
/** A piece this much smaller than the event that brought it is copied, so as not to keep all of that alive. */
const COPY_BELOW = 4096;
/** The queue of a stream that has none: few ever need one. */
const NONE = Object.freeze([]) as unknown as Buffer[];

/**
 * One stream of a connection: a body each way, with what waits for windows.
 *
 * Going out, at most what one event brought waits here: who feeds it stops
 * when it is `blocked`. Coming in, at most one window is held for a reader
 * that does not read.
 */
export abstract class Stream {
  id: number;
  protected mux: Connection;
  sendWindow: number;
  /** The connection knows it by its number. */
  isListed = false;
  /** It stands in the connection's turn. */
  isReady = false;
  /** END_STREAM has been sent, or received. */
  localEnded = false;
  remoteEnded = false;
  /** Out of the connection's hands: nothing is sent or told any more. */
  closed = false;
  /** Body bytes written so far. */
  bytesSent = 0;

  #queue: Buffer[] = NONE;
  #finishing = false;
  #trailers: Trailers | null = null;
  /** Bytes that waited behind the last word when somebody last looked; -1 where there was none. */
  #stuck = -1;

  #recvWindow = DEFAULT_WINDOW;
  #window = DEFAULT_WINDOW;
  #credit = 0;
  /** Bytes since somebody last paused. */
  #fluent = 0;
  #held: Held | null = null;
  #open = false;
  #paused = false;
  #endHeld = false;
  #endTrailers: Trailers | null = null;
  /** Body bytes the head has announced and that have not come; `CHUNKED` where it announced none. */
  protected expected: number = CHUNKED;
  #spared = false;

  constructor(id: number, mux: Connection) {
    this.id = id;
    this.mux = mux;
    this.sendWindow = mux.peer.initialWindow;
  }

  /** What the constructor does, for one that served before. */
  protected renew(id: number, mux: Connection): void {
    this.id = id;
    this.mux = mux;
    this.sendWindow = mux.peer.initialWindow;
    this.localEnded = this.remoteEnded = this.closed = false;
    this.bytesSent = 0;
    this.#queue = NONE;
    this.#finishing = false;
    this.#stuck = -1;
    this.#recvWindow = this.#window = DEFAULT_WINDOW;
    this.#credit = this.#fluent = 0;
    this.#held = null;
    this.#open = this.#paused = this.#endHeld = this.#spared = false;
    this.#trailers = this.#endTrailers = null;
    this.expected = CHUNKED;
  }

  /** Where neither the connection nor an exchange needs it any more, the next request may have it. */
  release(): void {
    if (this.#spared || this.isListed || this.isReady || this.isTaken) return;
    this.#spared = true;
    this.spare();
  }

  // ---- out ----

  /** Bytes wait, or would have to. */
  get blocked(): boolean {
    return this.#queue.length > 0 || (this.sendWindow <= 0 && !this.localEnded) || this.mux.isFull;
  }
  /** Who reads the body has asked for a pause. */
  protected get isPaused(): boolean {
    return this.#paused;
  }

  /** The connection is full no more. */
  relieved(): void {
    if (!this.closed && !this.localEnded && this.#queue.length === 0 && this.sendWindow > 0) this.drained();
  }

  data(bytes: Buffer, start: number, end: number): void {
    if (this.closed || this.localEnded || this.#finishing || start === end) return;
    this.bytesSent += end - start;
    const from = this.#queue.length > 0 ? start : this.mux.sendData(this, bytes, start, end);
    if (from === end) return;
    const rest = bytes.subarray(from, end);
    if (this.#queue === NONE) this.#queue = [];
    this.#queue.push(rest.length < COPY_BELOW && bytes.length > COPY_BELOW * 2 ? Buffer.from(rest) : rest);
    this.mux.ready(this);
  }

  protected end(trailers: Trailers | null): void {
    if (this.closed || this.localEnded || this.#finishing) return;
    if (this.#queue.length === 0) {
      this.mux.sendEnd(this, trailers);
      return;
    }
    this.#finishing = true;
    this.#trailers = trailers === null ? null : copyOf(trailers);
  }

  /** All is said, and nothing of what waits was sent since this was last asked. */
  isStuck(): boolean {
    const waiting = this.#finishing ? this.#queue.reduce((sum, bytes) => sum + bytes.length, 0) : -1;
    const isStuck = waiting >= 0 && waiting === this.#stuck;
    this.#stuck = waiting;
    return isStuck;
  }

  /** Its turn: sends one frame. True while it can go on. */
  turn(): boolean {
    const first = this.#queue[0];
    if (first === undefined) return false;
    const sent = this.mux.sendFrame(this, first, 0, first.length);
    if (sent < first.length) this.#queue[0] = first.subarray(sent);
    else this.#queue.shift();
    if (this.#queue.length > 0) return this.sendWindow > 0;
    if (this.#finishing) {
      const trailers = this.#trailers;
      this.#trailers = null;
      this.#finishing = false;
      this.mux.sendEnd(this, trailers);
      this.localFinished();
    } else if (this.sendWindow > 0) this.drained();
    // Who was told that there is room may have filled it at once: it stands in line no more.
    return this.#queue.length > 0 && this.sendWindow > 0;
  }

  /** The peer takes `increment` more. */
  widen(increment: number): void {
    const was = this.sendWindow;
    this.sendWindow += increment;
    if (this.sendWindow <= 0) return;
    if (this.#queue.length > 0) this.mux.ready(this);
    else if (was <= 0 && !this.localEnded) this.drained();
  }

  // ---- in ----

  /** Takes `size` bytes off the window; false when the peer had no right to send them. */
  takeWindow(size: number): boolean {
    this.#recvWindow -= size;
    return this.#recvWindow >= 0;
  }

  /** A piece of the body. False where it is more than the head announced. */
  receive(bytes: Buffer, start: number, end: number): boolean {
    if (this.expected !== CHUNKED) {
      this.expected -= end - start;
      if (this.expected < 0) return false;
    }
    if (this.#open && !this.#paused && this.#held === null) {
      this.piece(bytes, start, end);
      this.credit(end - start);
    } else {
      this.#held ??= new Held();
      this.#held.append(bytes, start, end);
    }
    return true;
  }

  /** The peer has said all. False where the head announced more. */
  receiveEnd(trailers: Trailers | null): boolean {
    if (this.expected > 0) return false;
    this.remoteEnded = true;
    if (this.#held === null && this.#open) this.remoteFinished(trailers);
    else {
      this.#endHeld = true;
      this.#endTrailers = trailers === null ? null : copyOf(trailers);
    }
    return true;
  }

  /** Bytes that went on, or never counted: the peer may send as many again. */
  credit(size: number): void {
    this.#credit += size;
    this.#fluent += size;
    if (this.closed || this.remoteEnded || this.#credit < this.#window / 2) return;
    this.#credit += this.#growth();
    const increment = this.#credit;
    if (increment < this.#window / 2) return;
    this.#credit = 0;
    this.#recvWindow += increment;
    this.mux.sendWindowUpdate(this.id, increment);
  }

  /**
   * What its window grows by, or is taken back. Bytes in flight hold up those
   * of its neighbours, whose wait is all of their windows together.
   */
  #growth(): number {
    const before = this.#window;
    if (this.mux.isShared) this.#window = DEFAULT_WINDOW;
    else if (this.#fluent > before * 4 && before < GROWN_WINDOW) {
      this.#window *= 2;
      this.#fluent = 0;
    }
    return this.#window - before;
  }

  readBody(): void {
    if (this.#open && !this.#paused) return;
    this.#open = true;
    this.#paused = false;
    const held = this.#held;
    if (held !== null) {
      this.#held = null;
      this.piece(held.bytes, 0, held.length);
      this.credit(held.length);
    }
    if (!this.#endHeld || this.closed) return;
    this.#endHeld = false;
    this.remoteFinished(this.#endTrailers);
  }

  pauseBody(): void {
    this.#paused = true;
    this.#fluent = 0;
  }

  /** Nothing of it is wanted any more. */
  protected forget(): void {
    this.closed = true;
    this.#queue = NONE;
    this.#held = null;
    this.#endHeld = false;
    this.#trailers = this.#endTrailers = null;
  }

  // ---- what each side makes of it ----

  /** An exchange holds it. */
  protected abstract readonly isTaken: boolean;
  /** Gives it away. */
  protected abstract spare(): void;
  /** Ends it so that it looks broken off. */
  abstract abort(): void;

  protected abstract piece(bytes: Buffer, start: number, end: number): void;
  /** All that the peer had to say has been passed on. */
  protected abstract remoteFinished(trailers: Trailers | null): void;
  /** The last of what waited has been written. */
  protected abstract localFinished(): void;
  protected abstract drained(): void;
  /** The peer, or the connection's end, took the stream away. */
  abstract lost(code: ErrorCode, problem: string): void;
  /** The peer broke the rules on this stream alone: it is reset with `code`. */
  abstract broken(code: ErrorCode, problem: string): void;
}

function copyOf(from: Trailers): Trailers {
  const to = new Trailers();
  to.bytes = Buffer.from(from.bytes);
  to.count = from.count;
  to.fieldsEnd = from.fieldsEnd;
  to.spans.set(from.spans);
  to.ids.set(from.ids);
  to.hop.set(from.hop);
  to.secret.set(from.secret);
  return to;
}
