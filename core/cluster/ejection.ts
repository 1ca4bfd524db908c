import type { ClusterState } from "./cluster.ts";
import { type EjectReason, type Endpoint, Outcome } from "./endpoint.ts";
import type { EjectionModel } from "./model.ts";

/** For clusters that say nothing: failures in a row are judged, and nothing else. */
export const DEFAULT_EJECTION: EjectionModel = Object.freeze({
  consecutiveErrors: 5,
  intervalMs: 10_000,
  minimumRequests: 20,
  baseMs: 10_000,
  maxMs: 300_000,
  maxFraction: 0.5,
});

/** Steps of a histogram to each doubling of the latency: a median is right within a tenth. */
const STEPS = 4;
/** From 1/16 ms to about a minute. */
const BUCKETS = STEPS * 20;
const FIRST_MS = 1 / 16;
/** Below this difference an endpoint is not slow, whatever the factor. */
const MIN_GAP_MS = 2;

/** What an endpoint did since the cluster was judged last. Only clusters that are judged by rate or latency have one. */
export class Sample {
  requests = 0;
  failures = 0;
  readonly #latencies = new Uint16Array(BUCKETS);

  add(latencyMs: number, isFailure: boolean): void {
    this.requests++;
    if (isFailure) this.failures++;
    this.#latencies[bucketOf(latencyMs)]! += 1;
  }

  get successRate(): number {
    return 1 - this.failures / this.requests;
  }

  /** In ms; within the bucket as if all of it were spread evenly. */
  median(): number {
    let left = this.requests / 2;
    for (let i = 0; i < BUCKETS; i++) {
      const count = this.#latencies[i]!;
      if (count >= left) return FIRST_MS * 2 ** ((i + left / count) / STEPS);
      left -= count;
    }
    return 0;
  }

  clear(): void {
    this.requests = 0;
    this.failures = 0;
    this.#latencies.fill(0);
  }
}

function bucketOf(latencyMs: number): number {
  const bucket = Math.floor(Math.log2(Math.max(latencyMs, FIRST_MS) / FIRST_MS) * STEPS);
  return Math.min(bucket, BUCKETS - 1);
}

/** Counts an attempt, and judges the cluster where its interval is over: no timer, because without attempts there is nothing to judge. */
export function sample(endpoint: Endpoint, latencyMs: number, now: number, outcome: Outcome): void {
  if (endpoint.sample === null || outcome === Outcome.Cancelled) return;
  endpoint.sample.add(latencyMs, outcome !== Outcome.Success);
  const { home } = endpoint;
  if (home.judgeAt === 0) home.judgeAt = now + home.ejection.intervalMs;
  if (now >= home.judgeAt) judge(home, now);
}

/** Compares the endpoints with the bar, and with each other. */
function judge(state: ClusterState, now: number): void {
  const { ejection } = state;
  state.judgeAt = now + ejection.intervalMs;
  const judged = [...state.members.values()].filter(
    ({ sample, ejectedUntil }) => ejectedUntil === 0 && (sample?.requests ?? 0) >= ejection.minimumRequests,
  );
  judgeRates(judged, ejection, now);
  judgeLatencies(judged, ejection, now);
  for (const { sample } of state.members.values()) sample?.clear();
}

/** The worst first: there is a limit to how many may go. */
function judgeRates(judged: readonly Endpoint[], { successRate }: EjectionModel, now: number): void {
  if (successRate === undefined) return;
  const failing = judged.filter(({ sample }) => sample!.successRate < successRate);
  for (const endpoint of failing.toSorted((a, b) => a.sample!.successRate - b.sample!.successRate)) {
    const { successRate: rate, requests } = endpoint.sample!;
    ejectIfSpared(endpoint, now, "success_rate", `${Math.round(rate * 100)} % of ${requests} requests succeeded`);
  }
}

function judgeLatencies(judged: readonly Endpoint[], { latencyFactor }: EjectionModel, now: number): void {
  if (latencyFactor === undefined || judged.length < 2) return;
  const medians = judged.map((endpoint) => ({ endpoint, median: endpoint.sample!.median() }));
  medians.sort((a, b) => b.median - a.median);
  for (const [i, { endpoint, median }] of medians.entries()) {
    const usual = medianOf(medians.filter((_, k) => k !== i).map((other) => other.median));
    if (median < usual * latencyFactor || median - usual < MIN_GAP_MS) continue;
    ejectIfSpared(endpoint, now, "latency", `median ${text(median)} ms, that of its peers ${text(usual)} ms`);
  }
}

function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function text(ms: number): string {
  return ms < 10 ? ms.toFixed(1) : String(Math.round(ms));
}

/** Ejects an endpoint that takes traffic, unless too many are ejected already. */
export function ejectIfSpared(endpoint: Endpoint, now: number, reason: EjectReason, detail: string): void {
  const { home } = endpoint;
  if (endpoint.ejectedUntil !== 0 || !maySpare(home)) return;
  if (now - endpoint.returnedAt > home.ejection.maxMs) endpoint.ejections = 0;
  home.ejected++;
  eject(endpoint, now, reason, detail);
}

/** Never more than the share that the policy allows, and never the only endpoint. */
function maySpare({ ejected, members, ejection }: ClusterState): boolean {
  return members.size > 1 && ejected + 1 <= members.size * ejection.maxFraction;
}

/** Ejects, also one that is on probation: it counts as ejected already. */
export function eject(endpoint: Endpoint, now: number, reason: EjectReason, detail: string): void {
  const { ejection, events } = endpoint.home;
  const wasOut = endpoint.isOut;
  endpoint.ejections++;
  const forMs = Math.min(ejection.baseMs * endpoint.ejections, ejection.maxMs);
  endpoint.ejectedUntil = now + forMs;
  endpoint.ejectReason = reason;
  endpoint.ejectDetail = detail;
  endpoint.probeUntil = 0;
  countOut(endpoint, wasOut);
  events.ejected(endpoint, reason, forMs);
}

/** Keeps the count of those that take no traffic; called behind each change of one. */
export function countOut(endpoint: Endpoint, wasOut: boolean): void {
  const { home, member, isOut } = endpoint;
  if (!member) return;
  home.changes++;
  home.out += Number(isOut) - Number(wasOut);
}
