import type { RetryBudget } from "../cluster/mod.ts";
import { CHUNKED, Field, Method } from "../http/mod.ts";
import type { MeshExchange } from "./exchange.ts";

/** Attempts at one request, the first included. */
export const MAX_ATTEMPTS = 3;
/** A body up to this size is kept until the response begins, where the method allows another attempt. */
export const REPLAY_BYTES = 64 * 1024;

/** RFC 9110, section 9.2.2: sending it twice means the same as once. */
export function isIdempotent(exchange: MeshExchange): boolean {
  switch (exchange.request.method) {
    case Method.Get:
    case Method.Head:
    case Method.Put:
    case Method.Delete:
    case Method.Options:
    case Method.Trace:
      return true;
    default:
      // The author of the request vouches for it (draft-ietf-httpapi-idempotency-key-header).
      return exchange.request.find(Field.IdempotencyKey) >= 0;
  }
}

/** Why another attempt may not be made; null where it may. The budget is charged only then. */
export function retryRefusal(exchange: MeshExchange, sent: boolean, budget: RetryBudget, now: number): string | null {
  if (exchange.downstream === null || exchange.downstream.responseStarted) return "the response has begun";
  if (exchange.attempts >= MAX_ATTEMPTS) return `${exchange.attempts} attempts have failed`;
  if (sent && !isIdempotent(exchange)) return "the request was sent and may not be repeated";
  if (sent && isBodyLost(exchange)) return "its body is no longer at hand";
  return budget.withdraw(now) ? null : "the retry budget is used up";
}

/** Some of the body, or its trailers, has gone by and was not kept. */
export function isBodyLost({ replay, requestBytes, bodySent, request }: MeshExchange): boolean {
  return replay === null && (requestBytes > 0 || (bodySent && request.contentLength !== 0));
}

/** Begins to keep the body of a request that could be sent again. */
export function prepareReplay(exchange: MeshExchange): void {
  const length = exchange.request.contentLength;
  const small = length === CHUNKED || length <= REPLAY_BYTES;
  // A gRPC call that its server has refused to begin with may go to another.
  exchange.replay = length !== 0 && small && (exchange.isGrpc || isIdempotent(exchange)) ? [] : null;
}

/** Keeps a piece; forgets all of them when there is too much. */
export function keepPiece(exchange: MeshExchange, bytes: Buffer, start: number, end: number): void {
  if (exchange.replay === null) return;
  exchange.replayBytes += end - start;
  if (exchange.replayBytes > REPLAY_BYTES) exchange.replay = null;
  else exchange.replay.push(Buffer.from(bytes.subarray(start, end)));
}
