import type { Trailers } from "../body.ts";
import { type ClientStream, type Exchange, type ResponseHandler, UpstreamFailure } from "../exchange.ts";
import { CHUNKED, Method } from "../head.ts";
import type { Edits, Lines } from "../serialize.ts";
import type { ClientMux } from "./client.ts";
import { ErrorCode } from "./frame.ts";
import type { Spares } from "./spares.ts";
import { Stream } from "./stream.ts";

/** The upstream side of an attempt that goes by HTTP/2. */
export class Http2ClientStream extends Stream implements ClientStream {
  #client: ClientMux;
  #handler: ResponseHandler;
  #exchange: Exchange | null = null;
  answered = false;
  /** The head of the response, not only of a 1xx, has come. */
  responded = false;
  #tunnelled = false;
  /** It asked for another protocol, in a way that the peer knows. */
  upgrades = false;

  constructor(id: number, client: ClientMux, handler: ResponseHandler) {
    super(id, client);
    this.#client = client;
    this.#handler = handler;
  }

  /** A stream for a request: one that served before, where there is one. */
  static open(id: number, client: ClientMux, handler: ResponseHandler, spares: Spares<Http2ClientStream>) {
    const stream = spares.take();
    if (stream === undefined) return new Http2ClientStream(id, client, handler);
    stream.renew(id, client);
    stream.#client = client;
    stream.#handler = handler;
    stream.answered = stream.responded = stream.#tunnelled = stream.upgrades = false;
    return stream;
  }

  protected get isTaken(): boolean {
    return this.#exchange !== null;
  }
  protected spare(): void {
    this.#client.spare(this);
  }

  get exchange(): Exchange | null {
    return this.#exchange;
  }

  // ---- the request ----

  send(exchange: Exchange, authority: Buffer, route: Edits | null, policy: Edits | null, added: Lines): void {
    const { request } = exchange;
    this.#exchange = exchange;
    exchange.upstream = this;
    // Extended CONNECT has no place for another method: the request goes on without its upgrade.
    this.upgrades = request.upgrade && request.method === Method.Get && this.#client.takesUpgrades;
    const ends = request.contentLength === 0 && !this.upgrades;
    this.#client.sendRequest(this, exchange, this.upgrades, ends, authority, route, policy, added);
    if (ends) this.localEnded = true;
    this.readBody();
  }

  /** CONNECT goes to where no HTTP/2 is known to be: never here. */
  adopt(): void {
    throw new Error("Cannot make a tunnel of an HTTP/2 stream");
  }

  finish(trailers: Trailers | null): void {
    this.end(trailers);
    if (this.localEnded) this.localFinished();
  }

  tunnel(): void {
    this.#tunnelled = true;
  }

  handTo(exchange: Exchange): void {
    if (this.#exchange !== null) this.#exchange.upstream = null;
    this.#exchange = exchange;
    exchange.upstream = this;
  }

  abort(): void {
    this.#detach();
    if (this.closed) return;
    this.forget();
    this.#client.giveUp(this, ErrorCode.Cancel);
  }

  leave(): void {
    this.#detach();
    this.mux.settle(this);
  }

  /** Not used after all. */
  close(): void {
    this.abort();
  }

  protected localFinished(): void {
    this.mux.settle(this);
  }

  protected drained(): void {
    if (this.#exchange !== null) this.#handler.drained(this.#exchange);
  }

  // ---- the response ----

  /** A head has been decoded; `problem` says why it is none. */
  headTaken(ends: boolean, problem: string): void {
    const exchange = this.#exchange!;
    const { response } = exchange;
    this.answered = true;
    if (problem !== "") {
      this.broken(ErrorCode.ProtocolError, problem);
      return;
    }
    if (response.status < 200 && response.status !== 101) {
      // No window holds heads back: those that only inform are left out while nobody reads.
      if (!this.isPaused) this.#handler.informed(exchange);
      return;
    }
    this.responded = true;
    this.#tunnelled = response.status === 101;
    this.expected = this.#tunnelled ? CHUNKED : response.contentLength;
    this.#handler.response(exchange);
    if (ends && !this.closed && this.receiveEnd(null)) this.mux.settle(this);
  }

  protected piece(bytes: Buffer, start: number, end: number): void {
    if (this.#exchange !== null) this.#handler.responseBody(this.#exchange, bytes, start, end);
  }

  protected remoteFinished(trailers: Trailers | null): void {
    const exchange = this.#exchange;
    if (exchange === null) return;
    if (this.#tunnelled) {
      this.#handler.responseEnd(exchange, null);
      return;
    }
    this.#detach();
    if (!this.localEnded && !this.closed) {
      // What is left of the request is wanted no more.
      this.forget();
      this.#client.giveUp(this, ErrorCode.NoError);
    }
    this.#handler.responseEnd(exchange, trailers);
  }

  // ---- the end ----

  #detach(): void {
    const exchange = this.#exchange;
    if (exchange !== null && exchange.upstream === this) exchange.upstream = null;
    this.#exchange = null;
    this.release();
  }

  lost(code: ErrorCode, problem: string): void {
    if (this.closed) return;
    this.forget();
    const untouched = code === ErrorCode.RefusedStream && !this.answered;
    this.#fail(
      untouched ? UpstreamFailure.Refused : this.answered ? UpstreamFailure.Truncated : UpstreamFailure.Closed,
      problem,
    );
  }

  broken(code: ErrorCode, problem: string): void {
    if (this.closed) return;
    this.forget();
    this.#client.giveUp(this, code);
    this.#fail(UpstreamFailure.Malformed, problem);
  }

  #fail(failure: UpstreamFailure, problem: string): void {
    const exchange = this.#exchange;
    this.#detach();
    if (exchange !== null) this.#handler.failed(exchange, failure, problem);
  }
}
