import type { ClusterState } from "./cluster.ts";
import type { Endpoint } from "./endpoint.ts";

/** Of `Endpoint.warmFrom`: it takes its whole share. */
export const WARM = -1;
/** It has come with a snapshot, and nobody has picked since. */
export const NEWCOMER = -2;

/** Gives those that came with the snapshot their beginning: snapshots know no time. */
export function welcome(state: ClusterState, now: number): void {
  if (!state.hasNewcomers) return;
  state.hasNewcomers = false;
  state.warmUntil = 0;
  for (const endpoint of state.members.values()) if (endpoint.warmFrom === NEWCOMER) warmUp(endpoint, now);
}

/** An endpoint that comes, or comes back, takes little at first. */
export function warmUp(endpoint: Endpoint, now: number): void {
  const { home } = endpoint;
  if (home.slowStart === null) return;
  endpoint.warmFrom = now;
  home.warmUntil = now + home.slowStart.windowMs;
}

/** Share of its weight that an endpoint takes at `now`, 0 to 1. */
export function warmth(endpoint: Endpoint, now: number): number {
  const { slowStart } = endpoint.home;
  if (endpoint.warmFrom < 0 || slowStart === null) return 1;
  const age = (now - endpoint.warmFrom) / slowStart.windowMs;
  return age >= 1 ? 1 : slowStart.minimum + (1 - slowStart.minimum) * Math.max(age, 0);
}
