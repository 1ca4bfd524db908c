import type { Wire } from "../../listener/mod.ts";
import type { Trailers } from "../body.ts";
import type { Exchange, ResponseHandler } from "../exchange.ts";
import type { Fields } from "../head.ts";
import type { Edits, Lines } from "../serialize.ts";
import { Http2ClientStream } from "./client-stream.ts";
import { Connection } from "./connection.ts";
import { ErrorCode, MAX_WINDOW, PREFACE, Setting } from "./frame.ts";
import { encodeRequest } from "./head-writer.ts";
import type { Http2Kit } from "./kit.ts";
import type { Stream } from "./stream.ts";

/** Who keeps an HTTP/2 client connection. */
export interface MuxKeeper {
  /** A stream has ended: there may be room for another. */
  freed(connection: ClientMux): void;
  /** It takes no new streams. */
  leaving(connection: ClientMux): void;
  /** The connection is over. */
  gone(connection: ClientMux): void;
}

export interface Http2ClientSettings {
  readonly handler: ResponseHandler;
  readonly kit: Http2Kit;
  readonly secure: boolean;
  /** The peer is a proxy of the mesh. */
  readonly isMesh: boolean;
  readonly keeper: MuxKeeper;
}

/** Streams we open on a connection, whatever more the peer would take. */
const MOST_STREAMS = 1_000;
const SETTINGS_TIMEOUT_MS = 5_000;

/** When a connection that owes answers and says nothing is asked whether it lives. */
interface Patience {
  /** It may say nothing for so long, */
  readonly quietMs: number;
  /** and then take so long to answer. */
  readonly answerMs: number;
  /** One that nobody has used for so long is asked at once when it is used again. */
  readonly idleMs: number;
}

const WITH_PROXIES: Patience = { quietMs: 2_000, answerMs: 3_000, idleMs: 5_000 };
/** Servers of gRPC take a PING more often than every five minutes for an attack, where they have nothing to say. */
const WITH_OTHERS: Patience = { quietMs: 310_000, answerMs: 10_000, idleMs: Number.POSITIVE_INFINITY };

/** The client side of an HTTP/2 connection. */
export class ClientMux extends Connection {
  /** When its last stream ended, monotonic ms; the keeper reads it. */
  idleSince: number;
  readonly openedAt: number;
  readonly #settings: Http2ClientSettings;
  #next = 1;
  #leaving = false;
  #pinged = false;
  #trailers: Trailers | null = null;
  readonly #patience: Patience;

  constructor(wire: Wire, settings: Http2ClientSettings) {
    super(wire, settings.kit);
    this.#settings = settings;
    this.#patience = settings.isMesh ? WITH_PROXIES : WITH_OTHERS;
    this.openedAt = this.idleSince = settings.kit.deadlines.now;
    settings.kit.deadlines.set(this.deadline, SETTINGS_TIMEOUT_MS);
    this.out.payload(PREFACE, 0, PREFACE.length);
    this.greet([
      [Setting.EnablePush, 0],
      [Setting.MaxHeaderListSize, settings.kit.headLimits.maxBytes],
    ]);
  }

  get canOpen(): boolean {
    if (!this.settled || this.over || this.#leaving || this.#next >= MAX_WINDOW) return false;
    return this.streams.size < Math.min(this.peer.maxStreams, MOST_STREAMS);
  }
  /** The peer has shown that it speaks HTTP/2. */
  get isSettled(): boolean {
    return this.settled;
  }
  get idle(): boolean {
    return this.streams.size === 0;
  }
  get dropped(): boolean {
    return this.over;
  }
  /** Requests it has carried. */
  get uses(): number {
    return (this.#next - 1) >> 1;
  }
  /** The peer knows extended CONNECT. */
  get takesUpgrades(): boolean {
    return this.peer.takesConnect;
  }

  /** A stream for one request; its `send` must come before another is opened. */
  open(): Http2ClientStream {
    const stream = Http2ClientStream.open(this.#next, this, this.#settings.handler, this.kit.clientStreams);
    this.#next += 2;
    return stream;
  }

  /** A stream is over for good. */
  spare(stream: Http2ClientStream): void {
    this.kit.clientStreams.give(stream);
  }

  sendRequest(
    stream: Http2ClientStream,
    exchange: Exchange,
    upgrades: boolean,
    ends: boolean,
    authority: Buffer,
    route: Edits | null,
    policy: Edits | null,
    added: Lines,
  ): void {
    if (this.streams.size === 0) this.#watch();
    this.streams.add(stream);
    const { secure } = this.#settings;
    const form = { secure, upgrades, target: exchange.target };
    encodeRequest(this.encoder, exchange.request, form, authority, route, policy, added);
    this.sendBlock(stream.id, ends);
  }

  // ---- heads ----

  protected override isIdle(id: number): boolean {
    return (id & 1) === 0 || id >= this.#next;
  }
  protected override get lastPeerStream(): number {
    return 0;
  }

  protected override headOf(id: number, stream: Stream | undefined): Fields | null {
    this.#trailers = null;
    if (stream instanceof Http2ClientStream && stream.exchange !== null) {
      if (!stream.responded) return stream.exchange.response;
      this.#trailers = this.kit.trailers;
      return this.#trailers;
    }
    if (!this.isIdle(id)) return this.kit.discarded;
    this.fail(ErrorCode.ProtocolError, "HEADERS on an idle stream");
    return null;
  }

  protected override headDecoded(_id: number, stream: Stream | undefined, ends: boolean): void {
    if (!(stream instanceof Http2ClientStream) || stream.exchange === null) return;
    if (stream.remoteEnded) stream.broken(ErrorCode.StreamClosed, "HEADERS behind the end of the stream");
    else if (this.#trailers !== null) this.takeTrailers(stream, this.#trailers, ends);
    else {
      const { request, response } = stream.exchange;
      const taken = this.kit.sink.finishResponse(ends, request.method, stream.upgrades ? request : null);
      stream.headTaken(ends, taken < 0 ? response.problem : "");
    }
  }

  protected override brokenHead(_id: number, stream: Stream | undefined, problem: string): void {
    stream?.broken(ErrorCode.ProtocolError, problem);
  }

  // ---- the connection ----

  /** Resets a stream that is given up. */
  giveUp(stream: Stream, code: ErrorCode): void {
    if (this.streams.has(stream.id)) this.resetStream(stream.id, code);
    this.streamEnded();
  }

  protected override peerReset(): void {
    this.#pinged = false;
  }

  protected override peerSettled(first: boolean): void {
    if (first) this.#watch();
    this.#settings.keeper.freed(this);
  }

  protected override pingAnswered(): void {
    this.#pinged = false;
  }

  /** The peer goes: what it has not begun is as good as never sent (RFC 9113, section 6.8). */
  protected override goneAway(last: number): void {
    this.#leave();
    for (const stream of this.streams.all()) {
      if (stream.id <= last) continue;
      this.streams.delete(stream.id);
      stream.lost(ErrorCode.RefusedStream, "the peer goes away and has not begun with it");
    }
    if (this.streams.size === 0) this.close("the peer goes away");
  }

  /** Takes no new streams, and ends behind the last one. */
  retire(): void {
    if (this.over) return;
    this.#leave();
    if (this.streams.size > 0) return;
    this.goAway(0, ErrorCode.NoError);
    this.close("not used any more");
  }

  #leave(): void {
    if (this.#leaving) return;
    this.#leaving = true;
    this.#settings.keeper.leaving(this);
  }

  protected override streamEnded(): void {
    if (this.streams.size === 0) {
      this.idleSince = this.kit.deadlines.now;
      if (this.#leaving) this.dirty();
    }
    if (!this.over) this.#settings.keeper.freed(this);
  }

  protected override flushed(): void {
    if (this.#leaving && this.streams.size === 0) this.retire();
  }

  /** Work begins: the peer may have gone without a word since the last. */
  #watch(): void {
    if (!this.settled) return;
    const { quietMs, idleMs } = this.#patience;
    if (this.kit.deadlines.now - this.idleSince > idleMs) this.#ask();
    else this.#wait(quietMs);
  }

  #wait(ms: number): void {
    this.heard = this.#pinged = false;
    this.kit.deadlines.set(this.deadline, ms);
  }

  #ask(): void {
    this.#wait(this.#patience.answerMs);
    this.#pinged = true;
    this.ping();
  }

  protected override overdue(): void {
    if (!this.settled) {
      this.fail(ErrorCode.SettingsTimeout, "no SETTINGS of the peer");
      return;
    }
    if (this.streams.size === 0) return;
    if (this.heard) this.#wait(this.#patience.quietMs);
    else if (this.#pinged) this.destroy("the peer does not answer a PING");
    else this.#ask();
  }

  protected override disposed(): void {
    this.#leave();
    this.#settings.keeper.gone(this);
  }
}
