import type { Verdict } from "../plugin/mod.ts";
import type { ResponseFlag } from "../telemetry/mod.ts";

/** The response flag of a policy's own answer: over a limit, or not let in. A policy that answers below 400 serves. */
export function flagOf(refusal: Verdict): ResponseFlag {
  if (refusal.status === 429) return "RL";
  return refusal.status >= 400 ? "UAEX" : "-";
}
