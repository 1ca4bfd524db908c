import type { Deadlines } from "../base/mod.ts";
import { type MeshExchange, Stage } from "./exchange.ts";
import { AttemptTimeout, RequestTimeout, StreamIdle } from "./failure.ts";
import { hedgeDeadline } from "./hedge.ts";

/** The waits of an exchange that no rule names; milliseconds. */
export interface Waits {
  /** From the request's last stage to the response's head, where no rule gives a request timeout. */
  readonly responseHeadMs: number;
  /** Between two bytes of a body, either way. */
  readonly idleMs: number;
  /** Between two bytes of a tunnel (WebSocket, CONNECT). */
  readonly tunnelIdleMs: number;
}

export const DEFAULT_WAITS: Waits = { responseHeadMs: 60_000, idleMs: 300_000, tunnelIdleMs: 3_600_000 };

const NEVER = Number.POSITIVE_INFINITY;
/** Nobody waits for what a copy is answered: an answer that never ends is given up. */
const COPY_MS = 300_000;

/** Sets the one timer of an exchange to its next deadline. Called when the exchange enters a stage, not per byte. */
export function armTimer(exchange: MeshExchange, deadlines: Deadlines, waits: Waits, now: number): void {
  deadlines.set(exchange.timer, Math.max(0, nextDeadline(exchange, waits) - now), now);
}

function nextDeadline(exchange: MeshExchange, waits: Waits): number {
  if (exchange.stage === Stage.Pausing) return Math.min(requestDeadline(exchange), exchange.resumeAt);
  if (exchange.isCopy) return Math.min(fixedDeadline(exchange, waits), copyDeadline(exchange));
  const fixed = fixedDeadline(exchange, waits);
  return exchange.entry === null || exchange.entry.rule.hedge === null
    ? fixed
    : Math.min(fixed, hedgeDeadline(exchange));
}

function fixedDeadline(exchange: MeshExchange, waits: Waits): number {
  return Math.min(requestDeadline(exchange), attemptDeadline(exchange), quietDeadline(exchange, waits));
}

function copyDeadline({ isCopy, stage, attemptAt }: MeshExchange): number {
  return isCopy && stage >= Stage.Connecting ? attemptAt + COPY_MS : NEVER;
}

/** The rule's request timeout holds from head to last byte; a tunnel has outlived it. */
function requestDeadline(exchange: MeshExchange): number {
  const ms = requestTimeoutMs(exchange);
  return ms === 0 || exchange.tunnelled ? NEVER : exchange.startedAt + ms;
}

/** The rule's, or what the caller of a gRPC call grants, whichever is shorter; 0 for neither. */
function requestTimeoutMs({ entry, callTimeoutMs }: MeshExchange): number {
  const ms = entry?.rule.requestTimeoutMs ?? 0;
  if (callTimeoutMs === 0) return ms;
  return ms === 0 ? callTimeoutMs : Math.min(ms, callTimeoutMs);
}

/** What is left of the request's time at `now`, ms; infinite where nothing limits it. */
export function timeLeftMs(exchange: MeshExchange, now: number): number {
  return requestDeadline(exchange) - now;
}

function attemptDeadline(exchange: MeshExchange): number {
  const ms = exchange.entry?.rule.backendTimeoutMs ?? 0;
  if (exchange.stage === Stage.Pausing) return NEVER;
  return ms === 0 || exchange.tunnelled || exchange.attempts === 0 ? NEVER : exchange.attemptAt + ms;
}

function quietDeadline(exchange: MeshExchange, waits: Waits): number {
  if (exchange.tunnelled) return exchange.movedAt + waits.tunnelIdleMs;
  if (exchange.stage === Stage.Pausing) return NEVER;
  return exchange.movedAt + (awaitsHead(exchange) ? responseHeadMs(exchange, waits) : waits.idleMs);
}

/** The policy of the cluster may know better. */
function responseHeadMs({ cluster }: MeshExchange, waits: Waits): number {
  return cluster?.state.timeouts.responseMs ?? waits.responseHeadMs;
}

/** On the inbound side the caller's timeouts count: two clocks on one wait would only race. */
function awaitsHead(exchange: MeshExchange): boolean {
  // A gRPC call says itself how long it waits: its head may come with the first message.
  if (exchange.isGrpc) return false;
  return exchange.stage < Stage.Responding && exchange.bodySent && exchange.way?.direction !== "inbound";
}

/** What ran out at `now`: a failure to rescue, or null where bytes moved meanwhile and the timer is to be set again. */
export function expiredWait(exchange: MeshExchange, waits: Waits, now: number): RequestTimeout | StreamIdle | null {
  const { entry, stage } = exchange;
  if (now >= requestDeadline(exchange)) {
    return new RequestTimeout(
      `Cannot finish the request within ${requestTimeoutMs(exchange)} ms: ${STAGE_WORDS[stage]}`,
    );
  }
  if (now >= attemptDeadline(exchange)) {
    return new AttemptTimeout(
      `Cannot finish an attempt within ${entry?.rule.backendTimeoutMs} ms: ${STAGE_WORDS[stage]}`,
    );
  }
  if (now >= copyDeadline(exchange)) return new RequestTimeout(`Cannot finish a copy within ${COPY_MS} ms`);
  if (now < quietDeadline(exchange, waits)) return null;
  if (awaitsHead(exchange)) {
    return new RequestTimeout(
      `Cannot get a response within ${responseHeadMs(exchange, waits)} ms: ${STAGE_WORDS[stage]}`,
    );
  }
  const idle = exchange.tunnelled ? waits.tunnelIdleMs : waits.idleMs;
  return new StreamIdle(`Cannot go on: no byte has moved for ${idle} ms`);
}

const STAGE_WORDS = [
  "it has not begun",
  "its route is not known yet",
  "it waits before its next attempt",
  "no connection came about",
  "no response has begun",
  "the response is not whole",
  "it is over",
] as const;
