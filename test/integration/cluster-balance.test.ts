import { expect, test } from "bun:test";
import { type ServedCluster, startCluster } from "../harness/cluster.ts";
import { answer, eventually, ok, slowly } from "../harness/mod.ts";

const HASHES = ["RingHash", "Maglev"] as const;

test.each(HASHES)("%s leads a header to one endpoint, and headers to all of them", async (type) => {
  await using cluster = await startCluster(4, `loadBalancer: {type: ${type}, hashOn: [{header: X-User}]}`);
  const users = Array.from({ length: 100 }, (_, i) => `user-${i}`);

  const first = await Promise.all(users.map((user) => served(cluster, "/", [["x-user", user]])));
  const again = await Promise.all(users.map((user) => served(cluster, "/", [["X-User", user]])));

  expect(again).toEqual(first);
  expect(new Set(first).size).toBe(4);
});

test("a client without the cookie gets one that leads it back to where it was sent", async () => {
  const policy = "loadBalancer: {type: Maglev, hashOn: [{cookie: {name: lane, ttl: 60s, path: /app}}]}";
  await using cluster = await startCluster(4, policy);

  const visits = await Promise.all(Array.from({ length: 12 }, () => cluster.get()));
  const back = await Promise.all(
    visits.map((visit) => {
      const cookie = visit.get("set-cookie")!.split(";")[0]!;
      return cluster.get("/", [["Cookie", `theme=dark; ${cookie}`]]);
    }),
  );

  expect(visits[0]!.get("set-cookie")).toMatch(/^lane=[0-9a-f]{16}; Path=\/app; Max-Age=60; HttpOnly$/);
  expect(back.map(({ text }) => text)).toEqual(visits.map(({ text }) => text));
  expect(back.map((visit) => visit.get("set-cookie"))).toEqual(visits.map(() => null));
  expect(new Set(visits.map(({ text }) => text)).size).toBeGreaterThan(1);
});

test("the first key that a request has counts: parameter, then address", async () => {
  const policy = "loadBalancer: {type: RingHash, hashOn: [{queryParam: cart}, {sourceAddress: true}]}";
  await using cluster = await startCluster(4, policy);

  const carts = await Promise.all(Array.from({ length: 100 }, (_, i) => served(cluster, `/?a=1&cart=${i}&b=2`)));
  const cart7 = await served(cluster, "/other?cart=7");
  const addresses = await Promise.all(Array.from({ length: 10 }, () => served(cluster, "/?carts=1")));

  expect(new Set(carts).size).toBe(4);
  expect(cart7).toBe(carts[7]!);
  expect(new Set(addresses).size).toBe(1);
});

test("a backendRef names a subset of a Service", async () => {
  const route = `apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: multi}
spec:
  parentRefs: [{group: "", kind: Service, name: multi}]
  rules: [{backendRefs: [{group: mesh.dev, kind: Subset, name: multi.second, port: 80}]}]
`;
  await using cluster = await startCluster(3, 'subsets: [{name: second, labels: {number: "1"}}]', route);

  const answers = await Promise.all(Array.from({ length: 6 }, () => served(cluster)));

  expect(answers).toEqual(Array(6).fill("1"));
});

test("an endpoint that says when to come back is left to the others until then", async () => {
  await using cluster = await startCluster(2, "timeouts: {response: 30s}");
  const busy = cluster.backends[0]!;
  busy.script = answer(429, "later", [["Retry-After", "20"]]);
  // Whom it does not know yet the balancer asks first.
  const first = [await cluster.get(), await cluster.get()].map(({ status }) => status);
  busy.script = ok("0");

  const meanwhile = await Promise.all(Array.from({ length: 20 }, () => served(cluster)));
  cluster.plane.skip(21_000);

  expect(first.toSorted()).toEqual([200, 429]);
  expect(meanwhile).toEqual(Array(20).fill("1"));
  await eventually(async () => {
    // What is known of latencies fades.
    cluster.plane.skip(5_000);
    expect(await served(cluster)).toBe("0");
  });
});

test("an endpoint that succeeds too rarely is ejected with its reason, and comes back when it has got better", async () => {
  const policy = `loadBalancer: {type: RoundRobin},
    ejection: {consecutiveErrors: 0, interval: 2s, minimumRequests: 5, successRatePercent: 90, baseTime: 5s}`;
  await using cluster = await startCluster(3, policy);
  const bad = cluster.backends[0]!;
  bad.script = answer(500, "0");
  for (let i = 0; i < 18; i++) await cluster.get();

  cluster.plane.skip(2_001);
  for (let i = 0; i < 2; i++) await cluster.get();
  const meanwhile = await Promise.all(Array.from({ length: 12 }, () => served(cluster)));
  bad.script = ok("0");
  cluster.plane.skip(5_001);

  expect(meanwhile).not.toContain("0");
  await eventually(async () => expect(await served(cluster)).toBe("0"));
  expect(await cluster.plane.metric("mesh_ejections_total", { reason: "success_rate" })).toBe(1);
  const warning = cluster.plane.warnings
    .map((line) => JSON.parse(line))
    .find(({ reason }) => reason === "success_rate");
  expect(warning).toMatchObject({ cluster: "default/multi:80", endpoint: bad.address, forMs: 5000 });
  expect(warning.detail).toMatch(/^0 % of \d+ requests succeeded$/);
});

test("an endpoint that is many times slower than its peers is ejected for that", async () => {
  const policy = `loadBalancer: {type: RoundRobin},
    ejection: {interval: 60s, minimumRequests: 5, latencyFactor: 3, baseTime: 60s}`;
  await using cluster = await startCluster(3, policy);
  cluster.backends[2]!.script = slowly(150, ok("2"));
  await Promise.all(Array.from({ length: 24 }, () => cluster.get()));

  cluster.plane.skip(60_001);
  await served(cluster);
  await served(cluster);
  const later = await Promise.all(Array.from({ length: 12 }, () => served(cluster)));

  expect(later).not.toContain("2");
  expect(await cluster.plane.metric("mesh_ejections_total", { reason: "latency" })).toBe(1);
});

async function served(cluster: ServedCluster, path = "/", fields: [string, string][] = []): Promise<string> {
  return (await cluster.get(path, fields)).text;
}
