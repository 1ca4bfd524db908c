import type { ConnectionFacts, WireOwner } from "../listener/mod.ts";
import type { Trailers } from "./body.ts";
import { RequestHead, ResponseHead } from "./head.ts";
import type { Edits, Lines } from "./serialize.ts";

/**
 * One request with its response. The wire fills in the heads and the two
 * streams; rooms above extend it with what they learn. Exchanges are reused:
 * nothing of one outlives its record.
 */
export abstract class Exchange {
  readonly request = new RequestHead();
  readonly response = new ResponseHead();
  /** Where the request came from; set for as long as the exchange lives. */
  downstream: ServerStream | null = null;
  /** Where it was sent to; null before an attempt and after its end. */
  upstream: ClientStream | null = null;
  /** What goes on in the place of the target that came; null: as it came. */
  target: Target | null = null;
}

/** Another target for a request; what is empty goes on as it came. */
export interface Target {
  readonly authority: Buffer;
  /** With its query. */
  readonly path: Buffer;
}

/** The downstream side of an exchange, whatever version it speaks. */
export interface ServerStream {
  /** What is known of the connection: addresses, peer identity, listener. */
  readonly connection: ConnectionFacts;
  /** The response has begun: it can no longer be replaced by an error. */
  readonly responseStarted: boolean;
  /** All of the request has been read. */
  readonly requestComplete: boolean;
  /** Bytes wait for the peer: feed no more until `drained`. */
  readonly blocked: boolean;
  /** Body bytes sent so far. */
  readonly bytesSent: number;
  /** Lets the request body flow to the handler; until the first call it is held back. */
  readBody(): void;
  pauseBody(): void;
  /** Sends a 1xx head other than 101 on. */
  inform(exchange: Exchange): void;
  /** Begins the response with `exchange.response`. */
  respond(exchange: Exchange, route: Edits | null, policy: Edits | null): void;
  data(bytes: Buffer, start: number, end: number): void;
  finish(trailers: Trailers | null): void;
  /** Answers by itself, whole. `fields` are lines with CRLF, without framing fields. */
  answer(exchange: Exchange, status: number, fields: Buffer, body: Buffer): void;
  /** Both directions become bytes without meaning (101, CONNECT); call behind `respond`. */
  tunnel(): void;
  /**
   * Ends the exchange without an answer and gives the connection it came on to
   * another owner, with what has been read behind the request. Absent: it came
   * on a connection that others share.
   */
  handOver?(owner: WireOwner): void;
  /** The response cannot be completed: ends it so that it looks truncated. */
  abort(): void;
}

/** The upstream side of an attempt. */
export interface ClientStream {
  readonly blocked: boolean;
  /** Bytes of a response have come: the request may have been acted upon. */
  readonly answered: boolean;
  /** Writes the request head. */
  send(exchange: Exchange, authority: Buffer, route: Edits | null, policy: Edits | null, added: Lines): void;
  data(bytes: Buffer, start: number, end: number): void;
  finish(trailers: Trailers | null): void;
  readBody(): void;
  pauseBody(): void;
  tunnel(): void;
  /** Becomes the passage of an exchange that sends no request (CONNECT to outside the mesh). */
  adopt(exchange: Exchange): void;
  /** From here on its events are for another exchange that has the same request; called behind the response's head. */
  handTo(exchange: Exchange): void;
  /** Gives the attempt up; an HTTP/1 connection is not used again. No event follows. */
  abort(): void;
  /** Gives back what was not used. */
  close(): void;
  /** Lets go of a tunnel that both sides have ended: what waits still goes out. No event follows. */
  leave(): void;
}

/** Who serves the requests of server connections. Every call may answer before it returns. */
export interface RequestHandler {
  /** A free exchange for the next request. */
  begin(stream: ServerStream): Exchange;
  /** The head is whole. */
  request(exchange: Exchange): void;
  requestBody(exchange: Exchange, bytes: Buffer, start: number, end: number): void;
  requestEnd(exchange: Exchange, trailers: Trailers | null): void;
  /** The head or body was refused by the codec: answer with `status` and end. */
  malformed(exchange: Exchange, status: number, problem: string): void;
  /** The peer has left, or its side of the connection broke. */
  gone(exchange: Exchange, problem: string): void;
  /** `blocked` is over. */
  drained(exchange: Exchange): void;
  /** The last byte has been handed to the kernel, or never will be: the exchange is free after this. */
  ended(exchange: Exchange): void;
}

/** Who receives the responses of client connections. */
export interface ResponseHandler {
  informed(exchange: Exchange): void;
  response(exchange: Exchange): void;
  responseBody(exchange: Exchange, bytes: Buffer, start: number, end: number): void;
  responseEnd(exchange: Exchange, trailers: Trailers | null): void;
  drained(exchange: Exchange): void;
  /** The attempt broke; `exchange.upstream` is already null. */
  failed(exchange: Exchange, failure: UpstreamFailure, problem: string): void;
}

/** How an attempt can break once it has a connection. */
export const UpstreamFailure = {
  /** Closed before a byte of the response: the classic race of a reused connection. */
  Closed: 0,
  /** Closed in the middle of the response. */
  Truncated: 1,
  /** Bytes that are not a response. */
  Malformed: 2,
  /** The upstream says that it has not begun with the request: it may be sent again, whatever it is. */
  Refused: 3,
} as const;
export type UpstreamFailure = (typeof UpstreamFailure)[keyof typeof UpstreamFailure];
