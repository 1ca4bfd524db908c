/**
 * What a lookup costs with 10, 1,000 and 10,000 routes, and what a pick costs
 * with 3 and 1,000 endpoints: `bun test/bench/router.bench.ts`. The figures of
 * one column stay flat because a path is hashed once and only prefixes that
 * some route has are probed; `host` has as many Services, found by their names,
 * with a route each. Regular expressions are tried one by one: theirs do grow,
 * with the expressions of one host, which are few.
 */
import { type BalancerKind, Cluster, ClusterState, pick } from "../../core/cluster/mod.ts";
import type { RequestHead } from "../../core/http/mod.ts";
import { HostTable, PathScan, type RouteMatch, Router } from "../../core/route/mod.ts";
import { requestHead } from "../harness/head.ts";

const ROUNDS = 1_000_000;
const HEADERS = [
  ["user-agent", "bench"],
  ["accept", "*/*"],
  ["x-version", "two"],
] as const;

for (const count of [10, 1_000, 10_000]) {
  const routers = {
    exact: routerOf(count, "Exact"),
    prefix: routerOf(count, "PathPrefix"),
    header: headerRouter(count),
  };
  const services = serviceTable(count);
  const heads = Array.from({ length: 512 }, (_, i) => headOf(count, i));
  const cells = Object.entries(routers).map(([name, router]) => `${name} ${nanoseconds(router, heads).toFixed(0)} ns`);
  cells.push(`host ${nanoseconds(services, heads).toFixed(0)} ns`);
  if (count === 10)
    cells.push(`${count} regular expressions ${nanoseconds(patternRouter(count), heads).toFixed(0)} ns`);
  console.log(`${String(count).padStart(6)} routes: ${cells.join(", ")}`);
}

for (const balancer of ["RoundRobin", "Random", "LeastRequest", "PeakEWMA", "RingHash", "Maglev"] as const) {
  const cells = [3, 1_000].map(
    (count) => `${count} endpoints ${pickNanoseconds(clusterOf(balancer, count)).toFixed(0)} ns`,
  );
  console.log(`${balancer}: ${cells.join(", ")}`);
}

function pathOf(i: number): string {
  return `/api/v1/team-${i % 97}/service-${i}`;
}

function headOf(count: number, i: number): RequestHead {
  return requestHead({ target: `${pathOf((i * 7919) % count)}/items/${i}?page=${i}`, headers: HEADERS });
}

function routerOf(count: number, type: "Exact" | "PathPrefix"): Router<object> {
  const matches = Array.from({ length: count }, (_, i): RouteMatch<object> => {
    return { match: { path: { type, value: pathOf(i) } }, order: 0, ruleIndex: i, value: {} };
  });
  matches.push({ match: { path: { type: "PathPrefix", value: "/" } }, order: 0, ruleIndex: count, value: {} });
  return new Router(matches, new PathScan(12345));
}

/** Every path with a header condition before a plain one. */
function headerRouter(count: number): Router<object> {
  const matches = Array.from({ length: count }, (_, i): RouteMatch<object> => {
    const path = { type: "PathPrefix", value: pathOf(i) } as const;
    const match = { path, headers: [{ name: "x-version", type: "Exact", value: "two" }] } as const;
    return { match, order: 0, ruleIndex: i, value: {} };
  });
  return new Router(matches, new PathScan(12345));
}

interface Lookup {
  match(head: RequestHead): object | null;
}

/** As many Services as routes: the name of the host first, then the path. */
function serviceTable(count: number): Lookup {
  const scan = new PathScan(12345);
  const router = (i: number) =>
    new Router([{ match: { path: { type: "PathPrefix", value: "/" } }, order: 0, ruleIndex: i, value: {} }], scan);
  const hosts = new HostTable(
    Array.from({ length: count }, (_, i) => [`service-${i}.team.svc.cluster.local`, router(i)] as const),
    12345,
  );
  const names = Array.from({ length: 512 }, (_, i) =>
    Buffer.from(`service-${(i * 7919) % count}.team.svc.cluster.local`),
  );
  let next = 0;
  return {
    match(head) {
      const name = names[next++ & 511]!;
      return hosts.get(name, 0, name.length)?.match(head) ?? null;
    },
  };
}

/** The expression that matches is the last. */
function patternRouter(count: number): Lookup {
  const matches = Array.from({ length: count }, (_, i): RouteMatch<object> => {
    const value = i === 0 ? "/api/v1/.*" : `/api/v2/team-[0-9]+/service-${i}/.*`;
    return { match: { path: { type: "RegularExpression", value } }, order: 0, ruleIndex: i, value: {} };
  });
  return new Router(matches, new PathScan(12345));
}

function nanoseconds(router: Lookup, heads: readonly RequestHead[]): number {
  let found = 0;
  const run = (rounds: number): void => {
    for (let i = 0; i < rounds; i++) if (router.match(heads[i & 511]!) !== null) found++;
  };
  run(ROUNDS / 10);
  const start = Bun.nanoseconds();
  run(ROUNDS);
  if (found !== ROUNDS * 1.1) throw new Error(`Cannot use the figures: ${found} requests found a route`);
  return (Bun.nanoseconds() - start) / ROUNDS;
}

function clusterOf(balancer: BalancerKind, count: number): Cluster {
  const endpoints = Array.from({ length: count }, (_, i) => {
    const workload = { name: "w", namespace: "n", app: "a", version: "v" };
    return { address: "10.0.0.1", port: i + 1, weight: 1, workload };
  });
  const service = { namespace: "n", name: "s", host: "s.n" };
  const events = { ejected: () => {}, returned: () => {} };
  const cluster = new Cluster(
    { name: "c", service, balancer, endpoints, confirmedAt: 0 },
    new ClusterState("c", events),
  );
  cluster.adopt();
  for (const [i, endpoint] of cluster.endpoints.entries()) endpoint.latency = 1 + (i % 10);
  return cluster;
}

function pickNanoseconds(cluster: Cluster): number {
  let state = 1;
  const random = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const run = (rounds: number): void => {
    for (let i = 0; i < rounds; i++) pick(cluster, random, i / 1000, null, Math.imul(i, 0x9e3779b1) >>> 0);
  };
  run(ROUNDS / 10);
  const start = Bun.nanoseconds();
  run(ROUNDS);
  return (Bun.nanoseconds() - start) / ROUNDS;
}
