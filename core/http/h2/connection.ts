import { Deadline } from "../../base/mod.ts";
import type { Wire, WireOwner } from "../../listener/mod.ts";
import type { Trailers } from "../body.ts";
import type { Fields } from "../head.ts";
import { BlockReader } from "./block-reader.ts";
import { Forgiven } from "./forgiven.ts";
import { DEFAULT_WINDOW, ErrorCode, Flag, FrameType, MAX_WINDOW, Setting, uint31, uint32 } from "./frame.ts";
import { type FrameOwner, FrameReader } from "./frame-reader.ts";
import { type Violation, violates } from "./frame-rules.ts";
import type { Abuse } from "./guard.ts";
import { HpackDecoder } from "./hpack-decoder.ts";
import type { Http2Kit } from "./kit.ts";
import { PeerSettings } from "./peer-settings.ts";
import { MOST_WAITING, NO_STREAM, Speaker } from "./speaker.ts";
import type { Stream } from "./stream.ts";

/** Table that peers may use to speak to us. */
const TABLE_BYTES = 4096;
/** Of all streams together. Bytes are held per stream, up to its window, so that one that stalls stops no other. */
const CONNECTION_WINDOW = 1024 * 1024;
const LINGER_MS = 2_000;

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
export abstract class Connection extends Speaker implements WireOwner, FrameOwner {
  protected readonly deadline: Deadline;
  readonly peer = new PeerSettings();
  /** The peer's first SETTINGS have come. */
  protected settled = false;
  /** GOAWAY has been sent, or the socket has gone: frames mean nothing any more. */
  over = false;
  /** Bytes have come since somebody last looked. */
  protected heard = false;

  readonly #decoder: HpackDecoder;
  readonly #frame: FrameReader;
  readonly #head = new BlockReader();
  readonly #forgiven = new Forgiven();
  #window = DEFAULT_WINDOW;
  #credit = CONNECTION_WINDOW - DEFAULT_WINDOW;
  /** Of a DATA frame: padding behind its data; -1 until it is known. */
  #padding = 0;
  #deaf = false;

  constructor(wire: Wire, kit: Http2Kit) {
    super(wire, kit);
    this.#decoder = new HpackDecoder(TABLE_BYTES, kit.decoding);
    this.deadline = new ConnectionDeadline(this);
    this.#frame = new FrameReader(this);
  }

  /** Says what we want, and gives the connection its window. */
  protected greet(settings: readonly (readonly [setting: number, value: number])[]): void {
    this.sendSettings(settings);
    this.#openWindow();
  }

  /** Several streams are open on it. */
  get isShared(): boolean {
    return this.streams.size > 1;
  }

  // ---- bytes in ----

  received(bytes: Buffer): void {
    this.heard = true;
    this.read(bytes, 0, bytes.length);
    if (this.out.length > MOST_WAITING) this.#stopReading();
  }

  protected read(bytes: Buffer, start: number, end: number): void {
    this.#frame.read(bytes, start, end);
  }

  /** A peer that reads nothing is not listened to. */
  #stopReading(): void {
    if (this.#deaf) return;
    this.#deaf = true;
    this.wire.pause();
  }

  frameBegun(): void {
    const { type, flags, stream, left } = this.#frame;
    const violation = violates(type, (flags & Flag.Ack) !== 0, stream, left);
    const { open } = this.#head;
    if (violation !== null) this.#violated(violation);
    else if (!this.settled && type !== FrameType.Settings)
      this.fail(ErrorCode.ProtocolError, "first frame is not SETTINGS");
    else if (open !== NO_STREAM && (type !== FrameType.Continuation || stream !== open))
      this.fail(ErrorCode.ProtocolError, "header block broken off");
    else if (type === FrameType.Data) this.#beginData();
  }

  #violated({ code, problem }: Violation): void {
    this.fail(code, problem);
  }

  frameEnded(bytes: Buffer, start: number, end: number): void {
    switch (this.#frame.type) {
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
        this.#onReset(bytes, start);
        return;
      case FrameType.Settings:
        this.#onSettings(bytes, start, end);
        return;
      case FrameType.Ping:
        this.#onPing(bytes, start, end);
        return;
      case FrameType.GoAway:
        this.goneAway(uint31(bytes, start), uint32(bytes, start + 4));
        return;
      case FrameType.WindowUpdate:
        this.#onWindowUpdate(uint31(bytes, start));
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
    const { stream: id, left: size, flags } = this.#frame;
    this.#padding = (flags & Flag.Padded) !== 0 ? -1 : 0;
    if (this.isIdle(id)) {
      this.fail(ErrorCode.ProtocolError, "DATA on a stream that is not open");
      return;
    }
    if (this.#padding < 0 && size === 0) {
      this.fail(ErrorCode.FrameSizeError, "padded frame without a length of its padding");
      return;
    }
    if (size === 0 && (flags & Flag.EndStream) === 0) this.count("empty_frames");
    this.#window -= size;
    if (this.#window < 0) {
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
    this.#window += this.#credit;
    this.sendWindowUpdate(NO_STREAM, this.#credit);
    this.#credit = 0;
  }

  /** What we reset may still be spoken to for a while; anything else on a closed stream is a mistake. */
  #onClosedStream(id: number): void {
    if (this.#forgiven.has(id)) return;
    this.resetStream(id, ErrorCode.StreamClosed);
    this.blame();
  }

  dataRead(bytes: Buffer, start: number, next: number): void {
    let p = start;
    const { stream: id, left } = this.#frame;
    const stream = this.streams.get(id);
    if (this.#padding < 0 && p < next) {
      this.#padding = bytes[p++]!;
      if (this.#padding > left + next - p) {
        this.fail(ErrorCode.ProtocolError, "padding longer than its frame");
        return;
      }
      stream?.credit(this.#padding + 1);
    }
    // The padding is what comes last.
    const end = Math.min(next, next + left - this.#padding);
    if (stream !== undefined && !stream.remoteEnded && end > p && !stream.receive(bytes, p, end)) {
      stream.broken(ErrorCode.ProtocolError, "body longer than its content-length");
    }
  }

  #endData(): void {
    const { stream: id, flags } = this.#frame;
    if ((flags & Flag.EndStream) === 0) return;
    const stream = this.streams.get(id);
    if (stream === undefined || stream.remoteEnded) return;
    if (stream.receiveEnd(null)) this.settle(stream);
    else stream.broken(ErrorCode.ProtocolError, "body shorter than its content-length");
  }

  // ---- header blocks ----

  #onHeaders(bytes: Buffer, start: number, end: number): void {
    const { stream: id, flags } = this.#frame;
    const head = this.#head;
    const violation = head.begin(flags, id, bytes, start, end);
    if (violation !== null) this.#violated(violation);
    else if ((flags & Flag.EndHeaders) !== 0) this.#decode(id, bytes, head.start, head.end);
    else if (this.#holdBlock(id, bytes, head.start, head.end)) this.blockBegun();
  }

  #onContinuation(bytes: Buffer, start: number, end: number): void {
    const head = this.#head;
    const id = head.open;
    if (id === NO_STREAM) {
      this.fail(ErrorCode.ProtocolError, "CONTINUATION of nothing");
      return;
    }
    this.count("continuation_flood");
    if (this.over || !this.#holdBlock(id, bytes, start, end)) return;
    if ((this.#frame.flags & Flag.EndHeaders) === 0) return;
    const held = head.take();
    this.guard.forgive("continuation_flood", 1);
    this.#decode(id, held.bytes, 0, held.length);
  }

  #holdBlock(id: number, bytes: Buffer, start: number, end: number): boolean {
    // A block is hardly ever longer than what it says.
    if (this.#head.hold(id, bytes, start, end) <= this.kit.headLimits.maxBytes) return true;
    this.abuse("continuation_flood");
    return false;
  }

  /** A block is not whole yet: the side may set a deadline. */
  protected blockBegun(): void {}
  protected get blockOpen(): boolean {
    return this.#head.open !== NO_STREAM;
  }

  #decode(id: number, block: Buffer, start: number, end: number): void {
    const stream = this.streams.get(id);
    const head = this.headOf(id, stream);
    if (head === null) return;
    this.kit.sink.begin(head, this.kit.headLimits);
    if (!this.#decoder.decode(block, start, end, this.kit.sink)) {
      this.fail(ErrorCode.CompressionError, "header block is not HPACK");
      return;
    }
    if (this.#head.isSelfish) this.brokenHead(id, stream, "stream depends on itself");
    else this.headDecoded(id, stream, this.#head.ends);
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
    if (end - start !== 5) this.#streamError(ErrorCode.FrameSizeError, "PRIORITY of another size than 5");
    else if (uint31(bytes, start) === this.#frame.stream)
      this.#streamError(ErrorCode.ProtocolError, "stream depends on itself");
    else this.count("priority_flood");
  }

  #streamError(code: ErrorCode, problem: string): void {
    const { stream: id } = this.#frame;
    const stream = this.streams.get(id);
    if (stream !== undefined) stream.broken(code, problem);
    else {
      this.resetStream(id, code);
      this.blame();
    }
  }

  #onReset(bytes: Buffer, start: number): void {
    const { stream: id } = this.#frame;
    if (this.isIdle(id)) {
      this.fail(ErrorCode.ProtocolError, "RST_STREAM of an idle stream");
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
    if ((this.#frame.flags & Flag.Ack) !== 0) return;
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
    const before = this.peer.initialWindow;
    const violation = this.peer.set(setting, value);
    if (violation !== null) this.#violated(violation);
    else if (setting === Setting.HeaderTableSize) this.encoder.resize(value);
    else if (setting === Setting.InitialWindowSize) this.#widenStreams(value - before);
  }

  #widenStreams(change: number): void {
    for (const stream of this.streams.all()) {
      if (stream.sendWindow + change > MAX_WINDOW) {
        this.fail(ErrorCode.FlowControlError, "window out of range");
        return;
      }
      stream.widen(change);
    }
  }

  #onPing(bytes: Buffer, start: number, end: number): void {
    if ((this.#frame.flags & Flag.Ack) !== 0) {
      this.pingAnswered();
      return;
    }
    this.count("ping_flood");
    if (this.over) return;
    this.out.header(FrameType.Ping, Flag.Ack, NO_STREAM, 8);
    this.out.payload(bytes, start, end);
    this.dirty();
  }

  #onWindowUpdate(increment: number): void {
    const { stream: id } = this.#frame;
    if (id !== NO_STREAM && this.isIdle(id)) {
      this.fail(ErrorCode.ProtocolError, "WINDOW_UPDATE of an idle stream");
      return;
    }
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
    if (increment === 0) this.fail(ErrorCode.ProtocolError, "WINDOW_UPDATE of 0");
    else if (!this.turns.widen(increment)) this.fail(ErrorCode.FlowControlError, "window out of range");
    else if (this.turns.waiting) this.dirty();
  }

  /** Ends a stream by RST_STREAM. What the peer has sent on it meanwhile is read and forgotten. */
  resetStream(id: number, code: ErrorCode): void {
    this.streams.delete(id);
    this.#forgiven.add(id);
    if (this.over) return;
    this.out.header(FrameType.RstStream, 0, id, 4);
    this.out.uint32(code);
    this.dirty();
  }

  /** The peer broke the rules on a stream, and only there: one that does it all the time is an attacker. */
  blame(): void {
    this.count("broken_streams");
  }

  protected isForgiven(id: number): boolean {
    return this.#forgiven.has(id);
  }

  /** Forgets a stream whose two directions are done. */
  settle(stream: Stream): void {
    if (!stream.localEnded || !stream.remoteEnded) return;
    if (this.streams.delete(stream.id)) this.streamEnded();
  }

  // ---- the end ----

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
    for (const stream of this.streams.all()) {
      this.streams.delete(stream.id);
      stream.lost(ErrorCode.InternalError, problem);
    }
  }

  /** Ends at once. */
  destroy(problem = "the connection closed"): void {
    if (this.gone) return;
    this.over = true;
    this.#loseStreams(problem);
    this.wire.terminate();
    this.closed();
  }

  writable(): void {
    if (this.out.flush()) this.tick();
  }

  /** Whoever got the bytes out: where a round did, the socket may have nothing more to say. */
  override tick(): void {
    super.tick();
    if (!this.#deaf || this.over || this.out.length > 0) return;
    this.#deaf = false;
    this.wire.resume();
  }

  peerEnded(): void {
    if (!this.over) this.close("the peer ended the connection");
    this.wire.end();
  }

  closed(): void {
    if (this.gone) return;
    this.gone = true;
    this.over = true;
    this.kit.deadlines.clear(this.deadline);
    this.out.discard();
    this.#frame.discard();
    this.#head.discard();
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
  protected abstract headOf(id: number, stream: Stream | undefined): Fields | null;
  protected abstract headDecoded(id: number, stream: Stream | undefined, ends: boolean): void;
  protected abstract brokenHead(id: number, stream: Stream | undefined, problem: string): void;
  /** The peer has reset a stream; null for one that was over. */
  protected abstract peerReset(stream: Stream | null): void;
  protected abstract peerSettled(first: boolean): void;
  protected abstract pingAnswered(): void;
  protected abstract goneAway(last: number, code: number): void;
  protected abstract streamEnded(): void;
  protected abstract overdue(): void;
  /** The socket has gone. */
  protected abstract disposed(): void;
}
