import { latin1 } from "../base/mod.ts";
import { Field, type Lines, type RequestHead } from "../http/mod.ts";
import type { ConnectionFacts } from "../listener/mod.ts";
import type { MeshExchange } from "./exchange.ts";
import { dropGrpcTimeout, grpcTimeoutLine } from "./grpc.ts";
import type { RequestIds } from "./request-id.ts";
import { timeLeftMs } from "./timing.ts";
import { plainAddress } from "./trusted-proxies.ts";

const REQUEST_ID = latin1("x-request-id: ");
const ID_BYTES = 36;
/** Two SPIFFE IDs of 2048 bytes, and the id of the request; a stranger's fields may take more. */
const USUAL_BYTES = 8192;
const FORWARDED_FOR = latin1("x-forwarded-for: ");
const LIST_SEPARATOR = latin1(", ");
const FORWARDED_HTTP = latin1("x-forwarded-proto: http\r\n");
const FORWARDED_HTTPS = latin1("x-forwarded-proto: https\r\n");
const FORWARDED_HOST = latin1("x-forwarded-host: ");
const LINE_END = latin1("\r\n");
/** Names that an app may read as one of ours: "_" is "-" to some. */
const LOOK_ALIKES = ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"].map(latin1);
/** Peers remembered with their line, per worker; beyond it the line is made anew. */
const MAX_PEERS = 1_000;

/** The lines this hop adds to a request: an id where it has none, and who the peer is. One per worker, reused. */
export class AddedLines implements Lines {
  bytes: Buffer = Buffer.alloc(USUAL_BYTES);
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
    else if (connection.direction === "gateway") {
      const isBelieved = exchange.way!.proxies?.holds(connection.remoteHost) === true;
      this.#forwarded(exchange.request, connection, isBelieved);
    }
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

  /**
   * What an edge proxy says of its client: the address the connection came from,
   * behind those that the client told; scheme and host as they were asked for,
   * whatever the client told, unless it is a proxy that is believed.
   */
  #forwarded(head: RequestHead, { remoteHost, secure }: ConnectionFacts, isBelieved: boolean): void {
    const { bytes, authorityStart, authorityEnd } = head;
    this.#append(FORWARDED_FOR);
    for (let i = 0; i < head.count; i++) {
      if (head.ids[i] === Field.XForwardedFor) {
        this.#copy(bytes, head.valueStart(i), head.valueEnd(i));
        this.#append(LIST_SEPARATOR);
        head.hop[i] = 1;
      } else if (isForwarded(head, i) && !(isBelieved && head.ids[i] !== Field.Unknown)) head.hop[i] = 1;
    }
    this.#append(latin1(plainAddress(remoteHost)));
    this.#append(LINE_END);
    if (!isBelieved || head.find(Field.XForwardedProto) < 0) this.#append(secure ? FORWARDED_HTTPS : FORWARDED_HTTP);
    if (authorityEnd === authorityStart || (isBelieved && head.find(Field.XForwardedHost) >= 0)) return;
    this.#append(FORWARDED_HOST);
    this.#copy(bytes, authorityStart, authorityEnd);
    this.#append(LINE_END);
  }

  #append(line: Buffer): void {
    this.#copy(line, 0, line.length);
  }

  #copy(from: Buffer, start: number, end: number): void {
    const length = this.length + end - start;
    if (length > this.bytes.length) this.#grow(length);
    from.copy(this.bytes, this.length, start, end);
    this.length = length;
  }

  /** A head has a limit, and so has what is said again of it. */
  #grow(length: number): void {
    const larger = Buffer.alloc(length * 2);
    this.bytes.copy(larger, 0, 0, this.length);
    this.bytes = larger;
  }
}

/** What strangers say of scheme and host, and names that only look like ours. */
function isForwarded(head: RequestHead, i: number): boolean {
  const id = head.ids[i];
  if (id === Field.XForwardedProto || id === Field.XForwardedHost) return true;
  if (id !== Field.Unknown) return false;
  for (let k = 0; k < LOOK_ALIKES.length; k++) if (head.isNamed(i, LOOK_ALIKES[k]!)) return true;
  return false;
}
