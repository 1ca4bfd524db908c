import type { RetryBudget } from "../cluster/mod.ts";
import { CHUNKED, Field, type Fields, Method, type ResponseHead } from "../http/mod.ts";
import type { RetryCondition, RetryPolicy } from "../route/mod.ts";
import type { MeshExchange } from "./exchange.ts";
import { pushbackMs } from "./grpc.ts";
import type { Mesh } from "./mesh.ts";
import { timeLeftMs } from "./timing.ts";

/** Attempts at one request, the first included, where its rule says nothing. */
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

/** What went wrong with an attempt, as far as another is concerned. */
export type RetryCause = RetryCondition | "status" | "grpc-status";

export interface RetryAsked {
  readonly cause: RetryCause;
  /** The request may have been acted upon. */
  readonly sent: boolean;
  /** Until the next attempt, ms. */
  readonly pauseMs: number;
}

/**
 * Milliseconds until another attempt; -1 where none may be made, and the
 * reason is noted. `answer` are the fields that tell how an upstream answered.
 */
export function askAgain(
  exchange: MeshExchange,
  cause: RetryCause,
  sent: boolean,
  mesh: Mesh,
  answer: Fields | null = null,
): number {
  if (exchange.isCopy) return -1;
  const { name, state } = exchange.cluster!;
  const pauseMs = pauseBefore(exchange, answer, mesh);
  const refusal = retryRefusal(exchange, { cause, sent, pauseMs }, state.budget, mesh.deadlines.now);
  mesh.metrics.retries.with(name, refusal === null ? "made" : "refused", cause).add();
  if (refusal === null) return pauseMs;
  exchange.detail = `not tried again: ${refusal}`;
  return -1;
}

/** Why another attempt may not be made; null where it may. The budget is charged only then. */
export function retryRefusal(
  exchange: MeshExchange,
  { cause, sent, pauseMs }: RetryAsked,
  budget: RetryBudget,
  now: number,
): string | null {
  if (exchange.downstream === null || exchange.downstream.responseStarted) return "the response has begun";
  const policy = policyOf(exchange);
  if (exchange.attempts >= (policy?.maxAttempts ?? MAX_ATTEMPTS)) {
    exchange.exhausted = policy !== null && exchange.attempts > 1;
    return `${exchange.attempts} attempts have failed`;
  }
  if (policy !== null && isCondition(cause) && !policy.takes(cause)) return `"${cause}" is no reason for its rule`;
  if (sent && !mayRepeat(exchange, cause)) return "the request was sent and may not be repeated";
  if (sent && isBodyLost(exchange)) return "its body is no longer at hand";
  if (pauseMs === Number.POSITIVE_INFINITY) return "the upstream asks for a long pause, or for no other attempt";
  if (pauseMs >= timeLeftMs(exchange, now)) return "the pause would outlast the request's deadline";
  if (budget.withdraw(now)) return null;
  exchange.exhausted = policy !== null;
  return "the retry budget is used up";
}

export function policyOf({ entry }: MeshExchange): RetryPolicy | null {
  return entry === null ? null : entry.rule.retry;
}

function isCondition(cause: RetryCause): cause is RetryCondition {
  return cause !== "status" && cause !== "grpc-status";
}

/** Every gRPC call is a POST: who names a status to retry knows what it says of the call. */
function mayRepeat(exchange: MeshExchange, cause: RetryCause): boolean {
  return cause === "grpc-status" || policyOf(exchange)?.anyMethod === true || isIdempotent(exchange);
}

/**
 * How long to wait before the next attempt, ms: none for a rule without
 * retries of its own, whose attempts only replace what was never acted upon;
 * else a growing random time, and no less than the upstream asks for.
 */
function pauseBefore(exchange: MeshExchange, answer: Fields | null, { random, clock }: Mesh): number {
  const policy = policyOf(exchange);
  if (policy === null) return 0;
  const pause = policy.pauseMs(exchange.attempts, random);
  if (answer === null) return pause;
  const pushback = exchange.isGrpc ? pushbackMs(answer) : 0;
  if (pushback < 0) return Number.POSITIVE_INFINITY;
  return Math.max(pause, pushback, retryAfterMs(exchange.response, clock.now()));
}

/** Longest pause that an upstream may ask for where no deadline holds: the client can wait as well. */
const MAX_RETRY_AFTER_MS = 60_000;

/** RFC 9110, section 10.2.3: seconds, or a date; 0 without one. */
export function retryAfterMs(response: ResponseHead, now: number): number {
  const i = response.find(Field.RetryAfter);
  if (i < 0) return 0;
  const value = response.valueText(i);
  const ms = /^[0-9]+$/.test(value) ? Number(value) * 1_000 : Date.parse(value) - now;
  if (Number.isNaN(ms) || ms <= 0) return 0;
  return ms > MAX_RETRY_AFTER_MS ? Number.POSITIVE_INFINITY : ms;
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
  const repeats = exchange.isGrpc || policyOf(exchange)?.anyMethod === true || isIdempotent(exchange);
  exchange.replay = length !== 0 && small && repeats ? [] : null;
}

/** Keeps a piece; forgets all of them when there is too much. */
export function keepPiece(exchange: MeshExchange, bytes: Buffer, start: number, end: number): void {
  if (exchange.replay === null) return;
  exchange.replayBytes += end - start;
  if (exchange.replayBytes > REPLAY_BYTES) exchange.replay = null;
  else exchange.replay.push(Buffer.from(bytes.subarray(start, end)));
}
