import type { Wire } from "../../listener/mod.ts";
import type { Trailers } from "../body.ts";
import { type ErrorCode, Flag, FRAME_BYTES, FrameType } from "./frame.ts";
import { Guard } from "./guard.ts";
import { encodeTrailers } from "./head-writer.ts";
import { HpackEncoder } from "./hpack-encoder.ts";
import type { Http2Kit } from "./kit.ts";
import { Outbox } from "./outbox.ts";
import type { Stream } from "./stream.ts";
import { StreamTable } from "./stream-table.ts";
import type { Ticked } from "./ticks.ts";
import { Turns } from "./turns.ts";

/** Streams are told that nothing more fits, and nothing more is read, while this much waits for the kernel. */
export const MOST_WAITING = 256 * 1024;
export const NO_STREAM = 0;

/** The half of a connection that speaks: whatever is written in a round leaves in one piece at its end. */
export abstract class Speaker implements Ticked {
  protected readonly kit: Http2Kit;
  protected readonly wire: Wire;
  protected readonly out: Outbox;
  protected readonly streams = new StreamTable();
  protected readonly guard: Guard;
  protected readonly turns: Turns;
  /** The socket has gone. */
  protected gone = false;
  readonly #encoder: HpackEncoder;
  #asked = false;
  #wasFull = false;

  constructor(wire: Wire, kit: Http2Kit) {
    this.wire = wire;
    this.kit = kit;
    this.out = new Outbox(wire, kit.chunks);
    this.guard = new Guard(kit.deadlines.now);
    this.turns = new Turns(this.out, this.guard);
    this.#encoder = new HpackEncoder(kit.encoding);
  }

  /** What was written leaves at the end of this round. */
  protected dirty(): void {
    if (this.#asked || this.gone) return;
    this.#asked = true;
    this.kit.ticks.ask(this);
  }

  /** Nothing more fits, not even heads, which no window limits. */
  get isFull(): boolean {
    return this.#wasFull;
  }

  tick(): void {
    this.#asked = false;
    if (this.gone) return;
    this.turns.pump();
    if (!this.out.flush()) {
      this.#wasFull = this.out.length > MOST_WAITING;
      return;
    }
    if (this.#wasFull) this.#relieve();
    if (this.turns.canGoOn) this.dirty();
    else this.flushed();
  }

  #relieve(): void {
    this.#wasFull = false;
    for (const stream of this.streams.all()) stream.relieved();
  }

  /** A stream has bytes that its window allows. */
  ready(stream: Stream): void {
    if (this.turns.join(stream)) this.dirty();
  }

  /** Sends what may go at once; the offset of the first byte that may not. */
  sendData(stream: Stream, bytes: Buffer, start: number, end: number): number {
    const next = this.turns.send(stream, bytes, start, end);
    if (next > start) this.dirty();
    return next;
  }

  /** Sends one frame of DATA, as large as it may be; its size. */
  sendFrame(stream: Stream, bytes: Buffer, start: number, end: number): number {
    const size = this.turns.sendFrame(stream, bytes, start, end);
    if (size > 0) this.dirty();
    return size;
  }

  sendEnd(stream: Stream, trailers: Trailers | null): void {
    stream.localEnded = true;
    if (trailers !== null) {
      encodeTrailers(this.#encoder, trailers);
      this.sendBlock(stream.id, true);
    } else if (!this.out.endsWith(stream.id)) this.out.header(FrameType.Data, Flag.EndStream, stream.id, 0);
    this.dirty();
  }

  /** The encoder of this connection: begin a block, and end it by `sendBlock`, with nothing in between. */
  protected get encoder(): HpackEncoder {
    return this.#encoder;
  }

  /** Sends the block that was just encoded. */
  protected sendBlock(id: number, ends: boolean): void {
    const { bytes, length } = this.kit.encoding;
    const first = Math.min(length, FRAME_BYTES);
    const flags = (ends ? Flag.EndStream : 0) | (first === length ? Flag.EndHeaders : 0);
    this.out.header(FrameType.Headers, flags, id, first);
    this.out.payload(bytes, 0, first);
    for (let p = first; p < length; p += FRAME_BYTES) {
      const next = Math.min(length, p + FRAME_BYTES);
      this.out.header(FrameType.Continuation, next === length ? Flag.EndHeaders : 0, id, next - p);
      this.out.payload(bytes, p, next);
    }
    this.dirty();
  }

  sendWindowUpdate(id: number, increment: number): void {
    this.out.header(FrameType.WindowUpdate, 0, id, 4);
    this.out.uint32(increment);
    this.dirty();
  }

  protected goAway(last: number, code: ErrorCode): void {
    this.out.header(FrameType.GoAway, 0, NO_STREAM, 8);
    this.out.uint32(last);
    this.out.uint32(code);
    this.dirty();
  }

  protected sendSettings(settings: readonly (readonly [setting: number, value: number])[]): void {
    this.out.header(FrameType.Settings, 0, NO_STREAM, settings.length * 6);
    for (const [setting, value] of settings) {
      this.out.uint16(setting);
      this.out.uint32(value);
    }
    this.dirty();
  }

  protected ping(): void {
    this.out.header(FrameType.Ping, 0, NO_STREAM, 8);
    this.out.uint32(0);
    this.out.uint32(0);
    this.dirty();
  }

  /** All that was written is with the kernel. */
  protected abstract flushed(): void;
}
