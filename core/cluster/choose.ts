import type { Endpoint } from "./endpoint.ts";
import type { Group } from "./group.ts";
import { NO_HASH } from "./hash.ts";
import { costOf } from "./outcome.ts";
import { warmth, welcome } from "./slow-start.ts";

/** Draws of an endpoint that may not be taken, before the next in line is. */
const MAX_DRAWS = 8;
/** Steps through the table of Maglev, before the next in line is taken. */
const MAX_STEPS = 32;

/**
 * Index of the target of a group that its balancer takes; -1 where none may be
 * taken. At the end of time (`now` is infinite) every ejection is over, and
 * nothing is known of latencies.
 */
export function choose(group: Group, random: () => number, now: number, avoid: Endpoint | null, hash: number): number {
  if (now < group.state.warmUntil) return chooseWarming(group, random, now, avoid, hash);
  if (group.balancer === "PeakEWMA" || group.balancer === "LeastRequest")
    return twoChoices(group, random, now, avoid, false);
  if (group.balancer !== "RoundRobin") return hashed(group, random, now, avoid, hash, false);
  return group.isUniform ? nextInLine(group, random, now, avoid) : smoothTurn(group, now, avoid, false);
}

/** While some endpoint may not take its whole share yet. */
function chooseWarming(group: Group, random: () => number, now: number, avoid: Endpoint | null, hash: number): number {
  welcome(group.state, now);
  if (group.balancer === "RoundRobin") return smoothTurn(group, now, avoid, true);
  if (group.balancer === "PeakEWMA" || group.balancer === "LeastRequest")
    return twoChoices(group, random, now, avoid, true);
  return hashed(group, random, now, avoid, hash, true);
}

/** Where the hash says, by chance without one; a hash knows no slow start, or it would lead elsewhere meanwhile. */
function hashed(
  group: Group,
  random: () => number,
  now: number,
  avoid: Endpoint | null,
  hash: number,
  isWarming: boolean,
): number {
  if (hash === NO_HASH || group.balancer === "Random") return draw(group, random, now, avoid, -1, isWarming);
  return group.ring !== null ? onRing(group, now, avoid, hash) : inTable(group, now, avoid, hash);
}

function isFree(endpoint: Endpoint, now: number, avoid: Endpoint | null): boolean {
  return endpoint !== avoid && endpoint.isAvailable(now);
}

function nextInLine(group: Group, random: () => number, now: number, avoid: Endpoint | null): number {
  const { targets, state } = group;
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
function smoothTurn({ targets, weights }: Group, now: number, avoid: Endpoint | null, isWarming: boolean): number {
  let best = -1;
  let total = 0;
  for (let i = 0; i < targets.length; i++) {
    const endpoint = targets[i]!;
    if (!isFree(endpoint, now, avoid)) continue;
    const weight = isWarming ? weights[i]! * warmth(endpoint, now) : weights[i]!;
    total += weight;
    endpoint.turn += weight;
    if (best < 0 || endpoint.turn > targets[best]!.turn) best = i;
  }
  if (best >= 0) targets[best]!.turn -= total;
  return best;
}

/** Two by chance, then the one with less to do: nearly as good as looking at all, and nobody herds. */
function twoChoices(
  group: Group,
  random: () => number,
  now: number,
  avoid: Endpoint | null,
  isWarming: boolean,
): number {
  const first = draw(group, random, now, avoid, -1, isWarming);
  if (first < 0) return -1;
  const second = draw(group, random, now, avoid, first, isWarming);
  if (second < 0) return first;
  return loadOf(group, second, now) < loadOf(group, first, now) ? second : first;
}

/**
 * What an endpoint has to do already. Weights are in the draw; here they only
 * scale what is in flight, so that idle endpoints share by weight exactly.
 */
function loadOf(group: Group, i: number, now: number): number {
  const endpoint = group.targets[i]!;
  const inflight = endpoint.inflight * group.shares[i]!;
  return group.balancer === "LeastRequest" ? inflight : costOf(endpoint, inflight, now);
}

/** Draws a free target by weight, other than `taken`; -1 without one. */
function draw(
  group: Group,
  random: () => number,
  now: number,
  avoid: Endpoint | null,
  taken: number,
  isWarming: boolean,
): number {
  const { targets } = group;
  const count = targets.length;
  let i = 0;
  for (let n = 0; n < MAX_DRAWS; n++) {
    i = group.isUniform ? Math.floor(random() * count) : byWeight(group.sums, random());
    if (i === taken || !isFree(targets[i]!, now, avoid)) continue;
    // One that is warming up declines in proportion.
    if (!isWarming || random() < warmth(targets[i]!, now)) return i;
  }
  return nextFree(group, i, now, avoid, taken);
}

function nextFree({ targets }: Group, from: number, now: number, avoid: Endpoint | null, taken: number): number {
  const count = targets.length;
  for (let k = 1; k <= count; k++) {
    const next = (from + k) % count;
    if (next !== taken && isFree(targets[next]!, now, avoid)) return next;
  }
  return -1;
}

/** The owner of the point, else of the next on the ring: what one endpoint leaves is shared by all others. */
function onRing({ ring, targets }: Group, now: number, avoid: Endpoint | null, hash: number): number {
  const first = ring!.find(hash);
  for (let k = 0; k < ring!.size; k++) {
    const i = ring!.ownerAt(first + k);
    if (isFree(targets[i]!, now, avoid)) return i;
  }
  return -1;
}

/** The owner of the slot, else of others that the same hash leads to. */
function inTable(group: Group, now: number, avoid: Endpoint | null, hash: number): number {
  const { maglev, targets } = group;
  let slot = hash;
  for (let k = 0; k < MAX_STEPS; k++) {
    const i = maglev!.ownerAt(slot);
    if (isFree(targets[i]!, now, avoid)) return i;
    slot = (Math.imul(slot, 0x9e3779b1) + 1) >>> 0;
  }
  return nextFree(group, hash % targets.length, now, avoid, -1);
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
