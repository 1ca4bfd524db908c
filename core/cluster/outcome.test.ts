import { expect, test } from "bun:test";
import { Cluster, type ClusterEvents, ClusterState } from "./cluster.ts";
import { type Endpoint, Outcome, outcomeOf } from "./endpoint.ts";
import { begin, finish, latencyAt } from "./outcome.ts";

test.each([
  [Outcome.GatewayError, "gateway_error"],
  [Outcome.ConnectFailed, "connect_failed"],
  [Outcome.Reset, "reset"],
  [Outcome.Timeout, "timeout"],
] as const)("the fifth failure in a row ejects for ten seconds (outcome %p)", (outcome, reason) => {
  const { endpoints, events } = groupOf(4);
  const endpoint = endpoints[0]!;

  for (let i = 0; i < 4; i++) attempt(endpoint, 100, outcome);
  expect(endpoint.isAvailable(100)).toBe(true);
  attempt(endpoint, 100, outcome);

  expect(endpoint.isAvailable(100)).toBe(false);
  expect(endpoint.isAvailable(10_099)).toBe(false);
  expect(endpoint.isAvailable(10_100)).toBe(true);
  expect(endpoint.ejectReason).toBe(reason);
  expect(events).toEqual([`ejected 10.0.0.1:1 ${reason} 10000`]);
});

test("a success between failures starts the count anew, a cancelled attempt does not count", () => {
  const { endpoints, events } = groupOf(4);
  const endpoint = endpoints[0]!;

  for (const outcome of [2, 2, 2, 2, 0, 2, 2, 2, 2, 5, 5, 5] as const) attempt(endpoint, 0, outcome);

  expect(events).toEqual([]);
  expect(endpoint.failures).toBe(4);
});

test("a probe that succeeds brings the endpoint back, one that fails ejects it for longer", () => {
  const { endpoints, events } = groupOf(4);
  const endpoint = endpoints[0]!;
  failFor(endpoint, 0);

  attempt(endpoint, 10_000, Outcome.Reset);
  attempt(endpoint, 30_000, Outcome.Reset);
  attempt(endpoint, 60_000, Outcome.Success);

  expect(events).toEqual([
    "ejected 10.0.0.1:1 connect_failed 10000",
    "ejected 10.0.0.1:1 reset 20000",
    "ejected 10.0.0.1:1 reset 30000",
    "returned 10.0.0.1:1",
  ]);
  expect([endpoint.ejectedUntil, endpoint.ejectReason, endpoint.failures, endpoint.home.ejected]).toEqual([
    0,
    null,
    0,
    0,
  ]);
});

test("ejections grow to five minutes, and start small again after five sound minutes", () => {
  const { endpoints, events } = groupOf(4);
  const endpoint = endpoints[0]!;
  const start = 1_000_000;
  failFor(endpoint, start);
  for (let i = 0; i < 40; i++) attempt(endpoint, endpoint.ejectedUntil, Outcome.Reset);
  expect(events.at(-1)).toBe("ejected 10.0.0.1:1 reset 300000");
  const back = endpoint.ejectedUntil;
  attempt(endpoint, back, Outcome.Success);

  failFor(endpoint, back + 300_000);
  expect(events.at(-1)).toBe("ejected 10.0.0.1:1 connect_failed 300000");
  attempt(endpoint, back + 600_000, Outcome.Success);
  failFor(endpoint, back + 900_001);
  expect(events.at(-1)).toBe("ejected 10.0.0.1:1 connect_failed 10000");
});

test("requests begun before the ejection neither end nor lengthen it", () => {
  const { endpoints, events } = groupOf(4);
  const endpoint = endpoints[0]!;
  failFor(endpoint, 0);

  attempt(endpoint, 5000, Outcome.Success);
  attempt(endpoint, 5000, Outcome.Reset);

  expect(endpoint.ejectedUntil).toBe(10_000);
  expect(events.length).toBe(1);
});

test.each([
  [1, 0],
  [2, 1],
  [3, 1],
  [5, 2],
])("of %p endpoints at most %p are ejected", (count, most) => {
  const { endpoints, events } = groupOf(count);

  for (const endpoint of endpoints) failFor(endpoint, 0, 20);

  expect(events.length).toBe(most);
  expect(endpoints.filter((endpoint) => !endpoint.isAvailable(0)).length).toBe(most);
});

test("an endpoint that no snapshot names any more is not judged", () => {
  const { state, endpoints, events } = groupOf(4);
  const gone = endpoints[0]!;
  clusterOf(state, [2, 3, 4]).adopt();

  failFor(gone, 0);

  expect(events).toEqual([]);
  expect(state.ejected).toBe(0);
});

test("an ejected endpoint stays ejected in the next snapshot and is counted there", () => {
  const { state, endpoints, events } = groupOf(4);
  failFor(endpoints[0]!, 0);
  const next = clusterOf(state, [1, 2]);
  next.adopt();

  expect(next.endpoints[0]).toBe(endpoints[0]!);
  failFor(next.endpoints[1]!, 0);
  expect(events.length).toBe(1);
  clusterOf(state, [2]).adopt();
  expect(state.ejected).toBe(0);
});

test("a cluster that was not adopted leaves what serves alone", () => {
  const { state, endpoints } = groupOf(2);
  const edge = {};
  endpoints[0]!.edge = edge;

  const next = clusterOf(state, [1, 3], "v2");
  expect([...state.members.values()]).toEqual([...endpoints]);
  expect([endpoints[0]!.edge, endpoints[0]!.workload.version]).toEqual([edge, "v1"]);

  next.adopt();
  expect(endpoints[0]!.edge).toBeNull();
  expect(endpoints[0]!.workload.version).toBe("v2");
  expect(endpoints[1]!.member).toBe(false);
});

test("a latency rises at once and sinks with time", () => {
  const endpoint = groupOf(1).endpoints[0]!;
  expect(latencyAt(endpoint, 0)).toBe(-1);

  attempt(endpoint, 1000, Outcome.Success, 10);
  attempt(endpoint, 1000, Outcome.Success, 50);
  expect(latencyAt(endpoint, 1000)).toBe(50);
  expect(latencyAt(endpoint, 11_000)).toBeCloseTo(50 / Math.E, 6);
  attempt(endpoint, 11_000, Outcome.Success, 10);

  expect(latencyAt(endpoint, 11_000)).toBeCloseTo(50 / Math.E + 10 * (1 - 1 / Math.E), 6);
});

test("an attempt that was given up counts as slow when it had taken longer than usual", () => {
  const endpoint = groupOf(1).endpoints[0]!;
  attempt(endpoint, 0, Outcome.Success, 10);

  attempt(endpoint, 0, Outcome.Cancelled, 5);
  expect(latencyAt(endpoint, 0)).toBe(10);
  attempt(endpoint, 0, Outcome.Cancelled, 5000);

  expect(latencyAt(endpoint, 0)).toBe(5000);
});

test("in flight is what has begun and not finished", () => {
  const endpoint = groupOf(1).endpoints[0]!;
  begin(endpoint);
  begin(endpoint);
  finish(endpoint, 1, 1, Outcome.Success);

  expect(endpoint.inflight).toBe(1);
});

test("only 502, 503 and 504 are the endpoint's failures", () => {
  expect([200, 404, 429].map(outcomeOf)).toEqual(Array(3).fill(Outcome.Success));
  expect([500, 501, 505].map(outcomeOf)).toEqual(Array(3).fill(Outcome.ServerError));
  expect([502, 503, 504].map(outcomeOf)).toEqual(Array(3).fill(Outcome.GatewayError));
});

test("an IPv6 endpoint is written in brackets", () => {
  const state = stateOf([]);
  const model = { address: "::1", port: 80, weight: 1, workload: labels("v1") };
  const cluster = new Cluster({ ...MODEL, endpoints: [model] }, state);

  expect(cluster.endpoints[0]!.authority).toBe("[::1]:80");
});

const MODEL = {
  name: "c",
  service: { namespace: "shop", name: "web", host: "web.shop" },
  balancer: "PeakEWMA",
  confirmedAt: 0,
} as const;

function groupOf(count: number): { state: ClusterState; endpoints: readonly Endpoint[]; events: string[] } {
  const events: string[] = [];
  const state = stateOf(events);
  const cluster = clusterOf(
    state,
    Array.from({ length: count }, (_, i) => i + 1),
  );
  cluster.adopt();
  return { state, endpoints: cluster.endpoints, events };
}

function stateOf(events: string[]): ClusterState {
  const listener: ClusterEvents = {
    ejected: (endpoint, reason, forMs) => events.push(`ejected ${endpoint.authority} ${reason} ${forMs}`),
    returned: (endpoint) => events.push(`returned ${endpoint.authority}`),
  };
  return new ClusterState("c", listener);
}

function clusterOf(state: ClusterState, ports: readonly number[], version = "v1"): Cluster {
  const endpoints = ports.map((port) => ({ address: "10.0.0.1", port, weight: 1, workload: labels(version) }));
  return new Cluster({ ...MODEL, endpoints }, state);
}

function labels(version: string): Endpoint["workload"] {
  return { name: "web", namespace: "shop", app: "web", version };
}

function failFor(endpoint: Endpoint, now: number, times = 5): void {
  for (let i = 0; i < times; i++) attempt(endpoint, now, Outcome.ConnectFailed);
}

function attempt(endpoint: Endpoint, now: number, outcome: Outcome, latencyMs = 1): void {
  begin(endpoint);
  finish(endpoint, latencyMs, now, outcome);
}
