/** A rollout as it was asked for: a rule's weights go to one of its backends, step by step. */
export interface RolloutPlan {
  readonly kind: "HTTPRoute" | "GRPCRoute";
  readonly namespace: string;
  readonly route: string;
  /** Name or number of the rule. */
  readonly rule: string;
  /** Name of the backend that is to take over. */
  readonly to: string;
  /** Percent of the rule's requests for the new backend, rising. */
  readonly steps: readonly number[];
  /** How long a step is watched before it is judged. */
  readonly intervalMs: number;
  /** Requests to the new backend that a judgement takes. */
  readonly minRequests: number;
  /** How much higher the share of failures may be than that of the old, 0 to 1. */
  readonly maxErrorIncrease: number;
  /** How much longer nine of ten requests may take, as a share of the old. */
  readonly maxLatencyIncrease: number;
}

export type RolloutState = "Progressing" | "Paused" | "Promoted" | "Aborted";

/** What was seen of one side of a rollout during a step. */
export interface Observation {
  readonly requests: number;
  readonly failures: number;
  /** Milliseconds; null without requests. */
  readonly p50Ms: number | null;
  readonly p90Ms: number | null;
  readonly p99Ms: number | null;
}

/** A step, kept for as long as its rollout is. */
export interface StepRecord {
  readonly percent: number;
  /** When every proxy had the weights; milliseconds since the epoch. */
  readonly startedAt: number;
  readonly endedAt: number | null;
  readonly old: Observation | null;
  readonly new: Observation | null;
  readonly verdict: "running" | "held" | "failed" | "ended";
  /** What the verdict is based on, for people. */
  readonly reason: string;
}

/** A rollout as it is kept. */
export interface RolloutRecord {
  readonly plan: RolloutPlan;
  readonly state: RolloutState;
  /** Why it is in this state. */
  readonly reason: string;
  /** Weights of the rule's backends in its document, and those that run instead. */
  readonly before: readonly number[];
  readonly weights: readonly number[];
  /** The rule's backends, in their order. */
  readonly backends: readonly string[];
  /** The rule was written anew after the end: what stands there counts, even if it is what stood there before. */
  readonly superseded?: true;
  readonly startedBy: string;
  readonly startedAt: number;
  readonly endedAt: number | null;
  readonly steps: readonly StepRecord[];
}

/** Names a rollout: one at a time for a rule. */
export function rolloutKey({ kind, namespace, route, rule }: RolloutPlan): string {
  return `${kind}/${namespace}/${route}/${rule}`;
}

/** Weights while the rollout has a say; false: those of the document run. */
export function isInForce({ state, superseded }: RolloutRecord): boolean {
  return state !== "Aborted" && superseded !== true;
}
