import type { Observation, RolloutPlan } from "./model.ts";

/** What is to become of a step. */
export interface Judgement {
  readonly verdict: "wait" | "held" | "failed";
  readonly reason: string;
}

/** Before the interval is over, only what is this much worse than allowed ends a step. */
const PLAINLY_WORSE = 0.1;
/** One failure is no trend. */
const MIN_FAILURES = 2;
/** Durations closer than this are the same. */
const SAME_MS = 1;

/**
 * Judges a step by what was seen of both sides since it began.
 *
 * @param isOver the interval has passed.
 */
export function judge(plan: RolloutPlan, old: Observation, seen: Observation, isOver: boolean): Judgement {
  const { requests } = seen;
  if (requests < plan.minRequests) {
    const reason = `${requests} of ${plan.minRequests} requests to ${plan.to} so far`;
    return { verdict: "wait", reason };
  }
  const errors = errorsOf(plan, old, seen, isOver ? 0 : PLAINLY_WORSE);
  if (errors !== null) return { verdict: "failed", reason: errors };
  if (!isOver) return { verdict: "wait", reason: summaryOf(old, seen) };
  const latency = latencyOf(plan, old, seen);
  return latency === null ? { verdict: "held", reason: summaryOf(old, seen) } : { verdict: "failed", reason: latency };
}

function errorsOf(plan: RolloutPlan, old: Observation, seen: Observation, slack: number): string | null {
  const most = failing(old) + plan.maxErrorIncrease;
  if (seen.failures < MIN_FAILURES || failing(seen) <= most + slack) return null;
  return `${percent(failing(seen))} of ${seen.requests} requests failed; at most ${percent(most)} may, the old have ${percent(failing(old))}`;
}

function latencyOf(plan: RolloutPlan, { p90Ms: old }: Observation, { p90Ms: seen }: Observation): string | null {
  if (old === null || seen === null || seen - old <= SAME_MS) return null;
  const most = old * (1 + plan.maxLatencyIncrease);
  return seen <= most
    ? null
    : `nine of ten requests took up to ${ms(seen)}; at most ${ms(most)} is allowed, the old take ${ms(old)}`;
}

/** Both sides in one line. */
export function summaryOf(old: Observation, seen: Observation): string {
  return `new: ${sideOf(seen)}; old: ${sideOf(old)}`;
}

function sideOf(side: Observation): string {
  if (side.requests === 0) return "no requests";
  return `${side.requests} requests, ${percent(1 - failing(side))} successful, p90 ${ms(side.p90Ms ?? 0)}`;
}

function failing({ requests, failures }: Observation): number {
  return requests === 0 ? 0 : failures / requests;
}

function percent(share: number): string {
  return `${Math.round(share * 10_000) / 100} %`;
}

function ms(value: number): string {
  return `${Math.round(value * 10) / 10} ms`;
}
