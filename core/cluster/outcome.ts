import { countOut, eject, ejectIfSpared, sample } from "./ejection.ts";
import { type EjectReason, type Endpoint, OUTCOME_NAMES, Outcome } from "./endpoint.ts";
import { warmUp } from "./slow-start.ts";

/** Time constant in which a latency is forgotten (Finagle, Linkerd). */
const DECAY_MS = 10_000;
/** Cost of an endpoint that has its first requests in flight and has answered none. */
const UNKNOWN_COST = 1e9;
/** How much slower a failure makes an endpoint look: failing fast must not attract traffic. */
const FAILURE_FACTOR = 4;
const MAX_LATENCY_MS = 60_000;
/** What is added for an endpoint that has asked for less: more than any latency times what may be in flight. */
const SPARED_COST = 1e12;
/** Longest that an endpoint may ask to be spared. */
const MAX_SPARED_MS = 60_000;

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
  if (outcome === Outcome.Cancelled) endpoint.probeUntil = 0;
  else if (outcome === Outcome.Success) succeed(endpoint, now);
  else if (outcome === Outcome.ServerError) answerBadly(endpoint, now);
  else fail(endpoint, now, OUTCOME_NAMES[outcome]);
  sample(endpoint, latencyMs, now, outcome);
}

/** The endpoint asks for less (429, RESOURCE_EXHAUSTED): Peak EWMA turns to others for so long. */
export function spare(endpoint: Endpoint, forMs: number, now: number): void {
  endpoint.sparedUntil = Math.max(endpoint.sparedUntil, now + Math.min(forMs, MAX_SPARED_MS));
}

/**
 * The load that Peak EWMA compares: latency times what would be in flight.
 * One whose latency is unknown is asked at once, but by one request only.
 */
export function costOf(endpoint: Endpoint, inflight: number, now: number): number {
  const spared = now < endpoint.sparedUntil ? SPARED_COST : 0;
  if (endpoint.latency < 0) return spared + (inflight === 0 ? 0 : UNKNOWN_COST + inflight);
  return spared + latencyAt(endpoint, now) * (inflight + 1);
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
  const failed = outcome >= Outcome.GatewayError && outcome <= Outcome.Timeout;
  const seen = failed ? Math.max(latencyMs, Math.max(faded, 1) * FAILURE_FACTOR) : latencyMs;
  endpoint.latency = Math.min(seen > faded ? seen : faded + seen * (1 - kept), MAX_LATENCY_MS);
  endpoint.observedAt = now;
}

function succeed(endpoint: Endpoint, now: number): void {
  // A request begun before the ejection says nothing about what came after.
  if (endpoint.ejectedUntil > now) return;
  endpoint.failures = 0;
  if (endpoint.ejectedUntil === 0) return;
  const wasOut = endpoint.isOut;
  endpoint.ejectedUntil = 0;
  endpoint.ejectReason = null;
  endpoint.ejectDetail = "";
  endpoint.probeUntil = 0;
  endpoint.returnedAt = now;
  endpoint.home.ejected--;
  countOut(endpoint, wasOut);
  warmUp(endpoint, now);
  endpoint.home.events.returned(endpoint);
}

/** It is there, which ends a row of failures; where its rate was the reason, it has not got better. */
function answerBadly(endpoint: Endpoint, now: number): void {
  if (endpoint.ejectReason === "success_rate") fail(endpoint, now, "success_rate");
  else succeed(endpoint, now);
}

function fail(endpoint: Endpoint, now: number, reason: EjectReason): void {
  endpoint.failures++;
  const { consecutiveErrors } = endpoint.home.ejection;
  if (endpoint.ejectedUntil !== 0) {
    if (now >= endpoint.ejectedUntil) eject(endpoint, now, reason, "it failed again on probation");
  } else if (consecutiveErrors > 0 && endpoint.failures >= consecutiveErrors)
    ejectIfSpared(endpoint, now, reason, `${endpoint.failures} failures in a row`);
}
