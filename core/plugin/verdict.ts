import { NO_BYTES } from "../base/mod.ts";
import { type HeaderChanges, NO_CHANGES } from "./header-change.ts";

/** What a policy answered; `Fault` is what the engine answers for one that did not. */
export const VerdictKind = { Continue: 0, Respond: 1, Route: 2, Fault: 3 } as const;
export type VerdictKind = (typeof VerdictKind)[keyof typeof VerdictKind];

/** Why a call failed. The order is the index in counters. */
export const FAULT_REASONS = [
  "trap", // unreachable, out of bounds, a failed cast …
  "fuel", // it did not end within its fuel
  "stack", // endless recursion
  "error", // it said so itself: error_set, or a result that is not 0
  "output", // the answer is not what the contract asks for
  "input", // the request does not fit into its memory
  "start", // it could not be started again after a fault
  "off", // the breaker is open: it was not called
] as const;
export type FaultReason = (typeof FAULT_REASONS)[number];

/**
 * The answer of one policy to one request. Immutable and shared: the same
 * answer of the same policy is the same object, so nobody may change it.
 */
export class Verdict {
  readonly kind: VerdictKind;
  /** Respond: 200 to 599. */
  readonly status: number;
  /** Respond: headers of the response, without its framing. */
  readonly headers: HeaderChanges;
  /** Respond: the whole body. */
  readonly body: Buffer;
  /** Route: the destination as the policy names it. */
  readonly destination: string;
  /** Continue and Route: changes to the request; null for none. */
  readonly changes: HeaderChanges | null;
  /** Respond: when to come back; 0 where the policy does not say. */
  readonly retryAfterMs: number;
  /** Fault: why. */
  readonly reason: FaultReason;
  /** Fault: more about it, for the log. */
  readonly detail: string;

  constructor(kind: VerdictKind, parts: VerdictParts = {}) {
    this.kind = kind;
    this.status = parts.status ?? 0;
    this.headers = parts.headers ?? NO_CHANGES;
    this.body = parts.body ?? NO_BYTES;
    this.destination = parts.destination ?? "";
    this.changes = parts.changes ?? null;
    this.retryAfterMs = parts.retryAfterMs ?? 0;
    this.reason = parts.reason ?? "trap";
    this.detail = parts.detail ?? "";
  }
}

export type VerdictParts = Partial<Omit<Verdict, "kind">>;

/** Let it pass, unchanged. */
export const CONTINUE: Verdict = new Verdict(VerdictKind.Continue);

export function fault(reason: FaultReason, detail: string): Verdict {
  return new Verdict(VerdictKind.Fault, { reason, detail });
}
