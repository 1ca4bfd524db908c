import { latin1 } from "../base/mod.ts";
import { Field, type Lines } from "../http/mod.ts";
import type { MeshExchange } from "./exchange.ts";
import { dropGrpcTimeout, grpcTimeoutLine } from "./grpc.ts";
import type { RequestIds } from "./request-id.ts";
import { timeLeftMs } from "./timing.ts";

const REQUEST_ID = latin1("x-request-id: ");
const ID_BYTES = 36;
/** Two SPIFFE IDs of 2048 bytes, and the id of the request. */
const MAX_BYTES = 8192;
/** Peers remembered with their line, per worker; beyond it the line is made anew. */
const MAX_PEERS = 1_000;

/** The lines this hop adds to a request: an id where it has none, and who the peer is. One per worker, reused. */
export class AddedLines implements Lines {
  readonly bytes = Buffer.alloc(MAX_BYTES);
  length = 0;
  readonly #ids: RequestIds;
  readonly #peers = new Map<string, Buffer>();
  /** Who we were when the lines of the peers were made. */
  #self: string | null = null;

  constructor(ids: RequestIds) {
    this.#ids = ids;
  }

  /** @param self SPIFFE ID of this proxy; null before its first certificate. */
  of(exchange: MeshExchange, self: string | null, now: number): Lines {
    this.length = 0;
    if (exchange.isGrpc) this.#timeout(exchange, now);
    if (exchange.requestIdMade || exchange.request.find(Field.XRequestId) < 0) this.#requestId(exchange);
    const { connection } = exchange.downstream!;
    if (connection.direction === "inbound" && connection.peer !== null)
      this.#append(this.#peerLine(connection.peer, self));
    return this;
  }

  /** A hop that knows how long is left tells the next one, so that all give up together. */
  #timeout(exchange: MeshExchange, now: number): void {
    const left = timeLeftMs(exchange, now);
    if (left === Number.POSITIVE_INFINITY) return;
    dropGrpcTimeout(exchange.request);
    this.#append(latin1(grpcTimeoutLine(left)));
  }

  /** The same for all attempts at one request. */
  #requestId(exchange: MeshExchange): void {
    if (!exchange.requestIdMade) {
      this.#ids.write(exchange.requestId, 0);
      exchange.requestIdMade = true;
    }
    this.#append(REQUEST_ID);
    exchange.requestId.copy(this.bytes, this.length, 0, ID_BYTES);
    this.length += ID_BYTES;
    this.bytes[this.length++] = 13;
    this.bytes[this.length++] = 10;
  }

  /** x-forwarded-client-cert in Envoy's form; SPIFFE IDs hold none of its separators. */
  #peerLine(peer: string, self: string | null): Buffer {
    if (self !== this.#self) {
      this.#self = self;
      this.#peers.clear();
    }
    let line = this.#peers.get(peer);
    if (line === undefined) {
      line = latin1(`x-forwarded-client-cert: ${self === null ? "" : `By=${self};`}URI=${peer}\r\n`);
      if (this.#peers.size < MAX_PEERS) this.#peers.set(peer, line);
    }
    return line;
  }

  #append(line: Buffer): void {
    line.copy(this.bytes, this.length);
    this.length += line.length;
  }
}
