import { expect, test } from "bun:test";
import { Cluster, type ClusterEvents, ClusterState } from "./cluster.ts";
import { DEFAULT_EJECTION, Sample } from "./ejection.ts";
import { type Endpoint, Outcome } from "./endpoint.ts";
import type { EjectionModel } from "./model.ts";
import { begin, finish } from "./outcome.ts";

test("an endpoint that succeeds too rarely is ejected at the end of the interval, with the rate as its reason", () => {
  const { endpoints, events } = clusterOf(4, { successRate: 0.9 });
  const [bad, fair] = endpoints as [Endpoint, Endpoint];

  for (let i = 0; i < 20; i++) {
    attempt(bad, i, i % 2 === 0 ? Outcome.ServerError : Outcome.Success);
    attempt(fair, i, i === 7 ? Outcome.ServerError : Outcome.Success);
  }
  expect(events).toEqual([]);
  attempt(fair, 10_000, Outcome.Success);

  expect(events).toEqual(["ejected 1 success_rate 10000: 50 % of 20 requests succeeded"]);
});

test("an endpoint with few requests is not judged, nor one by what was before the interval", () => {
  const { endpoints, events } = clusterOf(4, { successRate: 0.9 });
  const [few, other] = endpoints as [Endpoint, Endpoint];

  for (let i = 0; i < 19; i++) attempt(few, i, Outcome.ServerError);
  attempt(other, 10_000, Outcome.Success);
  for (let i = 0; i < 19; i++) attempt(few, 10_001, Outcome.ServerError);
  attempt(other, 20_000, Outcome.Success);

  expect(events).toEqual([]);
});

test("an endpoint whose median is many times that of its peers is ejected, and it alone", () => {
  const { endpoints, events } = clusterOf(4, { latencyFactor: 3 });

  for (let i = 0; i < 30; i++)
    for (const [k, endpoint] of endpoints.entries()) attempt(endpoint, i, Outcome.Success, k === 2 ? 100 : 10 + k);
  attempt(endpoints[0]!, 10_000, Outcome.Success, 10);

  expect(events).toHaveLength(1);
  expect(events[0]).toMatch(/^ejected 3 latency 10000: median (9\d|10\d|11\d) ms, that of its peers 1\d ms$/);
});

test("differences that nobody feels eject nobody, whatever the factor", () => {
  const { endpoints, events } = clusterOf(3, { latencyFactor: 2 });

  for (let i = 0; i < 30; i++)
    for (const [k, endpoint] of endpoints.entries()) attempt(endpoint, i, Outcome.Success, k === 0 ? 1 : 0.1);
  attempt(endpoints[0]!, 10_000, Outcome.Success, 1);

  expect(events).toEqual([]);
});

test("no more are ejected than the policy allows, the worst first", () => {
  const { endpoints, events, state } = clusterOf(10, { successRate: 0.9, maxFraction: 0.2 });

  for (const [k, endpoint] of endpoints.entries())
    for (let i = 0; i < 20; i++) attempt(endpoint, i, i < k * 2 ? Outcome.ServerError : Outcome.Success);
  attempt(endpoints[0]!, 10_000, Outcome.Success);

  expect(events.map((event) => event.split(" ")[1])).toEqual(["10", "9"]);
  expect(state.ejected).toBe(2);
});

test("a probe that answers badly does not bring back what was ejected for answering badly", () => {
  const { endpoints, events } = clusterOf(4, { successRate: 0.9 });
  const [bad, other] = endpoints as [Endpoint, Endpoint];
  for (let i = 0; i < 20; i++) attempt(bad, i, Outcome.ServerError);
  attempt(other, 10_000, Outcome.Success);

  attempt(bad, 20_000, Outcome.ServerError);
  attempt(bad, 50_000, Outcome.Success);

  expect(events).toEqual([
    "ejected 1 success_rate 10000: 0 % of 20 requests succeeded",
    "ejected 1 success_rate 20000: it failed again on probation",
    "returned 1",
  ]);
});

test("failures in a row eject after as many as the policy says, or never", () => {
  const [two, never] = [clusterOf(4, { consecutiveErrors: 2, baseMs: 500 }), clusterOf(4, { consecutiveErrors: 0 })];

  for (let i = 0; i < 2; i++) attempt(two.endpoints[0]!, 0, Outcome.Reset);
  for (let i = 0; i < 50; i++) attempt(never.endpoints[0]!, 0, Outcome.Reset);

  expect(two.events).toEqual(["ejected 1 reset 500: 2 failures in a row"]);
  expect(never.events).toEqual([]);
});

test("the only endpoint is never ejected, though the policy would allow all", () => {
  const { endpoints, events } = clusterOf(1, { maxFraction: 1 });

  for (let i = 0; i < 50; i++) attempt(endpoints[0]!, 0, Outcome.Reset);

  expect(events).toEqual([]);
});

test("a median is right within a tenth, from a millisecond to half a minute", () => {
  for (const ms of [1, 3.3, 12, 47, 180, 950, 4000, 31_000]) {
    const sample = new Sample();
    for (let i = 0; i < 101; i++) sample.add(ms * (0.8 + (0.4 * i) / 100), false);

    expect(Math.abs(sample.median() / ms - 1)).toBeLessThan(0.1);
  }
});

function clusterOf(count: number, ejection: Partial<EjectionModel>) {
  const events: string[] = [];
  const listener: ClusterEvents = {
    ejected: ({ port, ejectDetail }, reason, forMs) =>
      events.push(`ejected ${port} ${reason} ${forMs}: ${ejectDetail}`),
    returned: ({ port }) => events.push(`returned ${port}`),
  };
  const state = new ClusterState("c", listener);
  const workload = { name: "web", namespace: "shop", app: "web", version: "v1" };
  const service = { namespace: "shop", name: "web", host: "web.shop" };
  const endpoints = Array.from({ length: count }, (_, i) => ({
    address: "10.0.0.1",
    port: i + 1,
    weight: 1,
    workload,
  }));
  const model = { name: "c", service, balancer: "PeakEWMA", confirmedAt: 0, endpoints } as const;
  const cluster = new Cluster({ ...model, ejection: { ...DEFAULT_EJECTION, ...ejection } }, state);
  cluster.adopt();
  return { state, events, endpoints: cluster.endpoints };
}

function attempt(endpoint: Endpoint, now: number, outcome: Outcome, latencyMs = 1): void {
  begin(endpoint);
  finish(endpoint, latencyMs, now, outcome);
}
