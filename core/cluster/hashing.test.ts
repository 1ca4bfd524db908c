import { expect, test } from "bun:test";
import { pick } from "./balance.ts";
import { Cluster, ClusterState } from "./cluster.ts";
import type { Endpoint } from "./endpoint.ts";
import { hashOfText, NO_HASH } from "./hash.ts";
import type { BalancerKind } from "./model.ts";

const HASHES: readonly BalancerKind[] = ["RingHash", "Maglev"];
const KEYS = 20_000;

test.each(HASHES)(
  "%s leads one key to one endpoint, in every proxy, whatever the order of the endpoints",
  (balancer) => {
    const one = clusterOf(balancer, [1, 2, 3, 4, 5]);
    const other = clusterOf(balancer, [5, 3, 1, 4, 2]);

    for (let key = 0; key < 500; key++) expect(owner(other, key)).toBe(owner(one, key));
  },
);

test.each([
  ["RingHash", 0.3],
  ["Maglev", 0.05],
] as const)("%s spreads keys by weight", (balancer, tolerance) => {
  const counts = new Map<string, number>();
  const cluster = clusterOf(balancer, [1, 2, 3, 4], { 4: 3 });
  for (let key = 0; key < KEYS; key++) counts.set(owner(cluster, key), (counts.get(owner(cluster, key)) ?? 0) + 1);

  for (const [i, share] of [1 / 6, 1 / 6, 1 / 6, 1 / 2].entries())
    expect(Math.abs((counts.get(nameOf(i + 1)) ?? 0) / KEYS / share - 1)).toBeLessThan(tolerance);
});

test.each([
  ["RingHash", 0],
  ["Maglev", 0.03],
] as const)("%s moves the keys of an endpoint that goes, and hardly any other", (balancer, strays) => {
  const ports = Array.from({ length: 10 }, (_, i) => i + 1);
  const before = clusterOf(balancer, ports);
  const after = clusterOf(
    balancer,
    ports.filter((port) => port !== 4),
  );
  let moved = 0;
  const heirs = new Set<string>();
  for (let key = 0; key < KEYS; key++) {
    const [was, is] = [owner(before, key), owner(after, key)];
    if (was === nameOf(4)) heirs.add(is);
    else if (was !== is) moved++;
  }

  expect(moved / KEYS).toBeLessThanOrEqual(strays);
  expect(heirs.size).toBe(9);
});

test.each(HASHES)("%s shares the keys of an ejected endpoint among the others, and gives them back", (balancer) => {
  const cluster = clusterOf(balancer, [1, 2, 3, 4, 5]);
  const before = Array.from({ length: 2000 }, (_, key) => owner(cluster, key));
  const [gone] = cluster.endpoints as [Endpoint];

  gone.ejectedUntil = 1000;
  cluster.state.out = 1;
  cluster.state.changes++;
  const meanwhile = Array.from({ length: 2000 }, (_, key) => owner(cluster, key));
  gone.ejectedUntil = 0;
  cluster.state.out = 0;

  const orphans = before.flatMap((was, key) => (was === gone.authority ? [meanwhile[key]!] : []));
  expect(before.filter((was, key) => was !== gone.authority && meanwhile[key] !== was)).toEqual([]);
  expect(new Set(orphans).size).toBe(4);
  expect(orphans).not.toContain(gone.authority);
  expect(Array.from({ length: 2000 }, (_, key) => owner(cluster, key))).toEqual(before);
});

test.each(HASHES)("%s avoids the endpoint of the attempt before, and draws where a request has no key", (balancer) => {
  const cluster = clusterOf(balancer, [1, 2, 3]);
  const random = seeded(3);
  const first = pick(cluster, random, 0, null, hashOfText("a"))!;

  expect(pick(cluster, random, 0, first, hashOfText("a"))).not.toBe(first);
  const drawn = new Set(Array.from({ length: 100 }, () => pick(cluster, random, 0, null, NO_HASH)));
  expect(drawn.size).toBe(3);
});

test("Maglev grows its table with the cluster and stays even", () => {
  const cluster = clusterOf(
    "Maglev",
    Array.from({ length: 600 }, (_, i) => i + 1),
  );
  const counts = new Map<string, number>();
  for (let key = 0; key < 120_000; key++) counts.set(owner(cluster, key), (counts.get(owner(cluster, key)) ?? 0) + 1);

  expect(cluster.groups[0]!.maglev!.size).toBe(65_537);
  expect(counts.size).toBe(600);
  for (const count of counts.values()) expect(Math.abs(count / 200 - 1)).toBeLessThan(0.35);
});

function owner(cluster: Cluster, key: number): string {
  return pick(cluster, () => 0.5, 0, null, hashOfText(`key-${key}`))!.authority;
}

function nameOf(port: number): string {
  return `10.0.0.1:${port}`;
}

function clusterOf(
  balancer: BalancerKind,
  ports: readonly number[],
  weights: Readonly<Record<number, number>> = {},
): Cluster {
  const workload = { name: "web", namespace: "shop", app: "web", version: "v1" };
  const service = { namespace: "shop", name: "web", host: "web.shop" };
  const endpoints = ports.map((port) => ({ address: "10.0.0.1", port, weight: weights[port] ?? 1, workload }));
  const state = new ClusterState("c", { ejected() {}, returned() {} });
  const cluster = new Cluster({ name: "c", service, balancer, confirmedAt: 0, endpoints }, state);
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
