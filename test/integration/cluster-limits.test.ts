import { expect, test } from "bun:test";
import { startCluster } from "../harness/cluster.ts";
import { startDeafPort } from "../harness/deaf.ts";
import { serviceYaml, startMesh } from "../harness/mesh.ts";
import { connect, eventually, ok, type Received, startBackend } from "../harness/mod.ts";
import { startPlane } from "../harness/plane.ts";
import { startTraffic, toService } from "../harness/traffic.ts";

test("a request beyond the limit waits for its turn, one beyond the queue is told at once", async () => {
  await using cluster = await startCluster(1, "limits: {requests: 1, pending: 1}");
  const [backend] = cluster.backends;
  const gate = Promise.withResolvers<void>();
  backend!.script = async (request, to) => {
    await gate.promise;
    await ok("done")(request, to);
  };

  const first = cluster.get("/first");
  await eventually(() => backend!.requests.length === 1);
  const second = cluster.get("/second");
  await eventually(() => cluster.plane.active === 2);
  await using client = await connect(cluster.plane.forwardPort);
  const third = await client.get("http://multi/third", [["Host", "multi"]]);
  const heldBack = backend!.requests.length;
  gate.resolve();

  expect([(await first).status, (await second).status]).toEqual([200, 200]);
  expect([third.status, heldBack]).toEqual([503, 1]);
  expect(backend!.requests.map(({ target }) => target)).toEqual(["/first", "/second"]);
  expect(await cluster.plane.line(client)).toMatchObject({ response_flags: "UO" });
});

test("a turn that does not come in time is an overflow, and is not missed by the others", async () => {
  await using cluster = await startCluster(1, "limits: {requests: 1, pendingTimeout: 2s}");
  const [backend] = cluster.backends;
  const gate = Promise.withResolvers<void>();
  const held = async (request: Received, to: Parameters<ReturnType<typeof ok>>[1]) => {
    await gate.promise;
    await ok("done")(request, to);
  };
  backend!.script = held;

  const first = cluster.get("/first");
  await eventually(() => backend!.requests.length === 1);
  const late = cluster.get("/late");
  await eventually(() => cluster.plane.active === 2);
  cluster.plane.skip(2_001);
  const answer = await late;
  gate.resolve();

  expect(answer.status).toBe(503);
  expect((await first).status).toBe(200);
  expect((await cluster.get("/next")).status).toBe(200);
  expect(backend!.requests.map(({ target }) => target)).toEqual(["/first", "/next"]);
});

test("a client that leaves the queue takes nobody's turn", async () => {
  await using cluster = await startCluster(1, "limits: {requests: 1}");
  const [backend] = cluster.backends;
  const gate = Promise.withResolvers<void>();
  backend!.script = async (request, to) => {
    await gate.promise;
    await ok("done")(request, to);
  };
  const first = cluster.get("/first");
  await eventually(() => backend!.requests.length === 1);
  const leaver = await connect(cluster.plane.forwardPort);
  await leaver.send("GET http://multi/leaver HTTP/1.1\r\nHost: multi\r\n\r\n");
  await eventually(() => cluster.plane.active === 2);
  const third = cluster.get("/third");
  await eventually(() => cluster.plane.active === 3);

  await leaver[Symbol.asyncDispose]();
  await eventually(() => cluster.plane.active === 2);
  gate.resolve();

  expect([(await first).status, (await third).status]).toEqual([200, 200]);
  expect(backend!.requests.map(({ target }) => target)).toEqual(["/first", "/third"]);
});

test("one connection to an endpoint carries one request after the other, and no more than it may", async () => {
  await using cluster = await startCluster(1, "limits: {connectionsPerEndpoint: 1, requestsPerConnection: 3}");
  const [backend] = cluster.backends;

  const answers = await Promise.all(Array.from({ length: 7 }, () => cluster.get()));

  expect(answers.map(({ status }) => status)).toEqual(Array(7).fill(200));
  expect(backend!.requests.map(({ connection }) => connection)).toEqual([0, 0, 0, 1, 1, 1, 2]);
});

test("a connection between sidecars is replaced after as many requests as the policy says, and none is lost", async () => {
  const policy = `{apiVersion: mesh.dev/v1, kind: TrafficPolicy, metadata: {name: web},
    spec: {targetRefs: [{kind: Service, name: web}], limits: {requestsPerConnection: 10}}}`;
  await using mesh = await startMesh({ config: `${serviceYaml("web")}---\n${policy}` });
  await using backend = await startBackend(ok("hello"));
  const web = await mesh.join("web", { port: backend.port });
  const shop = await mesh.join("shop");
  await mesh.settled();
  await using traffic = startTraffic(shop.outbound, { ...toService("web"), lanes: 4 });

  await traffic.more(200);
  await traffic.stop();

  expect(traffic.failures).toEqual([]);
  const opened = await web.metric("mesh_connections_total", { direction: "inbound" });
  expect(opened).toBeGreaterThan(traffic.sent / 10 - 5);
  expect(opened).toBeLessThan(traffic.sent / 5);
}, 30_000);

test("a response that takes longer than the policy allows is a timeout, without a word of the route", async () => {
  await using cluster = await startCluster(1, "timeouts: {response: 3s}");
  cluster.backends[0]!.script = () => Promise.withResolvers<void>().promise;

  const answer = cluster.get();
  await eventually(() => cluster.backends[0]!.requests.length === 1);
  cluster.plane.skip(3_001);

  expect((await answer).status).toBe(504);
});

test("an endpoint that does not answer a dial is given up after the time of the policy", async () => {
  await using deaf = await startDeafPort();
  await using web = await startBackend();
  const config = `apiVersion: v1
kind: Service
metadata: {name: deaf}
spec: {ports: [{port: 80, name: http}]}
---
{apiVersion: mesh.dev/v1, kind: Workload, metadata: {name: deaf},
  spec: {address: ${"127.0.0.1"}, service: deaf, ports: [{port: ${deaf.port}, name: http}]}}
---
{apiVersion: mesh.dev/v1, kind: TrafficPolicy, metadata: {name: deaf},
  spec: {targetRefs: [{kind: Service, name: deaf}], timeouts: {connect: 1s}, retryBudget: {percent: 0, minPerSecond: 0}}}
`;
  await using plane = await startPlane(web.port, { config });
  await using client = await connect(plane.forwardPort);

  const answer = client.get("http://deaf/", [["Host", "deaf"]]);
  await eventually(() => plane.active === 1);
  plane.skip(1_001);

  expect((await answer).status).toBe(503);
  expect(JSON.stringify(await plane.line(client))).toContain("no connection within 1000 ms");
});
