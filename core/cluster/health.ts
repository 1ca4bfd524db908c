import { countOut } from "./ejection.ts";
import type { Endpoint } from "./endpoint.ts";
import { warmUp } from "./slow-start.ts";

/** Takes an endpoint out because active checks say so, until `markUp`; `problem` is what the last of them found. */
export function markDown(endpoint: Endpoint, problem: string): void {
  const wasOut = endpoint.isOut;
  // Before the end of time, so that a panic may try it.
  endpoint.downUntil = Number.MAX_VALUE;
  endpoint.downReason = problem;
  countOut(endpoint, wasOut);
}

export function markUp(endpoint: Endpoint, now: number): void {
  const wasOut = endpoint.isOut;
  endpoint.downUntil = 0;
  endpoint.downReason = "";
  warmUp(endpoint, now);
  countOut(endpoint, wasOut);
}
