import { expect, test } from "bun:test";
import { pick } from "./balance.ts";
import { Cluster, ClusterState } from "./cluster.ts";
import { type Endpoint, Outcome } from "./endpoint.ts";
import type { BalancerKind } from "./model.ts";
import { begin, finish } from "./outcome.ts";

const BALANCERS: readonly BalancerKind[] = ["RoundRobin", "Random", "LeastRequest", "PeakEWMA"];

test.each(BALANCERS)("%s picks nobody of an empty cluster, and the only one of one", (balancer) => {
  const random = seeded(1);

  expect(pick(clusterOf(balancer, []), random, 0, null)).toBeNull();
  expect(pick(clusterOf(balancer, [0]), random, 0, null)).toBeNull();
  const one = clusterOf(balancer, [1]);
  expect(pick(one, random, 0, one.endpoints[0]!)).toBe(one.endpoints[0]!);
});

test.each(BALANCERS)("%s gives idle endpoints their share by weight", (balancer) => {
  const cluster = clusterOf(balancer, [1, 3, 6, 0]);

  const counts = countPicks(cluster, 20_000, (endpoint, now) => finish(endpoint, 0, now, Outcome.Cancelled));

  // The draw is by weight; Peak EWMA asks those it does not know first, so it is only near.
  const tolerance = balancer === "PeakEWMA" ? 0.03 : 0.015;
  for (const [i, share] of [0.1, 0.3, 0.6].entries())
    expect(Math.abs(counts[i]! / 20_000 - share)).toBeLessThan(tolerance);
  expect(counts[3]).toBe(0);
});

test.each(BALANCERS)("%s spreads over equal endpoints", (balancer) => {
  const counts = countPicks(clusterOf(balancer, Array(10).fill(1)), 10_000, (endpoint, now) => {
    finish(endpoint, 0, now, Outcome.Cancelled);
  });

  for (const count of counts) expect(Math.abs(count - 1000)).toBeLessThan(150);
});

test.each(BALANCERS)("%s leaves out the endpoint of the attempt before while there is another", (balancer) => {
  for (const weights of [
    [1, 1],
    [9, 1],
    [5, 1, 1],
  ]) {
    const cluster = clusterOf(balancer, weights);
    const random = seeded(2);
    for (let i = 0; i < 200; i++)
      expect(pick(cluster, random, i, cluster.endpoints[0]!)).not.toBe(cluster.endpoints[0]!);
  }
});

test.each(BALANCERS)("%s leaves out ejected endpoints, and takes any when all are ejected", (balancer) => {
  const cluster = clusterOf(balancer, [1, 1, 1, 8]);
  const random = seeded(3);
  for (const i of [0, 1, 3]) cluster.endpoints[i]!.ejectedUntil = 1000;

  for (let i = 0; i < 200; i++) expect(pick(cluster, random, 500, null)).toBe(cluster.endpoints[2]!);
  cluster.endpoints[2]!.ejectedUntil = 1000;
  const picked = new Set(Array.from({ length: 200 }, () => pick(cluster, random, 500, null)));
  expect(picked.size).toBe(4);
  expect(cluster.endpoints.every((endpoint) => endpoint.probeUntil === 0)).toBe(true);
});

test.each(BALANCERS)("%s sends one probe to an endpoint whose ejection has ended", (balancer) => {
  const cluster = clusterOf(balancer, [1, 1]);
  const back = cluster.endpoints[0]!;
  back.ejectedUntil = 1000;
  cluster.state.out = 1;
  const random = seeded(4);

  const picks = Array.from({ length: 50 }, () => {
    const endpoint = pick(cluster, random, 1000, null)!;
    begin(endpoint);
    return endpoint;
  });
  expect(picks.filter((endpoint) => endpoint === back).length).toBe(1);

  // A probe of which nothing was heard does not lock the endpoint out for good.
  const later = Array.from({ length: 50 }, () => pick(cluster, random, 11_000, null)!);
  expect(later.filter((endpoint) => endpoint === back).length).toBe(1);
});

test("round robin goes around, and weights are spread smoothly", () => {
  const equal = clusterOf("RoundRobin", [1, 1, 1]);
  const weighted = clusterOf("RoundRobin", [5, 1, 1]);
  const random = (): number => 0.4;

  expect(names(equal, 7, random)).toEqual("bcabcab");
  expect(names(weighted, 14, random)).toEqual("aabacaaaabacaa");
});

test("round robin goes on where the snapshot before had stopped", () => {
  const state = new ClusterState("c", { ejected: () => {}, returned: () => {} });
  const [before, after] = [1, 2].map(() => clusterOf("RoundRobin", [1, 1, 1], state));

  expect(names(before!, 2, () => 0)).toBe("ab");
  expect(names(after!, 2, () => 0)).toBe("ca");
});

test("least request prefers the endpoint with less in flight, by weight", () => {
  const cluster = clusterOf("LeastRequest", [1, 1]);
  cluster.endpoints[0]!.inflight = 1;
  const random = seeded(5);
  for (let i = 0; i < 100; i++) expect(pick(cluster, random, 0, null)).toBe(cluster.endpoints[1]!);

  const weighted = clusterOf("LeastRequest", [1, 4]);
  weighted.endpoints[0]!.inflight = 1;
  weighted.endpoints[1]!.inflight = 3;
  for (let i = 0; i < 100; i++) expect(pick(weighted, random, 0, null)).toBe(weighted.endpoints[1]!);
});

test("Peak EWMA asks an unknown endpoint once, and waits for its answer", () => {
  const cluster = clusterOf("PeakEWMA", [1, 1]);
  const [known, unknown] = cluster.endpoints as [Endpoint, Endpoint];
  begin(known);
  finish(known, 5, 0, Outcome.Success);
  const random = seeded(6);

  const first = pick(cluster, random, 1, null)!;
  begin(first);

  expect(first).toBe(unknown);
  for (let i = 0; i < 100; i++) expect(pick(cluster, random, 2, null)).toBe(known);
});

test("Peak EWMA turns away from an endpoint that fails fast", () => {
  const cluster = clusterOf("PeakEWMA", [1, 1]);
  const [sound, broken] = cluster.endpoints as [Endpoint, Endpoint];
  for (const [endpoint, latencyMs] of [
    [sound, 7],
    [broken, 5],
  ] as const) {
    begin(endpoint);
    finish(endpoint, latencyMs, 0, Outcome.Success);
  }
  begin(broken);
  finish(broken, 0.1, 10, Outcome.ConnectFailed);
  const random = seeded(7);

  for (let i = 0; i < 100; i++) expect(pick(cluster, random, 20, null)).toBe(sound);
});

test("Peak EWMA beats round robin by far when one endpoint is slow", () => {
  const latencies = [2, 2, 2, 50];

  const fast = simulate(clusterOf("PeakEWMA", [1, 1, 1, 1]), latencies);
  const blind = simulate(clusterOf("RoundRobin", [1, 1, 1, 1]), latencies);

  expect(blind.mean / fast.mean).toBeGreaterThan(3);
  expect(fast.shares[3]).toBeLessThan(0.05);
  expect(fast.shares[3]).toBeGreaterThan(0);
});

test("Peak EWMA comes back to an endpoint that has become fast again", () => {
  const cluster = clusterOf("PeakEWMA", [1, 1]);
  simulate(cluster, [2, 100], 2000);

  simulate(cluster, [2, 2], 45_000, 5000);
  const after = simulate(cluster, [2, 2], 20_000, 50_000);

  expect(after.shares[1]).toBeGreaterThan(0.3);
});

interface Run {
  readonly mean: number;
  readonly shares: readonly number[];
}

/** One request each millisecond for a while; endpoints answer after their latency, give or take a fifth. */
function simulate(cluster: Cluster, latencies: readonly number[], forMs = 20_000, from = 0): Run {
  const random = seeded(99);
  const ending: { readonly at: number; readonly endpoint: Endpoint; readonly ms: number }[] = [];
  const counts = latencies.map(() => 0);
  let sum = 0;
  for (let now = from; now < from + forMs; now++) {
    for (const done of ending.filter(({ at }) => at <= now)) finish(done.endpoint, done.ms, now, Outcome.Success);
    ending.splice(0, ending.length, ...ending.filter(({ at }) => at > now));
    const endpoint = pick(cluster, random, now, null)!;
    const i = cluster.endpoints.indexOf(endpoint);
    const ms = latencies[i]! * (0.8 + 0.4 * random());
    begin(endpoint);
    ending.push({ at: now + ms, endpoint, ms });
    counts[i]!++;
    sum += ms;
  }
  for (const { endpoint, ms } of ending) finish(endpoint, ms, from + forMs, Outcome.Success);
  return { mean: sum / forMs, shares: counts.map((count) => count / forMs) };
}

function countPicks(
  cluster: Cluster,
  times: number,
  end: (endpoint: Endpoint, now: number) => void,
): readonly number[] {
  const random = seeded(11);
  const counts = cluster.endpoints.map(() => 0);
  for (let now = 0; now < times; now++) {
    const endpoint = pick(cluster, random, now, null)!;
    begin(endpoint);
    counts[cluster.endpoints.indexOf(endpoint)]!++;
    end(endpoint, now);
  }
  return counts;
}

function names(cluster: Cluster, times: number, random: () => number): string {
  return Array.from({ length: times }, () => "abc"[cluster.endpoints.indexOf(pick(cluster, random, 0, null)!)]).join(
    "",
  );
}

function clusterOf(
  balancer: BalancerKind,
  weights: readonly number[],
  state = new ClusterState("c", { ejected: () => {}, returned: () => {} }),
): Cluster {
  const cluster = new Cluster(
    {
      name: "c",
      service: { namespace: "shop", name: "web", host: "web.shop" },
      balancer,
      confirmedAt: 0,
      endpoints: weights.map((weight, i) => ({
        address: "10.0.0.1",
        port: i + 1,
        weight,
        workload: { name: `web-${i}`, namespace: "shop", app: "web", version: "v1" },
      })),
    },
    state,
  );
  cluster.adopt();
  return cluster;
}

function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}
