import { Deadline, type Deadlines } from "../base/mod.ts";
import { type ConnectionFacts, handOver, type Wire, type WireOwner } from "../listener/mod.ts";
import { BodyReader, type Trailers } from "./body.ts";
import { SLASH } from "./byte-class.ts";
import type { Exchange, RequestHandler, ServerStream } from "./exchange.ts";
import { Field } from "./field.ts";
import { mayBePreface } from "./h2/frame.ts";
import { CHUNKED, Method, UNTIL_CLOSE } from "./head.ts";
import { Held } from "./held.ts";
import { type HeadLimits, INCOMPLETE, parseRequestHead, TOO_LARGE, UNSUPPORTED } from "./parse.ts";
import { Framing, Sender, type Stage } from "./sender.ts";
import { After, Announce, type Edits, writeAnswer, writeResponseHead } from "./serialize.ts";

/** What all server connections of a worker share. */
export interface ServerSettings {
  readonly handler: RequestHandler;
  readonly stage: Stage;
  readonly deadlines: Deadlines;
  readonly headLimits: HeadLimits;
  /** From the first byte of a head to its last. */
  readonly headTimeoutMs: number;
  /** Between exchanges. */
  readonly idleTimeoutMs: number;
  /** Between the end of our answer and the peer's FIN, where the request was not read to its end. */
  readonly lingerMs: number;
  /** The proxy is draining: connections close behind the exchange at hand. */
  readonly draining: () => boolean;
  /** The connection is over. */
  readonly onClose: (connection: ServerConnection) => void;
  /** The client speaks HTTP/2 from the first byte on: `bytes` are what it has said. Null: nobody here does. */
  readonly http2: ((connection: ServerConnection, bytes: Buffer) => void) | null;
  /** A connection was given up while no exchange was under way, e.g. at its head deadline. */
  readonly onIdleClose: (connection: ServerConnection, reason: string) => void;
}

/** What the bytes that come next mean. */
const Phase = { Head: 0, Body: 1, Answer: 2, Tunnel: 3, Closing: 4, Gone: 5 } as const;

class ConnectionDeadline extends Deadline {
  readonly #connection: ServerConnection;
  constructor(connection: ServerConnection) {
    super();
    this.#connection = connection;
  }
  override expire(): void {
    this.#connection.expired();
  }
}

/**
 * The server side of an HTTP/1 connection (RFC 9112): one exchange at a time,
 * in order. The request body is held back until somebody reads it; bytes of a
 * next request wait until the response at hand is done.
 */
export class ServerConnection implements ServerStream, WireOwner {
  readonly connection: ConnectionFacts;
  responseStarted = false;
  requestComplete = true;

  readonly wire: Wire;
  readonly #settings: ServerSettings;
  readonly #out: Sender;
  readonly #reader = new BodyReader();
  readonly #deadline: ConnectionDeadline;
  #exchange: Exchange | null = null;
  #phase: number = Phase.Head;
  /** A head that came in pieces. */
  #partial: Held | null = null;
  /** Bytes behind what is being worked on: a body nobody reads yet, or the next request. */
  #rest: Buffer | null = null;
  #bodyOpen = false;
  #paused = false;
  #reading = false;
  #close = false;
  #peerEnded = false;
  #gone = false;
  /** The response is written, but some of it waits for the kernel. */
  #flushing = false;
  #idleSince = 0;
  /** Some request has come on this connection. */
  #served = false;
  /** Who has the socket now. */
  #heir: WireOwner | null = null;
  /** Ended for good; TLS waits for the peer to say so too. */
  #isLeft = false;

  constructor(wire: Wire, facts: ConnectionFacts, settings: ServerSettings) {
    this.wire = wire;
    this.connection = facts;
    this.#settings = settings;
    this.#out = new Sender(wire, settings.stage);
    this.#deadline = new ConnectionDeadline(this);
    this.#idleSince = settings.deadlines.now;
    settings.deadlines.set(this.#deadline, settings.headTimeoutMs);
  }

  get blocked(): boolean {
    return this.#out.blocked;
  }
  get bytesSent(): number {
    return this.#out.bodyBytes;
  }
  get idle(): boolean {
    return this.#exchange === null;
  }

  // ---- bytes in ----

  received(bytes: Buffer): void {
    if (this.#phase === Phase.Closing) return;
    if (this.#rest !== null) {
      this.#rest = Buffer.concat([this.#rest, bytes]);
      return;
    }
    this.#read(bytes, 0, bytes.length);
  }

  #read(bytes: Buffer, start: number, end: number): void {
    let p = start;
    this.#reading = true;
    while (p < end && p >= 0) {
      switch (this.#phase) {
        case Phase.Head:
          p = this.#readHead(bytes, p, end);
          break;
        case Phase.Body:
          p = this.#bodyOpen ? this.#readPiece(bytes, p, end) : this.#hold(bytes, p, end);
          break;
        case Phase.Answer:
          p = this.#hold(bytes, p, end);
          break;
        case Phase.Tunnel:
          this.#settings.handler.requestBody(this.#exchange!, bytes, p, end);
          p = end;
          break;
        case Phase.Gone:
          this.#heir!.received(bytes.subarray(p, end));
          p = end;
          break;
        default:
          p = end;
      }
    }
    this.#reading = false;
  }

  /** Keeps what cannot be read yet, and stops the socket: at most one event's bytes are held. */
  #hold(bytes: Buffer, p: number, end: number): number {
    this.#rest = bytes.subarray(p, end);
    this.#pause();
    return -1;
  }

  #readRest(): void {
    const rest = this.#rest;
    this.#rest = null;
    if (rest !== null) this.#read(rest, 0, rest.length);
    if (this.#rest === null) this.#resume();
    if (this.#peerEnded && this.#rest === null && !this.#gone) this.#endOfInput();
  }

  /** Offset after the head, or -1 where reading stops. */
  #readHead(bytes: Buffer, p: number, end: number): number {
    if (this.#partial !== null) return this.#readPartial(bytes, p, end);
    this.#exchange ??= this.#settings.handler.begin(this);
    const n = parseRequestHead(this.#exchange.request, bytes, p, end, this.#settings.headLimits);
    if (n === INCOMPLETE) {
      this.#partial = new Held();
      this.#partial.append(bytes, p, end);
      this.#settings.deadlines.set(this.#deadline, this.#settings.headTimeoutMs);
      return -1;
    }
    return this.#begin(n, bytes, p, end);
  }

  #readPartial(bytes: Buffer, p: number, end: number): number {
    const partial = this.#partial!;
    const before = partial.length;
    partial.append(bytes, p, end);
    const limits = this.#settings.headLimits;
    if (partial.length <= limits.maxBytes && !Held.mayComplete(bytes, p, end)) return -1;
    const n = parseRequestHead(this.#exchange!.request, partial.bytes, 0, partial.length, limits);
    if (n === INCOMPLETE) return -1;
    this.#partial = null;
    const begun = this.#begin(n, partial.bytes, 0, partial.length);
    return begun < 0 ? begun : p + begun - before;
  }

  /** The head in `bytes[start, end)` is decided: `n` is its end or the parser's refusal. */
  #begin(n: number, bytes: Buffer, start: number, end: number): number {
    const exchange = this.#exchange!;
    if (n < 0) {
      if (this.#isHttp2(bytes, start, end)) return this.#handOver(bytes.subarray(start, end));
      const problem = exchange.request.problem;
      this.#refuse(refusalStatus(n, problem), problem);
      return -1;
    }
    const head = exchange.request;
    this.#reader.begin(head.contentLength);
    this.requestComplete = this.#reader.done;
    this.responseStarted = false;
    this.#bodyOpen = false;
    this.#served = true;
    this.#out.bodyBytes = 0;
    this.#close = !head.keepAlive || this.#settings.draining();
    this.#phase = this.requestComplete ? Phase.Answer : Phase.Body;
    this.#settings.handler.request(exchange);
    return n;
  }

  /**
   * The preface of HTTP/2 is made to be refused here (RFC 9113, section 3.4):
   * only then it is looked for. So is what cannot be HTTP/1 at all: the one
   * answer left for it is that it is no preface either.
   */
  #isHttp2(bytes: Buffer, start: number, end: number): boolean {
    if (this.#served || this.#settings.http2 === null) return false;
    return mayBePreface(bytes, start, end) || isNoRequestLine(bytes, start, end);
  }

  #handOver(bytes: Buffer): number {
    this.#settings.deadlines.clear(this.#deadline);
    this.#phase = Phase.Closing;
    this.#gone = true;
    this.#finishExchange();
    this.#settings.http2!(this, bytes);
    return -1;
  }

  #readPiece(bytes: Buffer, p: number, end: number): number {
    const reader = this.#reader;
    const exchange = this.#exchange!;
    const after = reader.next(bytes, p, end, this.#settings.headLimits);
    if (reader.pieceEnd > reader.pieceStart) {
      this.#settings.handler.requestBody(exchange, bytes, reader.pieceStart, reader.pieceEnd);
      if (this.#exchange !== exchange || this.#phase !== Phase.Body) return after;
    }
    if (reader.problem !== "") {
      this.#refuse(400, reader.problem);
      return -1;
    }
    if (reader.done) {
      this.requestComplete = true;
      this.#phase = Phase.Answer;
      this.#settings.handler.requestEnd(exchange, reader.trailers);
    }
    return after;
  }

  #refuse(status: number, problem: string): void {
    this.#close = true;
    this.requestComplete = true;
    this.#phase = Phase.Answer;
    this.#reader.begin(0);
    this.#settings.handler.malformed(this.#exchange!, status, problem);
  }

  // ---- the exchange's side ----

  readBody(): void {
    if (this.#phase === Phase.Closing) return;
    this.#bodyOpen = true;
    if (!this.#paused || this.#reading) return;
    if (this.#phase === Phase.Answer) return;
    this.#readRest();
  }

  pauseBody(): void {
    this.#pause();
  }

  inform(exchange: Exchange): void {
    // An HTTP/1.0 client knows no 1xx (RFC 9110, section 15.2).
    if (exchange.request.minor === 0 || this.responseStarted) return;
    writeResponseHead(this.#out.open(), exchange.response, Announce.Nothing, After.Default, null, null);
  }

  respond(exchange: Exchange, route: Edits | null, policy: Edits | null): void {
    const { request, response } = exchange;
    const noBody = response.contentLength === 0;
    const unframed = response.contentLength === CHUNKED || response.contentLength === UNTIL_CLOSE;
    const chunked = unframed && request.minor === 1;
    if (unframed && !chunked) this.#close = true;
    if (!this.requestComplete && noBody) this.#close = true;
    if (this.#settings.draining() || this.#peerEnded) this.#close = true;
    this.responseStarted = true;
    const announce = chunked ? Announce.Chunks : lacksLength(exchange) ? Announce.Empty : Announce.Nothing;
    writeResponseHead(this.#out.open(), response, announce, this.#after(request.minor), route, policy);
    this.#out.framing = noBody
      ? Framing.None
      : chunked
        ? Framing.Chunked
        : unframed
          ? Framing.UntilClose
          : Framing.Length;
  }

  #after(minor: number): After {
    if (this.#close) return After.Close;
    return minor === 0 ? After.KeepAlive : After.Default;
  }

  data(bytes: Buffer, start: number, end: number): void {
    if (this.#phase === Phase.Tunnel) this.#out.framing = Framing.UntilClose;
    this.#out.piece(bytes, start, end);
  }

  finish(trailers: Trailers | null): void {
    if (this.#phase === Phase.Tunnel) {
      this.#out.shutdown();
      return;
    }
    this.#out.finish(trailers);
    this.#responded();
  }

  answer(exchange: Exchange, status: number, fields: Buffer, body: Buffer): void {
    // What is left of a request that was answered early cannot be told from a next request.
    if (!this.requestComplete || this.#peerEnded || this.#settings.draining()) this.#close = true;
    const { method, minor } = exchange.request;
    this.responseStarted = true;
    this.#out.bodyBytes = method === Method.Head ? 0 : body.length;
    writeAnswer(this.#out.open(), status, fields, body, this.#after(minor), method !== Method.Head);
    this.#responded();
  }

  tunnel(): void {
    this.#phase = Phase.Tunnel;
    this.#bodyOpen = true;
    this.#close = true;
    this.#out.framing = Framing.UntilClose;
    if (this.#paused && !this.#reading) this.#readRest();
  }

  handOver(owner: WireOwner): void {
    this.#settings.deadlines.clear(this.#deadline);
    this.#phase = Phase.Gone;
    this.#gone = true;
    this.#heir = owner;
    this.#finishExchange();
    handOver(this.wire, owner);
    const rest = this.#rest;
    this.#rest = null;
    // In front of its bytes: the owner may stop the socket because of them.
    this.#resume();
    if (rest !== null) owner.received(rest);
    if (this.#peerEnded) owner.peerEnded();
  }

  abort(): void {
    if (this.#gone) return;
    this.#phase = Phase.Closing;
    const lastByteTells = this.#out.framing === Framing.UntilClose;
    if (lastByteTells) {
      this.#out.discard();
      this.wire.terminate();
    } else this.#out.shutdown();
    this.#finishExchange();
    if (!lastByteTells) this.#linger();
  }

  /** Ends a tunnel whose two directions are done, or an exchange given up before its response. */
  #responded(): void {
    this.#out.stage.flush();
    if (this.#out.blocked) {
      this.#flushing = true;
      this.#settings.deadlines.set(this.#deadline, this.#settings.idleTimeoutMs);
      return;
    }
    this.#complete();
  }

  #complete(): void {
    this.#flushing = false;
    const close = this.#close || !this.requestComplete;
    if (close) {
      this.#phase = Phase.Closing;
      this.#out.shutdown();
    }
    this.#finishExchange();
    if (close) this.#linger();
    else this.#next();
  }

  #finishExchange(): void {
    const exchange = this.#exchange;
    this.#exchange = null;
    if (exchange !== null) this.#settings.handler.ended(exchange);
  }

  /** Reads and forgets until the peer closes too: an RST would take our answer away from it (RFC 9112, section 9.6). */
  #linger(): void {
    this.#rest = null;
    if (this.#gone) return;
    if (this.#peerEnded) {
      this.wire.end();
      return;
    }
    this.#resume();
    this.#settings.deadlines.set(this.#deadline, this.#settings.lingerMs);
  }

  #next(): void {
    this.#phase = Phase.Head;
    this.requestComplete = true;
    this.responseStarted = false;
    this.#idleSince = this.#settings.deadlines.recent;
    if (!this.#deadline.isSet) this.#settings.deadlines.set(this.#deadline, this.#settings.idleTimeoutMs);
    if (this.#reading) return;
    if (this.#rest !== null || this.#paused) this.#readRest();
    else if (this.#peerEnded) this.#endOfInput();
  }

  // ---- the socket's side ----

  writable(): void {
    if (!this.#out.drain()) {
      if (this.#flushing) this.#settings.deadlines.set(this.#deadline, this.#settings.idleTimeoutMs);
      return;
    }
    if (this.#flushing) this.#complete();
    else if (this.#exchange !== null) this.#settings.handler.drained(this.#exchange);
  }

  peerEnded(): void {
    this.#peerEnded = true;
    if (this.#rest === null) this.#endOfInput();
  }

  #endOfInput(): void {
    const exchange = this.#exchange;
    switch (this.#phase) {
      case Phase.Head:
        this.#partial = null;
        this.#finishExchange();
        this.#phase = Phase.Closing;
        this.#out.shutdown();
        this.wire.end();
        return;
      case Phase.Body:
        this.#settings.handler.gone(exchange!, "request ended before its body");
        return;
      case Phase.Tunnel:
        this.#settings.handler.requestEnd(exchange!, null);
        return;
      case Phase.Closing:
        if (!this.#out.blocked) this.wire.end();
        return;
      default:
        this.#close = true;
    }
  }

  closed(isBroken: boolean): void {
    if (this.#gone) return;
    if (!isBroken && !this.#peerEnded && this.#phase === Phase.Tunnel) this.peerEnded();
    this.#gone = true;
    this.#settings.deadlines.clear(this.#deadline);
    this.#rest = this.#partial = null;
    const phase = this.#phase;
    this.#phase = Phase.Closing;
    this.#out.discard();
    const exchange = this.#exchange;
    if (exchange !== null) {
      // A head that never became whole is no request.
      if (phase !== Phase.Head) this.#settings.handler.gone(exchange, "downstream closed the connection");
      this.#finishExchange();
    }
    this.#settings.onClose(this);
  }

  /** The head, idle or linger deadline, or a peer that does not read the end of its response. */
  expired(): void {
    const { deadlines, idleTimeoutMs } = this.#settings;
    if (this.#phase === Phase.Closing) {
      this.#letGo();
      return;
    }
    if (this.#partial !== null) {
      this.#partial = null;
      this.#refuse(408, "head not whole at its deadline");
      return;
    }
    if (this.#flushing) {
      this.destroy();
      return;
    }
    if (this.#phase !== Phase.Head) return;
    const left = this.#idleSince + idleTimeoutMs - deadlines.now;
    if (left > 1 && this.#served) deadlines.set(this.#deadline, left);
    else this.#giveUp(this.#served ? "idle" : "no request at the head deadline");
  }

  #giveUp(reason: string): void {
    this.#settings.onIdleClose(this, reason);
    this.#finishExchange();
    this.#phase = Phase.Closing;
    this.#out.shutdown();
    this.#linger();
  }

  /** Draining: ends the connection where nothing is under way; what is under way ends it itself. */
  drain(): void {
    if (this.#phase === Phase.Head && this.#partial === null) this.#giveUp("drain");
    else this.#close = true;
  }

  /** Ends at once, but for what the kernel has of a response that is over. */
  destroy(): void {
    if (this.#phase === Phase.Closing) this.#letGo();
    else this.wire.terminate();
    this.closed(true);
  }

  /** An RST would throw away what the kernel has and a slow reader has not. */
  #letGo(): void {
    if (this.#out.blocked || this.#isLeft) {
      this.wire.terminate();
      return;
    }
    this.#isLeft = true;
    this.#settings.deadlines.set(this.#deadline, this.#settings.idleTimeoutMs);
    this.wire.end();
  }

  #pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    this.wire.pause();
  }

  #resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.wire.resume();
  }
}

/** A whole line without a slash, where even HTTP/0.9 had one. */
function isNoRequestLine(bytes: Buffer, start: number, end: number): boolean {
  const line = bytes.subarray(start, end);
  const length = line.indexOf("\r\n", 0, "latin1");
  return length > 0 && !line.subarray(0, length).includes(SLASH);
}

/** A response that HTTP/2 ended with its head: a client here would wait for the connection to end. */
function lacksLength({ request, response }: Exchange): boolean {
  const { status } = response;
  if (response.contentLength !== 0 || status < 200 || status === 204 || status === 304) return false;
  if (request.method === Method.Head || request.method === Method.Connect) return false;
  return response.find(Field.ContentLength) < 0;
}

function refusalStatus(code: number, problem: string): number {
  if (code === TOO_LARGE) return 431;
  if (code === UNSUPPORTED) return problem.startsWith("HTTP") ? 505 : 501;
  return problem.startsWith("Expect") ? 417 : 400;
}
