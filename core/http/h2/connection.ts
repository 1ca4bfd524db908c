import { Deadline } from "../../base/mod.ts";
import type { Wire, WireOwner } from "../../listener/mod.ts";
import type { Trailers } from "../body.ts";
import { Held } from "../held.ts";
import {
  DEFAULT_WINDOW,
  ErrorCode,
  Flag,
  FRAME_BYTES,
  FRAME_HEADER_BYTES,
  FrameType,
  MAX_WINDOW,
  Setting,
  uint31,
  uint32,
} from "./frame.ts";
import { type Abuse, Guard } from "./guard.ts";
import { encodeTrailers } from "./head-writer.ts";
import { HpackDecoder } from "./hpack-decoder.ts";
import type { EncoderScratch } from "./hpack-encoder.ts";
import { HpackEncoder } from "./hpack-encoder.ts";
import type { Http2Kit } from "./kit.ts";
import { Outbox } from "./outbox.ts";
import type { Stream } from "./stream.ts";
import type { Ticked } from "./ticks.ts";

/** Table that peers may use to speak to us. */
const TABLE_BYTES = 4096;
/** Of all streams together. Bytes are held per stream, up to its window, so that one that stalls stops no other. */
const CONNECTION_WINDOW = 1024 * 1024;
/** Bodies go on only while less than this waits for the kernel: what a round writes stays small. */
const BULK_BYTES = 64 * 1024;
/** Nothing more is read from a peer that lets this much wait. */
const MOST_WAITING = 256 * 1024;
/** Streams we reset lately: what the peer had sent by then is no mistake. */
const FORGIVEN = 256;
const LINGER_MS = 2_000;
/** A peer may answer each frame of DATA with a WINDOW_UPDATE of the stream and one of the connection, and some more. */
const UPDATES_PER_FRAME = 4;

const NO_STREAM = 0;

class ConnectionDeadline extends Deadline {
  readonly #connection: Connection;
  constructor(connection: Connection) {
    super();
    this.#connection = connection;
  }
  override expire(): void {
    this.#connection.expired();
  }
}

/**
 * An HTTP/2 connection (RFC 9113), whichever side we are: frames, flow
 * control, header blocks, settings. What a head means is left to the side.
 *
 * Memory: both HPACK tables (4 KB each), one header block that is not whole
 * (the head limit), one control frame (16 KB), for each stream what its
 * windows let wait, and what the kernel has not taken (256 KB and one round).
 */
export abstract class Connection implements WireOwner, Ticked {
  protected readonly kit: Http2Kit;
  protected readonly wire: Wire;
  protected readonly out: Outbox;
  protected readonly streams = new Map<number, Stream>();
  protected readonly deadline: Deadline;
  protected readonly guard: Guard;
  /** Window that the peer gives each new stream. */
  peerInitialWindow = DEFAULT_WINDOW;
  protected peerMaxStreams = Number.POSITIVE_INFINITY;
  protected peerTakesConnect = false;
  /** The peer's first SETTINGS have come. */
  protected settled = false;
  /** GOAWAY has been sent, or the socket has gone: frames mean nothing any more. */
  protected over = false;
  /** Bytes have come since somebody last looked. */
  protected heard = false;

  readonly #encoder: HpackEncoder;
  readonly #block: EncoderScratch;
  readonly #decoder: HpackDecoder;
  readonly #ready: Stream[] = [];
  readonly #forgiven = new Int32Array(FORGIVEN);
  #forgivenAt = 0;
  #sendWindow = DEFAULT_WINDOW;
  #recvWindow = DEFAULT_WINDOW;
  #credit = 0;
  #asked = false;
  /** Streams were told that nothing more fits. */
  #wasFull = false;
  #deaf = false;
  #gone = false;

  // The frame being read.
  readonly #header = Buffer.alloc(FRAME_HEADER_BYTES);
  #headerLength = 0;
  #inFrame = false;
  #type = 0;
  #flags = 0;
  #stream = 0;
  #left = 0;
  /** Of a DATA frame: padding behind its data; -1 until it is known. */
  #padding = 0;
  #payload: Held | null = null;

  // The header block being read.
  #blockStream = NO_STREAM;
  #blockEnds = false;
  #held: Held | null = null;

  constructor(wire: Wire, kit: Http2Kit) {
    this.wire = wire;
    this.kit = kit;
    this.out = new Outbox(wire, kit.chunks);
    this.#block = kit.encoding;
    this.#encoder = new HpackEncoder(kit.encoding);
    this.#decoder = new HpackDecoder(TABLE_BYTES, kit.decoding);
    this.deadline = new ConnectionDeadline(this);
    this.guard = new Guard(kit.deadlines.now);
  }

  // ---- bytes in ----

  received(bytes: Buffer): void {
    this.heard = true;
    this.read(bytes, 0, bytes.length);
    if (this.out.length > MOST_WAITING) this.#stopReading();
  }

  protected read(bytes: Buffer, start: number, end: number): void {
    let p = start;
    while (p < end && !this.over)
      p = this.#inFrame ? this.#readPayload(bytes, p, end) : this.#readHeader(bytes, p, end);
  }

  /** A peer that reads nothing is not listened to. */
  #stopReading(): void {
    if (this.#deaf) return;
    this.#deaf = true;
    this.wire.pause();
  }

  #readHeader(bytes: Buffer, p: number, end: number): number {
    const whole = this.#headerLength === 0 && end - p >= FRAME_HEADER_BYTES;
    const from = whole ? bytes : this.#header;
    const at = whole ? p : 0;
    const taken = whole ? FRAME_HEADER_BYTES : Math.min(end - p, FRAME_HEADER_BYTES - this.#headerLength);
    if (!whole) {
      bytes.copy(this.#header, this.#headerLength, p, p + taken);
      this.#headerLength += taken;
      if (this.#headerLength < FRAME_HEADER_BYTES) return p + taken;
      this.#headerLength = 0;
    }
    this.#left = (from[at]! << 16) | (from[at + 1]! << 8) | from[at + 2]!;
    this.#type = from[at + 3]!;
    this.#flags = from[at + 4]!;
    this.#stream = uint31(from, at + 5);
    this.#inFrame = true;
    this.#beginFrame();
    if (this.#left === 0 && !this.over && this.#inFrame) this.#endFrame(bytes, p + taken, p + taken);
    return p + taken;
  }

  #beginFrame(): void {
    const type = this.#type;
    if (this.#left > FRAME_BYTES) this.fail(ErrorCode.FrameSizeError, "frame larger than SETTINGS_MAX_FRAME_SIZE");
    else if (!this.settled && type !== FrameType.Settings)
      this.fail(ErrorCode.ProtocolError, "first frame is not SETTINGS");
    else if (
      this.#blockStream !== NO_STREAM &&
      (type !== FrameType.Continuation || this.#stream !== this.#blockStream)
    ) {
      this.fail(ErrorCode.ProtocolError, "header block broken off");
    } else if (type === FrameType.Data) this.#beginData();
  }

  #readPayload(bytes: Buffer, p: number, end: number): number {
    const next = Math.min(end, p + this.#left);
    if (this.#type === FrameType.Data) {
      this.#left -= next - p;
      this.#readData(bytes, p, next);
      return next;
    }
    if (this.#payload === null && next - p === this.#left) this.#endFrame(bytes, p, next);
    else this.#holdPayload(bytes, p, next);
    return next;
  }

  #holdPayload(bytes: Buffer, p: number, next: number): void {
    this.#payload ??= new Held();
    const payload = this.#payload;
    payload.append(bytes, p, next);
    this.#left -= next - p;
    if (this.#left > 0) return;
    this.#payload = null;
    this.#endFrame(payload.bytes, 0, payload.length);
  }

  /** A frame is whole. */
  #endFrame(bytes: Buffer, start: number, end: number): void {
    this.#inFrame = false;
    switch (this.#type) {
      case FrameType.Data:
        this.#endData();
        return;
      case FrameType.Headers:
        this.#onHeaders(bytes, start, end);
        return;
      case FrameType.Priority:
        this.#onPriority(bytes, start, end);
        return;
      case FrameType.RstStream:
        this.#onReset(bytes, start, end);
        return;
      case FrameType.Settings:
        this.#onSettings(bytes, start, end);
        return;
      case FrameType.PushPromise:
        this.fail(ErrorCode.ProtocolError, "PUSH_PROMISE that nobody allowed");
        return;
      case FrameType.Ping:
        this.#onPing(bytes, start, end);
        return;
      case FrameType.GoAway:
        if (this.#stream !== NO_STREAM) this.fail(ErrorCode.ProtocolError, "GOAWAY on a stream");
        else if (end - start < 8) this.fail(ErrorCode.FrameSizeError, "GOAWAY too short");
        else this.goneAway(uint31(bytes, start), uint32(bytes, start + 4));
        return;
      case FrameType.WindowUpdate:
        this.#onWindowUpdate(bytes, start, end);
        return;
      case FrameType.Continuation:
        this.#onContinuation(bytes, start, end);
        return;
      default:
        this.count("empty_frames");
    }
  }

  // ---- DATA ----

  #beginData(): void {
    const id = this.#stream;
    const size = this.#left;
    this.#padding = (this.#flags & Flag.Padded) !== 0 ? -1 : 0;
    if (id === NO_STREAM || this.isIdle(id)) {
      this.fail(ErrorCode.ProtocolError, "DATA on a stream that is not open");
      return;
    }
    if (this.#padding < 0 && size === 0) {
      this.fail(ErrorCode.FrameSizeError, "padded frame without a length of its padding");
      return;
    }
    if (size === 0 && (this.#flags & Flag.EndStream) === 0) this.count("empty_frames");
    this.#recvWindow -= size;
    if (this.#recvWindow < 0) {
      this.fail(ErrorCode.FlowControlError, "more DATA than the connection's window");
      return;
    }
    this.#credit += size;
    if (this.#credit > CONNECTION_WINDOW / 2) this.#openWindow();
    const stream = this.streams.get(id);
    if (stream === undefined) this.#onClosedStream(id);
    else if (stream.remoteEnded) stream.broken(ErrorCode.StreamClosed, "DATA behind the end of the stream");
    else if (!stream.takeWindow(size)) stream.broken(ErrorCode.FlowControlError, "more DATA than the stream's window");
  }

  #openWindow(): void {
    this.#recvWindow += this.#credit;
    this.sendWindowUpdate(NO_STREAM, this.#credit);
    this.#credit = 0;
  }

  /** What we reset may still be spoken to for a while; anything else on a closed stream is a mistake. */
  #onClosedStream(id: number): void {
    if (this.#forgiven.includes(id)) return;
    this.resetStream(id, ErrorCode.StreamClosed);
    this.blame();
  }

  #readData(bytes: Buffer, start: number, next: number): void {
    let p = start;
    const stream = this.streams.get(this.#stream);
    if (this.#padding < 0 && p < next) {
      this.#padding = bytes[p++]!;
      if (this.#padding > this.#left + next - p) {
        this.fail(ErrorCode.ProtocolError, "padding longer than its frame");
        return;
      }
      stream?.credit(this.#padding + 1);
    }
    // The padding is what comes last.
    const end = Math.min(next, next + this.#left - this.#padding);
    if (stream !== undefined && !stream.remoteEnded && end > p && !stream.receive(bytes, p, end)) {
      stream.broken(ErrorCode.ProtocolError, "body longer than its content-length");
    }
    if (this.#left === 0 && !this.over) {
      this.#inFrame = false;
      this.#endData();
    }
  }

  #endData(): void {
    if ((this.#flags & Flag.EndStream) === 0) return;
    const stream = this.streams.get(this.#stream);
    if (stream === undefined || stream.remoteEnded) return;
    if (stream.receiveEnd(null)) this.settle(stream);
    else stream.broken(ErrorCode.ProtocolError, "body shorter than its content-length");
  }

  // ---- header blocks ----

  #onHeaders(bytes: Buffer, start: number, end: number): void {
    const flags = this.#flags;
    const id = this.#stream;
    if (id === NO_STREAM) {
      this.fail(ErrorCode.ProtocolError, "HEADERS on stream 0");
      return;
    }
    let p = start;
    let padding = 0;
    if ((flags & Flag.Padded) !== 0) padding = p < end ? bytes[p++]! : 1;
    const dependency = (flags & Flag.Priority) !== 0 ? p : -1;
    if (dependency >= 0) p += 5;
    if (p > end) {
      this.fail(ErrorCode.FrameSizeError, "HEADERS too short");
      return;
    }
    if (p + padding > end) {
      this.fail(ErrorCode.ProtocolError, "padding longer than its frame");
      return;
    }
    this.#blockEnds = (flags & Flag.EndStream) !== 0;
    const selfish = dependency >= 0 && uint31(bytes, dependency) === id;
    if ((flags & Flag.EndHeaders) !== 0) this.#decode(id, bytes, p, end - padding, selfish);
    else {
      this.#blockStream = id;
      this.#held = new Held();
      this.#holdBlock(bytes, p, end - padding);
      this.blockBegun();
    }
  }

  #onContinuation(bytes: Buffer, start: number, end: number): void {
    if (this.#blockStream === NO_STREAM) {
      this.fail(ErrorCode.ProtocolError, "CONTINUATION of nothing");
      return;
    }
    this.count("continuation_flood");
    if (this.over || !this.#holdBlock(bytes, start, end)) return;
    if ((this.#flags & Flag.EndHeaders) === 0) return;
    const held = this.#held!;
    const id = this.#blockStream;
    this.#held = null;
    this.#blockStream = NO_STREAM;
    this.guard.forgive("continuation_flood", 1);
    this.#decode(id, held.bytes, 0, held.length, false);
  }

  #holdBlock(bytes: Buffer, start: number, end: number): boolean {
    const held = this.#held!;
    held.append(bytes, start, end);
    // A block is hardly ever longer than what it says.
    if (held.length <= this.kit.headLimits.maxBytes) return true;
    this.abuse("continuation_flood");
    return false;
  }

  /** A block is not whole yet: the side may set a deadline. */
  protected blockBegun(): void {}
  protected get blockOpen(): boolean {
    return this.#blockStream !== NO_STREAM;
  }

  #decode(id: number, block: Buffer, start: number, end: number, selfish: boolean): void {
    const stream = this.streams.get(id);
    const head = this.headOf(id, stream);
    if (head === null) return;
    this.kit.sink.begin(head, this.kit.headLimits);
    if (!this.#decoder.decode(block, start, end, this.kit.sink)) {
      this.fail(ErrorCode.CompressionError, "header block is not HPACK");
      return;
    }
    if (selfish) this.brokenHead(id, stream, "stream depends on itself");
    else this.headDecoded(id, stream, this.#blockEnds);
  }

  /** Trailers of a stream whose head has come. */
  protected takeTrailers(stream: Stream, trailers: Trailers, ends: boolean): void {
    if (!ends) stream.broken(ErrorCode.ProtocolError, "trailers do not end the stream");
    else if (this.kit.sink.finishTrailers() < 0) stream.broken(ErrorCode.ProtocolError, trailers.problem);
    else if (stream.receiveEnd(trailers.count > 0 ? trailers : null)) this.settle(stream);
    else stream.broken(ErrorCode.ProtocolError, "body shorter than its content-length");
  }

  // ---- the other frames ----

  #onPriority(bytes: Buffer, start: number, end: number): void {
    if (this.#stream === NO_STREAM) this.fail(ErrorCode.ProtocolError, "PRIORITY on stream 0");
    else if (end - start !== 5) this.#streamError(ErrorCode.FrameSizeError, "PRIORITY of another size than 5");
    else if (uint31(bytes, start) === this.#stream)
      this.#streamError(ErrorCode.ProtocolError, "stream depends on itself");
    else this.count("priority_flood");
  }

  #streamError(code: ErrorCode, problem: string): void {
    const stream = this.streams.get(this.#stream);
    if (stream !== undefined) stream.broken(code, problem);
    else {
      this.resetStream(this.#stream, code);
      this.blame();
    }
  }

  #onReset(bytes: Buffer, start: number, end: number): void {
    const id = this.#stream;
    if (id === NO_STREAM || this.isIdle(id)) {
      this.fail(ErrorCode.ProtocolError, "RST_STREAM of an idle stream");
      return;
    }
    if (end - start !== 4) {
      this.fail(ErrorCode.FrameSizeError, "RST_STREAM of another size than 4");
      return;
    }
    const stream = this.streams.get(id);
    this.peerReset(stream ?? null);
    if (this.over || stream === undefined) return;
    this.streams.delete(id);
    const code = uint32(bytes, start) as ErrorCode;
    stream.lost(code, `stream reset by the peer, code ${code}`);
  }

  #onSettings(bytes: Buffer, start: number, end: number): void {
    if (this.#stream !== NO_STREAM) {
      this.fail(ErrorCode.ProtocolError, "SETTINGS on a stream");
      return;
    }
    if ((this.#flags & Flag.Ack) !== 0) {
      if (end > start) this.fail(ErrorCode.FrameSizeError, "SETTINGS acknowledgement with a payload");
      return;
    }
    if ((end - start) % 6 !== 0) {
      this.fail(ErrorCode.FrameSizeError, "SETTINGS of broken size");
      return;
    }
    this.count("settings_flood");
    for (let p = start; p < end && !this.over; p += 6)
      this.#set((bytes[p]! << 8) | bytes[p + 1]!, uint32(bytes, p + 2));
    if (this.over) return;
    this.out.header(FrameType.Settings, Flag.Ack, NO_STREAM, 0);
    this.dirty();
    const first = !this.settled;
    this.settled = true;
    this.peerSettled(first);
  }

  #set(setting: number, value: number): void {
    switch (setting) {
      case Setting.HeaderTableSize:
        this.#encoder.resize(value);
        return;
      case Setting.EnablePush:
        if (value > 1) {
          this.fail(ErrorCode.ProtocolError, "SETTINGS_ENABLE_PUSH is neither 0 nor 1");
        }
        return;
      case Setting.MaxConcurrentStreams:
        this.peerMaxStreams = value;
        return;
      case Setting.InitialWindowSize:
        this.#setInitialWindow(value);
        return;
      case Setting.MaxFrameSize:
        if (value < FRAME_BYTES || value > 0xffffff)
          this.fail(ErrorCode.ProtocolError, "SETTINGS_MAX_FRAME_SIZE out of range");
        return;
      case Setting.EnableConnectProtocol:
        if (value > 1) this.fail(ErrorCode.ProtocolError, "SETTINGS_ENABLE_CONNECT_PROTOCOL is neither 0 nor 1");
        this.peerTakesConnect = value === 1;
    }
  }

  #setInitialWindow(value: number): void {
    if (value > MAX_WINDOW) {
      this.fail(ErrorCode.FlowControlError, "SETTINGS_INITIAL_WINDOW_SIZE out of range");
      return;
    }
    const change = value - this.peerInitialWindow;
    this.peerInitialWindow = value;
    for (const stream of this.streams.values()) {
      if (stream.sendWindow + change > MAX_WINDOW) {
        this.fail(ErrorCode.FlowControlError, "window out of range");
        return;
      }
      stream.widen(change);
    }
  }

  #onPing(bytes: Buffer, start: number, end: number): void {
    if (this.#stream !== NO_STREAM) {
      this.fail(ErrorCode.ProtocolError, "PING on a stream");
      return;
    }
    if (end - start !== 8) {
      this.fail(ErrorCode.FrameSizeError, "PING of another size than 8");
      return;
    }
    if ((this.#flags & Flag.Ack) !== 0) {
      this.pingAnswered();
      return;
    }
    this.count("ping_flood");
    if (this.over) return;
    this.out.header(FrameType.Ping, Flag.Ack, NO_STREAM, 8);
    this.out.payload(bytes, start, end);
    this.dirty();
  }

  protected ping(): void {
    this.out.header(FrameType.Ping, 0, NO_STREAM, 8);
    this.out.uint32(0);
    this.out.uint32(0);
    this.dirty();
  }

  #onWindowUpdate(bytes: Buffer, start: number, end: number): void {
    const id = this.#stream;
    if (end - start !== 4) {
      this.fail(ErrorCode.FrameSizeError, "WINDOW_UPDATE of another size than 4");
      return;
    }
    if (id !== NO_STREAM && this.isIdle(id)) {
      this.fail(ErrorCode.ProtocolError, "WINDOW_UPDATE of an idle stream");
      return;
    }
    const increment = uint31(bytes, start);
    this.count("window_flood");
    if (this.over) return;
    if (id === NO_STREAM) this.#widen(increment);
    else if (increment === 0) this.#streamError(ErrorCode.ProtocolError, "WINDOW_UPDATE of 0");
    else {
      const stream = this.streams.get(id);
      if (stream === undefined) return;
      if (stream.sendWindow + increment > MAX_WINDOW) stream.broken(ErrorCode.FlowControlError, "window out of range");
      else stream.widen(increment);
    }
  }

  #widen(increment: number): void {
    if (increment === 0) {
      this.fail(ErrorCode.ProtocolError, "WINDOW_UPDATE of 0");
      return;
    }
    this.#sendWindow += increment;
    if (this.#sendWindow > MAX_WINDOW) {
      this.fail(ErrorCode.FlowControlError, "window out of range");
      return;
    }
    if (this.#ready.length > 0) this.dirty();
  }

  // ---- bytes out ----

  /** What was written leaves at the end of this round. */
  protected dirty(): void {
    if (this.#asked || this.#gone) return;
    this.#asked = true;
    this.kit.ticks.ask(this);
  }

  /** Nothing more fits, not even heads, which no window limits. */
  get isFull(): boolean {
    return this.#wasFull;
  }

  tick(): void {
    this.#asked = false;
    if (this.#gone) return;
    this.#pump();
    if (!this.out.flush()) {
      this.#wasFull = this.out.length > MOST_WAITING;
      return;
    }
    if (this.#wasFull) this.#relieve();
    if (this.#ready.length > 0 && this.#sendWindow > 0) this.dirty();
    else this.flushed();
  }

  #relieve(): void {
    this.#wasFull = false;
    for (const stream of [...this.streams.values()]) stream.relieved();
  }

  /** Streams whose bodies wait, in turns of one frame. */
  #pump(): void {
    const ready = this.#ready;
    while (ready.length > 0 && this.#sendWindow > 0 && this.out.length < BULK_BYTES && !this.out.blocked) {
      const stream = ready.shift()!;
      if (!stream.closed && stream.turn()) ready.push(stream);
      else stream.isReady = false;
    }
  }

  /** A stream has bytes that its window allows. */
  ready(stream: Stream): void {
    if (stream.isReady || stream.sendWindow <= 0) return;
    stream.isReady = true;
    this.#ready.push(stream);
    this.dirty();
  }

  /** Sends what may go at once; the offset of the first byte that may not. */
  sendData(stream: Stream, bytes: Buffer, start: number, end: number): number {
    let p = start;
    while (p < end && this.#ready.length === 0 && this.out.length < BULK_BYTES) {
      const sent = this.sendFrame(stream, bytes, p, end);
      if (sent === 0) break;
      p += sent;
    }
    return p;
  }

  /** Sends one frame of DATA, as large as it may be; its size. */
  sendFrame(stream: Stream, bytes: Buffer, start: number, end: number): number {
    const size = Math.min(end - start, FRAME_BYTES, stream.sendWindow, this.#sendWindow);
    if (size <= 0) return 0;
    stream.sendWindow -= size;
    this.#sendWindow -= size;
    this.guard.forgive("window_flood", UPDATES_PER_FRAME);
    this.out.header(FrameType.Data, 0, stream.id, size);
    this.out.payload(bytes, start, start + size);
    this.dirty();
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
    const { bytes, length } = this.#block;
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

  /** Says what we want, and gives the connection its window. */
  protected sendSettings(settings: readonly (readonly [setting: number, value: number])[]): void {
    this.out.header(FrameType.Settings, 0, NO_STREAM, settings.length * 6);
    for (const [setting, value] of settings) {
      this.out.uint16(setting);
      this.out.uint32(value);
    }
    this.#credit = CONNECTION_WINDOW - DEFAULT_WINDOW;
    this.#openWindow();
  }

  /** Ends a stream by RST_STREAM. What the peer has sent on it meanwhile is read and forgotten. */
  resetStream(id: number, code: ErrorCode): void {
    this.streams.delete(id);
    this.#forgive(id);
    if (this.over) return;
    this.out.header(FrameType.RstStream, 0, id, 4);
    this.out.uint32(code);
    this.dirty();
  }

  /** The peer broke the rules on a stream, and only there: one that does it all the time is an attacker. */
  blame(): void {
    this.count("broken_streams");
  }

  #forgive(id: number): void {
    this.#forgiven[this.#forgivenAt] = id;
    this.#forgivenAt = (this.#forgivenAt + 1) % FORGIVEN;
  }

  protected isForgiven(id: number): boolean {
    return this.#forgiven.includes(id);
  }

  /** Forgets a stream whose two directions are done. */
  settle(stream: Stream): void {
    if (!stream.localEnded || !stream.remoteEnded) return;
    if (this.streams.delete(stream.id)) this.streamEnded();
  }

  // ---- the end ----

  protected goAway(last: number, code: ErrorCode): void {
    this.out.header(FrameType.GoAway, 0, NO_STREAM, 8);
    this.out.uint32(last);
    this.out.uint32(code);
    this.dirty();
  }

  /** The peer broke the rules of the connection: it ends, with all its streams. */
  fail(code: ErrorCode, problem: string): void {
    if (this.over) return;
    this.goAway(this.lastPeerStream, code);
    this.close(problem);
  }

  protected abuse(abuse: Abuse): void {
    this.kit.abused(abuse);
    this.fail(ErrorCode.EnhanceYourCalm, `too much: ${abuse}`);
  }

  /** Counts what only attacks do often. */
  protected count(abuse: Abuse): void {
    if (this.guard.counts(abuse, this.kit.deadlines.now)) this.abuse(abuse);
  }

  /** Ends the connection behind what was written; streams that are left are lost. */
  protected close(problem: string): void {
    if (this.over) return;
    this.over = true;
    this.#loseStreams(problem);
    this.out.flush();
    this.wire.shutdown();
    if (this.#deaf) this.wire.resume();
    this.kit.deadlines.set(this.deadline, LINGER_MS);
  }

  #loseStreams(problem: string): void {
    const streams = [...this.streams.values()];
    this.streams.clear();
    for (const stream of streams) stream.lost(ErrorCode.InternalError, problem);
  }

  /** Ends at once. */
  destroy(): void {
    if (this.#gone) return;
    this.wire.terminate();
    this.closed();
  }

  writable(): void {
    if (!this.out.flush()) return;
    if (this.#deaf && !this.over) {
      this.#deaf = false;
      this.wire.resume();
    }
    this.tick();
  }

  peerEnded(): void {
    if (!this.over) this.close("the peer ended the connection");
    this.wire.end();
  }

  closed(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.over = true;
    this.kit.deadlines.clear(this.deadline);
    this.out.discard();
    this.#held = this.#payload = null;
    this.#loseStreams("the connection closed");
    this.disposed();
  }

  /** The linger deadline, or one of the side's own. */
  expired(): void {
    if (this.over) this.destroy();
    else this.overdue();
  }

  // ---- what each side makes of it ----

  /** The highest stream of the peer that was taken. */
  protected abstract readonly lastPeerStream: number;
  protected abstract isIdle(id: number): boolean;
  /** Where the block of a stream is decoded to; null where the connection has failed over it. */
  protected abstract headOf(id: number, stream: Stream | undefined): import("../head.ts").Fields | null;
  protected abstract headDecoded(id: number, stream: Stream | undefined, ends: boolean): void;
  protected abstract brokenHead(id: number, stream: Stream | undefined, problem: string): void;
  /** The peer has reset a stream; null for one that was over. */
  protected abstract peerReset(stream: Stream | null): void;
  protected abstract peerSettled(first: boolean): void;
  protected abstract pingAnswered(): void;
  protected abstract goneAway(last: number, code: number): void;
  protected abstract streamEnded(): void;
  /** All that was written is with the kernel. */
  protected abstract flushed(): void;
  protected abstract overdue(): void;
  /** The socket has gone. */
  protected abstract disposed(): void;
}
