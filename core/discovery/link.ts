import { type Clock, MeshError, messageOf, type Timer } from "../base/mod.ts";
import { BadFrame, encodeFrame, encodeText, FrameReader } from "./framing.ts";
import { type Failure, type FailureCode, Frame, type LinkTiming } from "./protocol.ts";

/** What a link needs of a socket; Bun's plain and TLS sockets have it. */
export interface LinkSocket {
  /** Bytes taken, fewer than given when the peer reads slowly, -1 once closed. */
  write(data: Uint8Array): number;
  end(): unknown;
  terminate(): unknown;
}

/** Who reads the frames of a link. Exceptions end the link as a malformed frame does. */
export interface LinkReader {
  frame(type: number, payload: Buffer): void;
  /** Once, whatever ended it. */
  closed(reason: Error): void;
}

/** The other end said why it leaves. */
export class PeerFailure extends MeshError {
  override readonly name = "PeerFailure";
  readonly code = "MESH_PEER_FAILURE";
  readonly source = "mesh";
  readonly failure: FailureCode;

  constructor(failure: Failure) {
    super(failure.message);
    this.failure = failure.code;
  }
}

/** The connection ended, or nothing came over it for too long. */
export class LinkLost extends MeshError {
  override readonly name = "LinkLost";
  readonly code = "MESH_LINK_LOST";
  readonly source = "mesh";
}

/** Bytes that may wait for a peer that reads slowly: one update of the largest size and then some. */
const MAX_QUEUED_BYTES = 96 * 1024 * 1024;

/** How long a peer may take to read the last words. */
const LINGER_MS = 2000;

/**
 * Frames over a socket that somebody else owns: queues what the socket does
 * not take, answers pings, and notices a peer that fell silent.
 *
 * The owner passes on what the socket says: `received`, `drained`, `lost`.
 */
export class Link {
  readonly #socket: LinkSocket;
  readonly #clock: Clock;
  readonly #reader: LinkReader;
  readonly #frames: FrameReader;
  #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  #heardAt: number;
  #timing: LinkTiming | null = null;
  #timer: Timer | null = null;
  #linger: Timer | null = null;
  #closed = false;
  #ending = false;

  constructor(socket: LinkSocket, clock: Clock, limit: number, reader: LinkReader) {
    this.#socket = socket;
    this.#clock = clock;
    this.#reader = reader;
    this.#frames = new FrameReader(limit);
    this.#heardAt = clock.monotonic();
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Bytes that the socket has not taken yet. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** Takes longer frames from now on. */
  allow(limit: number): void {
    this.#frames.allow(limit);
  }

  /** Pings from now on, and gives the peer up after `deadMs` of silence. */
  watch(timing: LinkTiming): void {
    this.#timing = timing;
    this.#timer?.cancel();
    this.#timer = this.#clock.every(timing.pingMs, () => this.#tick());
  }

  send(type: Frame, message: object): void {
    this.#write(encodeText(type, JSON.stringify(message)));
  }

  /** Sends text that is JSON already. */
  sendText(type: Frame, json: string): void {
    this.#write(encodeText(type, json));
  }

  sendBytes(type: Frame, bytes: Uint8Array): void {
    this.#write(encodeFrame(type, bytes));
  }

  /** Says why, lets the queue out, and ends. */
  fail(code: FailureCode, message: string): void {
    if (this.#closed || this.#ending) return;
    this.send(Frame.Failure, { code, message } satisfies Failure);
    this.#finish(new LinkLost(`Cannot go on with the stream: ${message}`));
  }

  /** Ends without a word. */
  close(reason: Error): void {
    this.#finish(reason);
  }

  received(chunk: Buffer): void {
    if (this.#closed) return;
    this.#heardAt = this.#clock.monotonic();
    try {
      this.#frames.push(chunk);
      for (let frame = this.#frames.next(); frame !== null && !this.#closed; frame = this.#frames.next())
        this.#take(frame.type, frame.payload);
    } catch (error) {
      this.fail("malformed", messageOf(error));
    }
  }

  drained(): void {
    while (this.#queue.length > 0) {
      const first = this.#queue[0]!;
      const taken = this.#socket.write(first);
      if (taken < 0) {
        this.lost(null);
        return;
      }
      this.#queuedBytes -= taken;
      if (taken < first.length) {
        this.#queue[0] = first.subarray(taken);
        return;
      }
      this.#queue.shift();
    }
    if (this.#ending) this.#socket.end();
  }

  /** The socket ended. */
  lost(error: Error | null): void {
    this.#linger?.cancel();
    this.#stop(new LinkLost(`Cannot go on with the stream: ${error === null ? "the peer closed it" : error.message}`));
  }

  #take(type: number, payload: Buffer): void {
    if (type === Frame.Ping) this.sendBytes(Frame.Pong, payload.subarray(0, 8));
    else if (type === Frame.Failure) this.#finish(new PeerFailure(readFailure(payload)));
    else if (type !== Frame.Pong) this.#reader.frame(type, payload);
  }

  #tick(): void {
    const silent = this.#clock.monotonic() - this.#heardAt;
    if (silent >= this.#timing!.deadMs) {
      this.#cut(`the peer was silent for ${Math.round(silent)} ms`);
      return;
    }
    this.sendBytes(Frame.Ping, new Uint8Array(0));
  }

  #write(bytes: Uint8Array): void {
    if (this.#closed || this.#ending) return;
    const taken = this.#queue.length > 0 ? 0 : this.#socket.write(bytes);
    if (taken < 0) this.lost(null);
    else if (taken < bytes.length) this.#enqueue(bytes.subarray(taken));
  }

  #enqueue(bytes: Uint8Array): void {
    this.#queue.push(bytes);
    this.#queuedBytes += bytes.length;
    if (this.#queuedBytes > MAX_QUEUED_BYTES) this.#cut(`the peer left ${this.#queuedBytes} bytes unread`);
  }

  #cut(reason: string): void {
    this.lost(new Error(reason));
    this.#socket.terminate();
  }

  #finish(reason: Error): void {
    if (this.#closed || this.#ending) return;
    this.#ending = true;
    // The reason first: a socket may tell of its end from inside `end`.
    this.#stop(reason);
    this.#linger = this.#clock.after(LINGER_MS, () => this.#socket.terminate());
    if (this.#queue.length === 0) this.#socket.end();
  }

  #stop(reason: Error): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#timer?.cancel();
    this.#reader.closed(reason);
  }
}

/**
 * The object in a JSON frame. What stands in it is as the sender says: fields
 * that matter are checked by whoever reads them.
 *
 * @throws {BadFrame} when the bytes are not a JSON object.
 */
export function readJson<T extends object>(payload: Buffer): T {
  let value: unknown;
  try {
    value = JSON.parse(payload.utf8Slice(0, payload.length));
  } catch (error) {
    throw new BadFrame(`Cannot read a frame: ${messageOf(error)}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new BadFrame("Cannot read a frame: it holds no JSON object");
  return value as T;
}

function readFailure(payload: Buffer): Failure {
  const { code, message } = readJson<Failure>(payload);
  return { code, message: typeof message === "string" ? message.slice(0, 1000) : "no reason given" };
}
