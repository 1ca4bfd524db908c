import type { Cluster } from "./cluster.ts";
import type { Endpoint } from "./endpoint.ts";
import { costOf } from "./outcome.ts";

/** How long others wait for the result of a probe. */
const PROBE_MS = 10_000;
/** Draws of an endpoint that may not be taken, before the next in line is. */
const MAX_DRAWS = 8;

/**
 * Picks the endpoint that will serve the next attempt by the cluster's
 * balancer. Ejected endpoints are left out, and so is `avoid` (that of the
 * attempt before) while there is another. With all ejected it is better to try
 * any than to answer nothing. Null when no endpoint of the cluster has a weight.
 *
 * An endpoint whose ejection has ended is given to one caller, as a probe, and
 * to others when that has succeeded. Nothing else is reserved: call `begin` at
 * once.
 */
export function pick(cluster: Cluster, random: () => number, now: number, avoid: Endpoint | null): Endpoint | null {
  const index = pickIndex(cluster, random, now, avoid);
  if (index < 0) return null;
  const endpoint = cluster.targets[index]!;
  if (endpoint.ejectedUntil !== 0 && endpoint.isAvailable(now)) endpoint.probeUntil = now + PROBE_MS;
  return endpoint;
}

function pickIndex(cluster: Cluster, random: () => number, now: number, avoid: Endpoint | null): number {
  const count = cluster.targets.length;
  if (count < 2) return count - 1;
  const index = choose(cluster, random, now, avoid);
  if (index >= 0) return index;
  // At the end of time every ejection is over.
  const spared = choose(cluster, random, Number.POSITIVE_INFINITY, avoid);
  return spared >= 0 ? spared : cluster.targets.indexOf(avoid!);
}

/** Index of a target that may be taken; -1 without one. */
function choose(cluster: Cluster, random: () => number, now: number, avoid: Endpoint | null): number {
  if (cluster.balancer !== "RoundRobin") return twoChoices(cluster, random, now, avoid);
  return cluster.isUniform ? nextInLine(cluster, random, now, avoid) : smoothTurn(cluster, now, avoid);
}

function isFree(endpoint: Endpoint, now: number, avoid: Endpoint | null): boolean {
  return endpoint !== avoid && endpoint.isAvailable(now);
}

function nextInLine(cluster: Cluster, random: () => number, now: number, avoid: Endpoint | null): number {
  const { targets, state } = cluster;
  const count = targets.length;
  // Proxies that start together must not all begin with the same endpoint.
  const from = state.cursor < 0 ? Math.floor(random() * count) : state.cursor;
  for (let k = 0; k < count; k++) {
    const i = (from + k) % count;
    if (!isFree(targets[i]!, now, avoid)) continue;
    state.cursor = (i + 1) % count;
    return i;
  }
  return -1;
}

/** Smooth weighted round robin, as in nginx: everyone gains its weight, the richest goes and pays for all. */
function smoothTurn(cluster: Cluster, now: number, avoid: Endpoint | null): number {
  const { targets, weights } = cluster;
  let best = -1;
  let total = 0;
  for (let i = 0; i < targets.length; i++) {
    const endpoint = targets[i]!;
    if (!isFree(endpoint, now, avoid)) continue;
    total += weights[i]!;
    endpoint.turn += weights[i]!;
    if (best < 0 || endpoint.turn > targets[best]!.turn) best = i;
  }
  if (best >= 0) targets[best]!.turn -= total;
  return best;
}

/** Two by chance, then the one with less to do: nearly as good as looking at all, and nobody herds. */
function twoChoices(cluster: Cluster, random: () => number, now: number, avoid: Endpoint | null): number {
  const first = draw(cluster, random, now, avoid, -1);
  if (first < 0) return -1;
  const second = draw(cluster, random, now, avoid, first);
  if (second < 0) return first;
  return loadOf(cluster, second, now) < loadOf(cluster, first, now) ? second : first;
}

/**
 * What an endpoint has to do already. Weights are in the draw; here they only
 * scale what is in flight, so that idle endpoints share by weight exactly.
 */
function loadOf(cluster: Cluster, i: number, now: number): number {
  const endpoint = cluster.targets[i]!;
  const inflight = endpoint.inflight * cluster.shares[i]!;
  return cluster.balancer === "LeastRequest" ? inflight : costOf(endpoint, inflight, now);
}

/** Draws a free target by weight, other than `taken`; -1 without one. */
function draw(cluster: Cluster, random: () => number, now: number, avoid: Endpoint | null, taken: number): number {
  const { targets } = cluster;
  const count = targets.length;
  let i = 0;
  for (let n = 0; n < MAX_DRAWS; n++) {
    i = cluster.isUniform ? Math.floor(random() * count) : byWeight(cluster.sums, random());
    if (i !== taken && isFree(targets[i]!, now, avoid)) return i;
  }
  for (let k = 1; k <= count; k++) {
    const next = (i + k) % count;
    if (next !== taken && isFree(targets[next]!, now, avoid)) return next;
  }
  return -1;
}

/** The first index whose sum is above `at` of the whole. */
export function byWeight(sums: Float64Array, at: number): number {
  const point = at * sums[sums.length - 1]!;
  let low = 0;
  let high = sums.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sums[middle]! > point) high = middle;
    else low = middle + 1;
  }
  return low;
}
