import type { Wire, WireOwner } from "../listener/mod.ts";
import { BodyReader, type Trailers } from "./body.ts";
import { type ClientStream, type Exchange, type ResponseHandler, UpstreamFailure } from "./exchange.ts";
import { CHUNKED, Method } from "./head.ts";
import { Held } from "./held.ts";
import { type HeadLimits, INCOMPLETE, parseResponseHead } from "./parse.ts";
import { Framing, Sender, type Stage } from "./sender.ts";
import { type Edits, type Lines, writeRequestHead } from "./serialize.ts";

/** What all client connections of a worker share. */
export interface ClientSettings {
  readonly handler: ResponseHandler;
  readonly stage: Stage;
  readonly headLimits: HeadLimits;
}

/** Who keeps a client connection between exchanges. */
export interface ConnectionKeeper {
  /** The exchange is over and the connection as good as new. */
  release(connection: ClientConnection): void;
  /** The connection is over. */
  lost(connection: ClientConnection): void;
  /** Its exchange is over, but some of it waits for the kernel: `abort` it where that takes too long. */
  lingers(connection: ClientConnection): void;
}

const Phase = { Idle: 0, Head: 1, Body: 2, Tunnel: 3, Dead: 4 } as const;

/**
 * The client side of an HTTP/1 connection: one exchange at a time. A
 * connection that did anything a strict parser would not expect is never used
 * again.
 */
export class ClientConnection implements ClientStream, WireOwner {
  /** When it became idle, monotonic ms; the keeper reads it. */
  idleSince = 0;
  /** When it was opened, monotonic ms; the keeper writes and reads it. */
  openedAt = 0;
  /** Exchanges it has carried. */
  uses = 0;

  readonly #wire: Wire;
  readonly #settings: ClientSettings;
  readonly #keeper: ConnectionKeeper;
  readonly #out: Sender;
  readonly #reader = new BodyReader();
  #exchange: Exchange | null = null;
  #phase: number = Phase.Idle;
  #partial: Held | null = null;
  #paused = false;
  /** The request has been written to its end. */
  #sent = true;
  #answered = false;
  #peerEnded = false;
  #dropped = false;

  constructor(wire: Wire, settings: ClientSettings, keeper: ConnectionKeeper) {
    this.#wire = wire;
    this.#settings = settings;
    this.#keeper = keeper;
    this.#out = new Sender(wire, settings.stage);
  }

  get blocked(): boolean {
    return this.#out.blocked;
  }
  get answered(): boolean {
    return this.#answered;
  }
  get idle(): boolean {
    return this.#phase === Phase.Idle;
  }
  /** The socket is gone or will be: not to be used. */
  get dropped(): boolean {
    return this.#dropped;
  }

  // ---- the exchange's side ----

  send(exchange: Exchange, authority: Buffer, route: Edits | null, policy: Edits | null, added: Lines): void {
    const { request } = exchange;
    this.#exchange = exchange;
    this.#phase = Phase.Head;
    this.#answered = false;
    this.#sent = request.contentLength === 0;
    this.uses++;
    exchange.upstream = this;
    writeRequestHead(this.#out.open(), request, authority, route, policy, added, exchange.target);
    this.#out.framing =
      request.contentLength === 0 ? Framing.None : request.contentLength === CHUNKED ? Framing.Chunked : Framing.Length;
  }

  data(bytes: Buffer, start: number, end: number): void {
    this.#out.piece(bytes, start, end);
  }

  finish(trailers: Trailers | null): void {
    this.#sent = true;
    if (this.#phase === Phase.Tunnel) this.#out.shutdown();
    else this.#out.finish(trailers);
  }

  readBody(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#wire.resume();
  }

  pauseBody(): void {
    if (this.#paused) return;
    this.#paused = true;
    this.#wire.pause();
  }

  /** For CONNECT and 101: bytes without meaning both ways. Also the start of a plain TCP passage. */
  tunnel(): void {
    this.#phase = Phase.Tunnel;
    this.#out.framing = Framing.UntilClose;
  }

  /** Makes a fresh connection the passage of an exchange that sends no request (CONNECT to outside the mesh). */
  adopt(exchange: Exchange): void {
    this.#exchange = exchange;
    exchange.upstream = this;
    this.uses++;
    this.#sent = false;
    this.tunnel();
  }

  handTo(exchange: Exchange): void {
    if (this.#exchange !== null) this.#exchange.upstream = null;
    this.#exchange = exchange;
    exchange.upstream = this;
  }

  abort(): void {
    this.#detach();
    this.#drop(false);
  }

  leave(): void {
    this.#detach();
    this.#phase = Phase.Dead;
    if (this.#out.blocked) this.#keeper.lingers(this);
    else this.#drop(true);
  }

  // ---- bytes in ----

  received(bytes: Buffer): void {
    let p = 0;
    const end = bytes.length;
    while (p < end && p >= 0) {
      switch (this.#phase) {
        case Phase.Head:
          p = this.#readHead(bytes, p, end);
          break;
        case Phase.Body:
          p = this.#readPiece(bytes, p, end);
          break;
        case Phase.Tunnel:
          this.#settings.handler.responseBody(this.#exchange!, bytes, p, end);
          return;
        case Phase.Idle:
          // Nothing was asked: what comes now would answer the next request.
          this.#drop(false);
          return;
        default:
          return;
      }
    }
  }

  #readHead(bytes: Buffer, p: number, end: number): number {
    this.#answered = true;
    if (this.#partial !== null) return this.#readPartial(bytes, p, end);
    const exchange = this.#exchange!;
    const n = parseResponseHead(exchange.response, bytes, p, end, this.#settings.headLimits, exchange.request.method);
    if (n === INCOMPLETE) {
      this.#partial = new Held();
      this.#partial.append(bytes, p, end);
      return -1;
    }
    return this.#begin(n, n === end);
  }

  #readPartial(bytes: Buffer, p: number, end: number): number {
    const partial = this.#partial!;
    const before = partial.length;
    partial.append(bytes, p, end);
    const { headLimits } = this.#settings;
    if (partial.length <= headLimits.maxBytes && !Held.mayComplete(bytes, p, end)) return -1;
    const exchange = this.#exchange!;
    const n = parseResponseHead(
      exchange.response,
      partial.bytes,
      0,
      partial.length,
      headLimits,
      exchange.request.method,
    );
    if (n === INCOMPLETE) return -1;
    this.#partial = null;
    const begun = this.#begin(n, n === partial.length);
    return begun < 0 ? begun : p + begun - before;
  }

  /** `isAll`: no byte has come behind the head. */
  #begin(n: number, isAll: boolean): number {
    const exchange = this.#exchange!;
    const { request, response } = exchange;
    if (n < 0) {
      this.#fail(UpstreamFailure.Malformed, response.problem);
      return -1;
    }
    if (response.status === 101) {
      if (!request.upgrade) {
        this.#fail(UpstreamFailure.Malformed, "101 without an upgrade asked for");
        return -1;
      }
      this.tunnel();
      this.#settings.handler.response(exchange);
      return n;
    }
    if (response.status < 200) {
      this.#settings.handler.informed(exchange);
      return n;
    }
    if (request.method === Method.Connect && response.status < 300) this.tunnel();
    else {
      this.#phase = Phase.Body;
      this.#reader.begin(response.contentLength);
    }
    this.#settings.handler.response(exchange);
    if (this.#phase === Phase.Body && this.#reader.done) return this.#complete(null, isAll) ? n : -1;
    return n;
  }

  #readPiece(bytes: Buffer, p: number, end: number): number {
    const reader = this.#reader;
    const after = reader.next(bytes, p, end, this.#settings.headLimits);
    if (reader.pieceEnd > reader.pieceStart) {
      this.#settings.handler.responseBody(this.#exchange!, bytes, reader.pieceStart, reader.pieceEnd);
      if (this.#phase !== Phase.Body) return -1;
    }
    if (reader.problem !== "") {
      this.#fail(UpstreamFailure.Malformed, reader.problem);
      return -1;
    }
    if (reader.done) return this.#complete(reader.trailers, after === end) ? after : -1;
    return after;
  }

  /**
   * The response is whole; true when the connection can serve again. Bytes
   * behind it (`isAll` is false) would be read as the answer to somebody else.
   */
  #complete(trailers: Trailers | null, isAll: boolean): boolean {
    const exchange = this.#exchange!;
    const reusable = isAll && exchange.response.keepAlive && this.#sent && !this.#out.blocked && !this.#peerEnded;
    this.#detach();
    this.#phase = reusable ? Phase.Idle : Phase.Dead;
    this.#settings.handler.responseEnd(exchange, trailers);
    if (this.#phase === Phase.Idle && !this.#dropped) this.#keeper.release(this);
    else this.#drop(this.#sent && isAll);
    return reusable;
  }

  #detach(): void {
    const exchange = this.#exchange;
    if (exchange !== null && exchange.upstream === this) exchange.upstream = null;
    this.#exchange = null;
    this.#partial = null;
    this.readBody();
  }

  #fail(failure: UpstreamFailure, problem: string): void {
    const exchange = this.#exchange!;
    this.#detach();
    this.#drop(false);
    this.#settings.handler.failed(exchange, failure, problem);
  }

  // ---- the socket's side ----

  writable(): void {
    if (!this.#out.drain()) return;
    if (this.#exchange !== null) this.#settings.handler.drained(this.#exchange);
    else if (this.#phase === Phase.Dead) this.#drop(true);
  }

  peerEnded(): void {
    this.#peerEnded = true;
    const exchange = this.#exchange;
    if (exchange === null) this.#drop(true);
    else if (this.#phase === Phase.Tunnel) this.#settings.handler.responseEnd(exchange, null);
    else if (this.#phase === Phase.Body && this.#reader.endsWithConnection) {
      this.#reader.done = true;
      this.#complete(null, true);
    } else this.#broken("upstream ended the connection");
  }

  /** An end that came by RST says nothing about a body being whole. */
  closed(isBroken: boolean): void {
    if (!isBroken && !this.#peerEnded && this.#phase === Phase.Tunnel) this.peerEnded();
    if (this.#exchange !== null) this.#broken("upstream closed the connection");
    else this.#drop(true);
  }

  #broken(problem: string): void {
    this.#fail(this.#answered ? UpstreamFailure.Truncated : UpstreamFailure.Closed, problem);
  }

  /** Closes a connection that carries nothing, e.g. one the pool wants no more. */
  close(): void {
    this.#drop(true);
  }

  /** Ends the connection, once. Clean: FIN; else RST, so that the upstream sees a request broken off. */
  #drop(clean: boolean): void {
    if (this.#dropped) return;
    this.#dropped = true;
    this.#phase = Phase.Dead;
    this.#out.discard();
    if (clean) this.#wire.end();
    else this.#wire.terminate();
    this.#keeper.lost(this);
  }
}
