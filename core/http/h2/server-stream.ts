import { latin1 } from "../../base/mod.ts";
import type { ConnectionFacts } from "../../listener/mod.ts";
import type { Trailers } from "../body.ts";
import type { Exchange, RequestHandler, ServerStream } from "../exchange.ts";
import { Method } from "../head.ts";
import { BothEdits, type Edits } from "../serialize.ts";
import { ErrorCode } from "./frame.ts";
import type { ServerMux } from "./server.ts";
import type { Spares } from "./spares.ts";
import { Stream } from "./stream.ts";

/** A 2xx to extended CONNECT means yes (RFC 8441, section 5): where HTTP/1 says no by one, a proxy of ours is told. */
const DECLINED: Edits = { drops: () => false, lines: latin1("x-mesh-declined: 1\r\n") };

function declined(policy: Edits | null): Edits {
  return policy === null ? DECLINED : new BothEdits(policy, DECLINED);
}

/** The downstream side of an exchange that came by HTTP/2. */
export class Http2ServerStream extends Stream implements ServerStream {
  #server: ServerMux;
  #handler: RequestHandler;
  #exchange: Exchange | null;
  responseStarted = false;
  /** CONNECT, or what HTTP/1 calls an upgrade: what follows the head is no body, and waits for the response. */
  #opens = false;
  #tunnelled = false;
  /** The request was refused: RST_STREAM with this code stands for the answer. */
  #refusal: ErrorCode | null = null;

  constructor(id: number, server: ServerMux, handler: RequestHandler) {
    super(id, server);
    this.#server = server;
    this.#handler = handler;
    this.#exchange = handler.begin(this);
  }

  /** A stream that the client has opened: one that served before, where there is one. */
  static open(id: number, server: ServerMux, handler: RequestHandler, spares: Spares<Http2ServerStream>) {
    const stream = spares.take();
    if (stream === undefined) return new Http2ServerStream(id, server, handler);
    stream.renew(id, server);
    stream.#server = server;
    stream.#handler = handler;
    stream.responseStarted = stream.#opens = stream.#tunnelled = false;
    stream.#refusal = null;
    stream.#exchange = handler.begin(stream);
    return stream;
  }

  protected get isTaken(): boolean {
    return this.#exchange !== null;
  }
  protected spare(): void {
    this.#server.spare(this);
  }

  get connection(): ConnectionFacts {
    return this.#server.connection;
  }
  get exchange(): Exchange | null {
    return this.#exchange;
  }
  get requestComplete(): boolean {
    return this.remoteEnded || this.#opens || this.expected === 0;
  }

  // ---- the request ----

  /** The head is whole. */
  begin(ends: boolean): void {
    const exchange = this.#exchange!;
    const { request } = exchange;
    this.#opens = request.upgrade || request.method === Method.Connect;
    if (!ends && !this.#opens) this.expected = request.contentLength;
    this.#handler.request(exchange);
    if (ends && this.#opens && this.#exchange === exchange) this.receiveEnd(null);
  }

  /** The request is refused: `status` says it to the client, or `code` resets the stream. */
  refuse(status: number, code: ErrorCode | null, problem: string): void {
    const exchange = this.#exchange!;
    this.#refusal = code;
    this.#handler.malformed(exchange, status, problem);
    if (code !== null) this.mux.blame();
  }

  protected piece(bytes: Buffer, start: number, end: number): void {
    if (this.#exchange !== null) this.#handler.requestBody(this.#exchange, bytes, start, end);
  }

  protected remoteFinished(trailers: Trailers | null): void {
    if (this.#exchange === null) return;
    this.#handler.requestEnd(this.#exchange, trailers);
    if (this.#tunnelled && this.localEnded) this.#endTunnel();
  }

  // ---- the response ----

  inform(exchange: Exchange): void {
    if (this.closed || this.responseStarted) return;
    this.#server.sendResponse(this, exchange, exchange.response.status, false, null, null);
  }

  respond(exchange: Exchange, route: Edits | null, policy: Edits | null): void {
    if (this.closed) return;
    const { response } = exchange;
    this.responseStarted = true;
    const switches = response.status === 101;
    const tunnels = switches || (exchange.request.method === Method.Connect && response.status < 300);
    const ends = response.contentLength === 0 && !tunnels;
    const declines = exchange.request.upgrade && !switches && response.status < 300;
    this.#server.sendResponse(
      this,
      exchange,
      switches ? 200 : response.status,
      ends,
      route,
      declines ? declined(policy) : policy,
    );
    if (ends) this.localEnded = true;
  }

  finish(trailers: Trailers | null): void {
    if (this.closed) return;
    this.end(trailers);
    if (this.localEnded) this.localFinished();
  }

  answer(exchange: Exchange, status: number, fields: Buffer, body: Buffer): void {
    if (this.closed) return;
    if (this.#refusal !== null) {
      this.#reset(this.#refusal);
      return;
    }
    this.responseStarted = true;
    const bare = body.length === 0 || exchange.request.method === Method.Head;
    this.#server.sendAnswer(this, status, fields, body.length, bare);
    if (bare) this.localEnded = true;
    else {
      this.data(body, 0, body.length);
      this.end(null);
    }
    if (this.localEnded) this.localFinished();
  }

  tunnel(): void {
    this.#tunnelled = true;
    this.readBody();
  }

  abort(): void {
    if (!this.closed) this.#reset(this.#refusal ?? ErrorCode.InternalError);
  }

  /** The response is written to its end. */
  protected localFinished(): void {
    if (!this.#tunnelled) this.#leave();
    else if (this.remoteEnded) this.#endTunnel();
  }

  protected drained(): void {
    if (this.#exchange !== null) this.#handler.drained(this.#exchange);
  }

  // ---- the end ----

  /** Both directions are done, or what is left of the request is wanted no more (RFC 9113, section 8.1). */
  #leave(): void {
    if (this.closed) return;
    this.#server.served();
    if (this.remoteEnded) this.mux.settle(this);
    else this.mux.resetStream(this.id, ErrorCode.NoError);
    this.#over();
  }

  /** Both sides have said all: the exchange lets go of the upstream before it is over. */
  #endTunnel(): void {
    if (this.closed) return;
    this.mux.settle(this);
    this.closed = true;
    if (this.#exchange !== null) this.#handler.gone(this.#exchange, "the tunnel ended");
    this.#over();
  }

  #reset(code: ErrorCode): void {
    this.mux.resetStream(this.id, code);
    this.#over();
  }

  #over(): void {
    this.forget();
    const exchange = this.#exchange;
    this.#exchange = null;
    if (exchange !== null) this.#handler.ended(exchange);
    this.#server.exchangeEnded();
    this.release();
  }

  lost(_code: ErrorCode, problem: string): void {
    if (this.closed) return;
    this.closed = true;
    if (this.#exchange !== null) this.#handler.gone(this.#exchange, problem);
    this.#over();
  }

  broken(code: ErrorCode, problem: string): void {
    if (this.closed) return;
    this.refuse(400, code, problem);
    // Nobody answered, e.g. because an answer was on its way already.
    if (!this.closed) this.#reset(code);
  }
}
