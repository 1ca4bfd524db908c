import type { ConnectionFacts, Wire } from "../../listener/mod.ts";
import type { Exchange, RequestHandler } from "../exchange.ts";
import type { Fields } from "../head.ts";
import { TOO_LARGE } from "../parse.ts";
import type { Edits } from "../serialize.ts";
import { Connection } from "./connection.ts";
import { ErrorCode, MAX_WINDOW, PREFACE, Setting } from "./frame.ts";
import { encodeLines, encodeResponse, encodeStatus } from "./head-writer.ts";
import type { Http2Kit } from "./kit.ts";
import { Http2ServerStream } from "./server-stream.ts";
import type { Stream } from "./stream.ts";

/** What the HTTP/2 server connections of a listener share. */
export interface Http2ServerSettings {
  readonly handler: RequestHandler;
  readonly kit: Http2Kit;
  /** From the connection's beginning to its first frame, and from a head's first frame to its last. */
  readonly headTimeoutMs: number;
  /** Without a stream. */
  readonly idleTimeoutMs: number;
  /** Streams a client may have open at once. */
  readonly maxStreams: number;
  readonly draining: () => boolean;
  readonly onClose: (connection: ServerMux) => void;
  readonly onIdleClose: (connection: ServerMux, reason: string) => void;
}

const LENGTH = Buffer.from("content-length");

/** The server side of an HTTP/2 connection. */
export class ServerMux extends Connection {
  readonly connection: ConnectionFacts;
  readonly #settings: Http2ServerSettings;
  /** Bytes of the preface that have come. */
  #prefaced = 0;
  #last = 0;
  /** The stream whose head is being read. */
  #beginning: Http2ServerStream | null = null;
  #idleSince: number;
  #blockSince = 0;
  /** When somebody last looked for what the client does not take, and what it had taken then. */
  #lookedAt: number;
  #taken = 0;
  /** We have said that we go: 1 that we will, 2 which stream is the last. */
  #leaving = 0;

  constructor(wire: Wire, facts: ConnectionFacts, settings: Http2ServerSettings) {
    super(wire, settings.kit);
    this.connection = facts;
    this.#settings = settings;
    this.#idleSince = this.#lookedAt = settings.kit.deadlines.now;
    settings.kit.deadlines.set(this.deadline, settings.headTimeoutMs);
    this.greet([
      [Setting.MaxConcurrentStreams, settings.maxStreams],
      [Setting.MaxHeaderListSize, settings.kit.headLimits.maxBytes],
      [Setting.EnableConnectProtocol, 1],
    ]);
  }

  get idle(): boolean {
    return this.streams.size === 0;
  }

  protected override read(bytes: Buffer, start: number, end: number): void {
    let p = start;
    if (this.#prefaced < PREFACE.length) {
      p = this.#readPreface(bytes, start, end);
      if (this.over) return;
    }
    super.read(bytes, p, end);
  }

  #readPreface(bytes: Buffer, start: number, end: number): number {
    let p = start;
    while (p < end && this.#prefaced < PREFACE.length) {
      if (bytes[p++] === PREFACE[this.#prefaced++]) continue;
      this.#settings.onIdleClose(this, "no preface");
      this.fail(ErrorCode.ProtocolError, "no HTTP/2 preface");
      return end;
    }
    return p;
  }

  // ---- heads ----

  protected override isIdle(id: number): boolean {
    return (id & 1) === 0 || id > this.#last;
  }
  protected override get lastPeerStream(): number {
    return this.#last;
  }

  protected override headOf(id: number, stream: Stream | undefined): Fields | null {
    this.#beginning = null;
    if (stream !== undefined) {
      return this.kit.trailers;
    }
    if ((id & 1) === 0) {
      this.fail(ErrorCode.ProtocolError, "stream of even number from a client");
      return null;
    }
    if (id <= this.#last) {
      if (this.isForgiven(id)) return this.kit.discarded;
      this.fail(ErrorCode.StreamClosed, "HEADERS on a closed stream");
      return null;
    }
    this.#last = id;
    if (this.streams.size >= this.#settings.maxStreams || this.#leaving === 2) return this.kit.discarded;
    this.#beginning = Http2ServerStream.open(id, this, this.#settings.handler, this.kit.serverStreams);
    this.streams.add(this.#beginning);
    return this.#beginning.exchange!.request;
  }

  protected override headDecoded(id: number, stream: Stream | undefined, ends: boolean): void {
    if (stream !== undefined) {
      if (stream.remoteEnded) stream.broken(ErrorCode.StreamClosed, "HEADERS behind the end of the stream");
      else this.takeTrailers(stream, this.kit.trailers, ends);
      return;
    }
    const begun = this.#beginning;
    this.#beginning = null;
    if (begun === null) {
      if (!this.isForgiven(id)) this.#refuseStream(id);
      return;
    }
    const taken = this.kit.sink.finishRequest(ends);
    const { problem } = begun.exchange!.request;
    begun.remoteEnded = ends;
    if (taken === TOO_LARGE) begun.refuse(431, null, problem);
    else if (taken < 0) begun.refuse(400, ErrorCode.ProtocolError, problem);
    else begun.begin(ends);
  }

  /** Over the limit, or behind our GOAWAY: nothing of it was done (RFC 9113, section 5.1.2). */
  #refuseStream(id: number): void {
    this.resetStream(id, ErrorCode.RefusedStream);
    this.count("rapid_reset");
  }

  protected override brokenHead(id: number, stream: Stream | undefined, problem: string): void {
    if (stream !== undefined) {
      stream.broken(ErrorCode.ProtocolError, problem);
      return;
    }
    const begun = this.#beginning;
    this.#beginning = null;
    if (begun === null) {
      this.resetStream(id, ErrorCode.ProtocolError);
      this.blame();
      return;
    }
    this.kit.sink.finishRequest(true);
    begun.refuse(400, ErrorCode.ProtocolError, problem);
  }

  /** What else has a deadline is not put off: blocks may begin all the time. */
  protected override blockBegun(): void {
    const { deadlines } = this.kit;
    this.#blockSince = deadlines.now;
    const { headTimeoutMs } = this.#settings;
    const { isSet, deadlineAt } = this.deadline;
    if (!isSet || deadlineAt > this.#blockSince + headTimeoutMs) deadlines.set(this.deadline, headTimeoutMs);
  }

  // ---- responses ----

  sendResponse(
    stream: Stream,
    exchange: Exchange,
    status: number,
    ends: boolean,
    route: Edits | null,
    policy: Edits | null,
  ): void {
    encodeResponse(this.encoder, exchange.response, status, route, policy);
    this.sendBlock(stream.id, ends);
  }

  /** The head of an answer of our own; `fields` are lines. */
  sendAnswer(stream: Stream, status: number, fields: Buffer, length: number, ends: boolean): void {
    const { encoder } = this;
    encoder.begin();
    encodeStatus(encoder, status);
    encodeLines(encoder, fields, fields.length);
    // Without a body, the end of the stream says it all.
    if (length > 0 && status >= 200 && status !== 204 && status !== 304) {
      encoder.number(LENGTH, length);
    }
    this.sendBlock(stream.id, ends);
  }

  // ---- the connection ----

  protected override peerReset(stream: Stream | null): void {
    // A client may change its mind; one that does so all the time wants us to work for nothing.
    if (stream !== null) this.count("rapid_reset");
  }

  protected override peerSettled(first: boolean): void {
    if (!first) return;
    if (this.#settings.draining()) this.drain();
    this.kit.deadlines.set(this.deadline, this.#settings.idleTimeoutMs);
  }

  /** The client knows that we go: what it sends from here on is behind the last stream. */
  protected override pingAnswered(): void {
    if (this.#leaving === 1) this.#depart();
  }

  /** Draining: tells the client to open no stream here any more, and ends behind the last one (RFC 9113, section 6.8). */
  drain(): void {
    if (this.over || this.#leaving > 0) return;
    this.#leaving = 1;
    this.goAway(MAX_WINDOW, ErrorCode.NoError);
    if (this.#prefaced < PREFACE.length || this.streams.size === 0) this.#depart();
    else this.ping();
  }

  #depart(): void {
    this.#leaving = 2;
    this.goAway(this.#last, ErrorCode.NoError);
  }

  protected override goneAway(): void {}

  /** The client goes, or we do, and nothing is left to say. */
  protected override flushed(): void {
    if (this.#leaving > 0 && this.streams.size === 0) this.close("drain");
  }

  /** A stream is over for good. */
  spare(stream: Http2ServerStream): void {
    this.kit.serverStreams.give(stream);
  }

  /** A response went out whole. */
  served(): void {
    this.guard.forgive("rapid_reset", 1);
  }

  exchangeEnded(): void {
    this.streamEnded();
    if (this.#settings.draining() && this.#leaving === 0) this.drain();
  }

  protected override streamEnded(): void {
    if (this.streams.size > 0) return;
    this.#idleSince = this.kit.deadlines.now;
    if (this.#leaving > 0) this.dirty();
  }

  protected override overdue(): void {
    const { deadlines, abused } = this.kit;
    const { headTimeoutMs, idleTimeoutMs } = this.#settings;
    const { now } = deadlines;
    if (!this.settled) {
      this.#giveUp("no request at the head deadline");
      return;
    }
    if (this.blockOpen && now - this.#blockSince >= headTimeoutMs) {
      abused("head_deadline");
      this.fail(ErrorCode.EnhanceYourCalm, "head not whole at its deadline");
      return;
    }
    if (now - this.#lookedAt >= idleTimeoutMs && this.#isStalled(now)) {
      abused("stalled");
      this.destroy();
      return;
    }
    const { idle } = this;
    const left = (idle ? this.#idleSince : this.#lookedAt) + idleTimeoutMs - now;
    if (idle && left <= 1) this.#giveUp("idle");
    else deadlines.set(this.deadline, this.blockOpen ? Math.min(left, this.#blockSince + headTimeoutMs - now) : left);
  }

  /** Nothing was taken since the last look. What waits for a window that nobody opens ends on its stream alone. */
  #isStalled(now: number): boolean {
    const { blocked, taken } = this.out;
    if (blocked && taken === this.#taken) return true;
    this.#lookedAt = now;
    this.#taken = taken;
    for (const stream of this.streams.all()) if (stream.isStuck()) stream.abort();
    return false;
  }

  #giveUp(reason: string): void {
    this.#settings.onIdleClose(this, reason);
    this.goAway(this.#last, ErrorCode.NoError);
    this.close(reason);
  }

  protected override disposed(): void {
    this.#settings.onClose(this);
  }
}
