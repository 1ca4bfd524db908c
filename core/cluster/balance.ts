import { byWeight, choose } from "./choose.ts";
import type { Cluster } from "./cluster.ts";
import type { Endpoint } from "./endpoint.ts";
import type { Group } from "./group.ts";
import { NO_HASH } from "./hash.ts";

/** How long others wait for the result of a probe. */
const PROBE_MS = 10_000;
/** Every ejection is over then. */
const END_OF_TIME = Number.POSITIVE_INFINITY;

/**
 * Picks the endpoint that will serve the next attempt by the cluster's
 * balancer, from the nearest group that is healthy. Endpoints that are ejected
 * or found dead are left out, and so is `avoid` (that of the attempt before)
 * while there is another. Where too few are left it is better to try any than
 * to overload those. Null when no endpoint of the cluster has a weight.
 *
 * An endpoint whose ejection has ended is given to one caller, as a probe, and
 * to others when that has succeeded. Nothing else is reserved: call `begin` at
 * once.
 */
export function pick(
  cluster: Cluster,
  random: () => number,
  now: number,
  avoid: Endpoint | null,
  hash: number = NO_HASH,
): Endpoint | null {
  const { groups, state } = cluster;
  if (groups.length !== 1 || state.out !== 0) return unusual(cluster, random, now, avoid, hash);
  const group = groups[0]!;
  const { targets } = group;
  if (targets.length === 1) return targets[0]!;
  const index = choose(group, random, now, avoid, hash);
  return index < 0 ? spared(group, random, avoid, hash) : targets[index]!;
}

/** Where some are out, or some are nearer than others. Apart, so that the usual way stays small. */
function unusual(
  cluster: Cluster,
  random: () => number,
  now: number,
  avoid: Endpoint | null,
  hash: number,
): Endpoint | null {
  const { groups, state } = cluster;
  if (groups.length === 0) return null;
  const endpoint =
    state.out === 0 ? nearest(groups, random, now, avoid, hash) : amid(cluster, random, now, avoid, hash);
  if (endpoint.ejectedUntil !== 0 && endpoint.isAvailable(now)) endpoint.probeUntil = now + PROBE_MS;
  return endpoint;
}

/** From the first group that has one to take. */
function nearest(
  groups: readonly Group[],
  random: () => number,
  now: number,
  avoid: Endpoint | null,
  hash: number,
): Endpoint {
  for (let g = 0; g < groups.length; g++) {
    const endpoint = from(groups[g]!, random, now, avoid, hash);
    if (endpoint !== null) return endpoint;
  }
  return spared(groups[0]!, random, avoid, hash);
}

/** While some are out, the requests are shared out over the groups. */
function amid(cluster: Cluster, random: () => number, now: number, avoid: Endpoint | null, hash: number): Endpoint {
  const { groups, outage } = cluster;
  outage.refresh(cluster.state.changes, now);
  // What is hashed must stay where it is.
  const at = groups.length === 1 ? 0 : byWeight(outage.sums, hash === NO_HASH ? random() : hash / 2 ** 32);
  const endpoint = from(groups[at]!, random, outage.isPanic(at) ? END_OF_TIME : now, avoid, hash);
  return endpoint ?? nearest(groups, random, now, avoid, hash);
}

function from(group: Group, random: () => number, now: number, avoid: Endpoint | null, hash: number): Endpoint | null {
  const index = choose(group, random, now, avoid, hash);
  return index < 0 ? null : group.targets[index]!;
}

/** Any but the last one, whatever its health; that one again where it is all there is. */
function spared(group: Group, random: () => number, avoid: Endpoint | null, hash: number): Endpoint {
  return from(group, random, END_OF_TIME, avoid, hash) ?? avoid!;
}
