import { expect, test } from "bun:test";
import { pick } from "./balance.ts";
import { Cluster, ClusterState } from "./cluster.ts";
import { type Endpoint, Outcome } from "./endpoint.ts";
import { markDown, markUp } from "./health.ts";
import type { ClusterModel } from "./model.ts";
import { begin, finish, spare } from "./outcome.ts";

test("an endpoint found dead takes nothing until it is found alive", () => {
  const cluster = clusterOf(3);
  const [dead] = cluster.endpoints as [Endpoint];

  markDown(dead, "status 500");
  const meanwhile = picked(cluster, 300);
  markUp(dead, 0);

  expect(meanwhile.has(dead)).toBe(false);
  expect([cluster.state.out, dead.downReason]).toEqual([0, ""]);
  expect(picked(cluster, 300).has(dead)).toBe(true);
});

test("health is ignored where less is left than the panic threshold, and where nothing is", () => {
  const [usual, never, early] = [
    clusterOf(4),
    clusterOf(4, { panicThreshold: 0 }),
    clusterOf(4, { panicThreshold: 0.9 }),
  ];
  const out = (cluster: Cluster, count: number): number => {
    for (const endpoint of cluster.endpoints.slice(0, count)) if (endpoint.downUntil === 0) markDown(endpoint, "gone");
    return picked(cluster, 400).size;
  };

  expect([out(usual, 2), out(usual, 3)]).toEqual([2, 4]);
  expect([out(never, 3), out(never, 4)]).toEqual([1, 4]);
  expect(out(early, 1)).toBe(4);
});

test("checks that no policy asks for any more leave nobody dead behind", () => {
  const check = { type: "TCP", intervalMs: 1, timeoutMs: 1, healthyAfter: 1, unhealthyAfter: 1 } as const;
  const state = new ClusterState("c", { ejected() {}, returned() {} });
  const checked = clusterOf(2, { healthCheck: check }, state);
  markDown(checked.endpoints[0]!, "gone");

  const after = clusterOf(2, {}, state);

  expect(after.endpoints[0]).toBe(checked.endpoints[0]!);
  expect([state.out, after.endpoints[0]!.isOut]).toEqual([0, false]);
});

test("a new endpoint starts small and grows to its share, for round robin and by chance alike", () => {
  for (const balancer of ["RoundRobin", "Random", "LeastRequest"] as const) {
    const state = new ClusterState("c", { ejected() {}, returned() {} });
    const slow = { slowStart: { windowMs: 10_000, minimum: 0.1 }, balancer };
    // Those that are there from the start are not new.
    expect(shareOf(clusterOf(3, slow, state), 2, 0)).toBeCloseTo(1 / 3, 1);
    const grown = clusterOf(4, slow, state);

    expect(shareOf(grown, 3, 1000)).toBeCloseTo(0.1 / 3.1, 1);
    expect(shareOf(grown, 3, 6000)).toBeCloseTo(0.55 / 3.55, 1);
    expect(shareOf(grown, 3, 11_000)).toBeCloseTo(0.25, 1);
  }
});

test("an endpoint that comes back from an ejection starts small too", () => {
  const cluster = clusterOf(2, { slowStart: { windowMs: 10_000, minimum: 0.2 }, balancer: "Random" });
  const [failing] = cluster.endpoints as [Endpoint];
  for (let i = 0; i < 5; i++) attempt(failing, 0, Outcome.Reset);
  expect(failing.isOut).toBe(true);

  attempt(failing, 20_000, Outcome.Success);

  expect(shareOf(cluster, 0, 20_000)).toBeCloseTo(0.2 / 1.2, 1);
  expect(shareOf(cluster, 0, 30_001)).toBeCloseTo(0.5, 1);
});

test("an endpoint that asked for less is left to others by Peak EWMA until its time is over, a minute at most", () => {
  const cluster = clusterOf(2);
  const [busy, other] = cluster.endpoints as [Endpoint, Endpoint];
  for (const endpoint of [busy, other]) attempt(endpoint, 0, Outcome.Success);

  spare(busy, 5_000, 0);
  const meanwhile = picked(cluster, 100, 4999);
  const later = picked(cluster, 100, 5000);
  spare(busy, 3_600_000, 5000);

  expect([...meanwhile]).toEqual([other]);
  expect(later.has(busy)).toBe(true);
  expect(busy.sparedUntil).toBe(65_000);
});

function attempt(endpoint: Endpoint, now: number, outcome: Outcome): void {
  begin(endpoint);
  finish(endpoint, 1, now, outcome);
}

function picked(cluster: Cluster, times: number, now = 0): ReadonlySet<Endpoint> {
  const random = seeded(7);
  return new Set(Array.from({ length: times }, () => pick(cluster, random, now, null)!));
}

function shareOf(cluster: Cluster, index: number, now: number): number {
  const random = seeded(8);
  let count = 0;
  for (let i = 0; i < 4000; i++) if (pick(cluster, random, now, null) === cluster.endpoints[index]) count++;
  return count / 4000;
}

function clusterOf(
  count: number,
  more: Partial<ClusterModel> = {},
  state = new ClusterState("c", { ejected() {}, returned() {} }),
): Cluster {
  const workload = { name: "web", namespace: "shop", app: "web", version: "v1" };
  const service = { namespace: "shop", name: "web", host: "web.shop" };
  const endpoints = Array.from({ length: count }, (_, i) => ({
    address: "10.0.0.1",
    port: i + 1,
    weight: 1,
    workload,
  }));
  const cluster = new Cluster({ name: "c", service, balancer: "PeakEWMA", confirmedAt: 0, endpoints, ...more }, state);
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
