import { type EjectReason, type Endpoint, OUTCOME_NAMES, Outcome } from "./endpoint.ts";

/** Failures in a row that eject. */
const EJECT_AFTER = 5;
/** First ejection; the n-th in a row lasts n times as long. */
const EJECT_MS = 10_000;
const MAX_EJECT_MS = 300_000;
/** Time constant in which a latency is forgotten (Finagle, Linkerd). */
const DECAY_MS = 10_000;
/** Cost of an endpoint that has its first requests in flight and has answered none. */
const UNKNOWN_COST = 1e9;
/** How much slower a failure makes an endpoint look: failing fast must not attract traffic. */
const FAILURE_FACTOR = 4;
const MAX_LATENCY_MS = 60_000;

/** Counts an attempt at an endpoint. Every `begin` has one `finish`. */
export function begin(endpoint: Endpoint): void {
  endpoint.inflight++;
}

/**
 * Ends an attempt: the endpoint's latency, its failures in a row, and with
 * them its ejection or return.
 *
 * @param latencyMs from `begin` to the response's head, or to the failure.
 */
export function finish(endpoint: Endpoint, latencyMs: number, now: number, outcome: Outcome): void {
  endpoint.inflight--;
  observe(endpoint, latencyMs, now, outcome);
  if (!endpoint.member) return;
  if (outcome === Outcome.Success) succeed(endpoint, now);
  else if (outcome === Outcome.Cancelled) endpoint.probeUntil = 0;
  else fail(endpoint, now, OUTCOME_NAMES[outcome]);
}

/**
 * The load that Peak EWMA compares: latency times what would be in flight.
 * One whose latency is unknown is asked at once, but by one request only.
 */
export function costOf(endpoint: Endpoint, inflight: number, now: number): number {
  if (endpoint.latency < 0) return inflight === 0 ? 0 : UNKNOWN_COST + inflight;
  return latencyAt(endpoint, now) * (inflight + 1);
}

/** The latency as it has faded since it was measured; -1 when unknown. */
export function latencyAt(endpoint: Endpoint, now: number): number {
  return endpoint.latency < 0 ? -1 : endpoint.latency * Math.exp((endpoint.observedAt - now) / DECAY_MS);
}

/** Peak-sensitive: a rise counts at once, a fall sinks in with the time that has passed. */
function observe(endpoint: Endpoint, latencyMs: number, now: number, outcome: Outcome): void {
  const kept = endpoint.latency < 0 ? 0 : Math.exp((endpoint.observedAt - now) / DECAY_MS);
  const faded = endpoint.latency * kept;
  if (outcome === Outcome.Cancelled && latencyMs <= faded) return;
  const failed = outcome !== Outcome.Success && outcome !== Outcome.Cancelled;
  const seen = failed ? Math.max(latencyMs, Math.max(faded, 1) * FAILURE_FACTOR) : latencyMs;
  endpoint.latency = Math.min(seen > faded ? seen : faded + seen * (1 - kept), MAX_LATENCY_MS);
  endpoint.observedAt = now;
}

function succeed(endpoint: Endpoint, now: number): void {
  // A request begun before the ejection says nothing about what came after.
  if (endpoint.ejectedUntil > now) return;
  endpoint.failures = 0;
  if (endpoint.ejectedUntil === 0) return;
  endpoint.ejectedUntil = 0;
  endpoint.ejectReason = null;
  endpoint.probeUntil = 0;
  endpoint.returnedAt = now;
  endpoint.home.ejected--;
  endpoint.home.events.returned(endpoint);
}

function fail(endpoint: Endpoint, now: number, reason: EjectReason): void {
  endpoint.failures++;
  if (endpoint.ejectedUntil !== 0) {
    if (now >= endpoint.ejectedUntil) eject(endpoint, now, reason);
  } else if (endpoint.failures >= EJECT_AFTER && maySpare(endpoint)) {
    if (now - endpoint.returnedAt > MAX_EJECT_MS) endpoint.ejections = 0;
    endpoint.home.ejected++;
    eject(endpoint, now, reason);
  }
}

/** Never more than half of a cluster is ejected, and so never its only endpoint. */
function maySpare(endpoint: Endpoint): boolean {
  const { home } = endpoint;
  return (home.ejected + 1) * 2 <= home.members.size;
}

function eject(endpoint: Endpoint, now: number, reason: EjectReason): void {
  endpoint.ejections++;
  const forMs = Math.min(EJECT_MS * endpoint.ejections, MAX_EJECT_MS);
  endpoint.ejectedUntil = now + forMs;
  endpoint.ejectReason = reason;
  endpoint.probeUntil = 0;
  endpoint.home.events.ejected(endpoint, reason, forMs);
}
