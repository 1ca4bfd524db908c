import type { RequestHandler, ServerStream, Trailers } from "../http/mod.ts";
import type { MeshExchange } from "./exchange.ts";
import type { Serving } from "./flow.ts";
import type { Way } from "./way.ts";

/** The downstream events of one listener: the exchange learns its way, the rest is the same for all. */
export class Downstream implements RequestHandler {
  readonly #serving: Serving;
  readonly #way: Way;

  constructor(serving: Serving, way: Way) {
    this.#serving = serving;
    this.#way = way;
  }

  begin(stream: ServerStream): MeshExchange {
    return this.#serving.begin(stream, this.#way);
  }
  request(exchange: MeshExchange): void {
    this.#serving.request(exchange);
  }
  requestBody(exchange: MeshExchange, bytes: Buffer, start: number, end: number): void {
    this.#serving.requestBody(exchange, bytes, start, end);
  }
  requestEnd(exchange: MeshExchange, trailers: Trailers | null): void {
    this.#serving.requestEnd(exchange, trailers);
  }
  malformed(exchange: MeshExchange, status: number, problem: string): void {
    this.#serving.malformed(exchange, status, problem);
  }
  gone(exchange: MeshExchange, problem: string): void {
    this.#serving.gone(exchange, problem);
  }
  drained(exchange: MeshExchange): void {
    this.#serving.downstreamDrained(exchange);
  }
  ended(exchange: MeshExchange): void {
    this.#serving.ended(exchange);
  }
}
