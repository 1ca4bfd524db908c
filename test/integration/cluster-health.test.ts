import { expect, test } from "bun:test";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { type ServedCluster, startCluster } from "../harness/cluster.ts";
import { serviceYaml, startMesh } from "../harness/mesh.ts";
import { answer, connect, eventually, ok, startBackend } from "../harness/mod.ts";
import { type Plane, startPlane } from "../harness/plane.ts";
import { toService } from "../harness/traffic.ts";

const OFTEN = "interval: 60ms, timeout: 500ms, healthyAfter: 2, unhealthyAfter: 2";

test("an endpoint whose checks fail takes nothing until they pass again, and the log says why", async () => {
  await using cluster = await startCluster(
    3,
    `loadBalancer: {type: RoundRobin}, healthCheck: {http: {path: /health, host: check.me}, ${OFTEN}}`,
  );
  const sick = cluster.backends[1]!;
  sick.script = (request, to) => (request.target === "/health" ? answer(503) : ok("1"))(request, to);

  await eventually(() => expect(downOf(cluster.plane)).toEqual([[sick.address, "status 503"]]));
  const meanwhile = await answersOf(cluster, 12);
  sick.script = ok("1");

  expect(meanwhile).toEqual(new Set(["0", "2"]));
  await eventually(async () => expect(await answersOf(cluster, 6)).toEqual(new Set(["0", "1", "2"])));
  const check = cluster.backends[0]!.requests.find(({ target }) => target === "/health")!;
  expect(check.raw.toLowerCase()).toContain("host: check.me\r\n");
  expect(check.raw).toContain("mesh-health-check");
  expect(await cluster.plane.metric("mesh_health_checks_total", { outcome: "failed" })).toBeGreaterThanOrEqual(2);
});

test("one failure among successes takes nobody out, and a status may be said to be fine", async () => {
  await using cluster = await startCluster(2, `healthCheck: {http: {statuses: [401]}, ${OFTEN}}`);
  const counts = cluster.backends.map(() => 0);
  for (const [i, backend] of cluster.backends.entries())
    backend.script = (request, to) =>
      answer(request.raw.includes("mesh-health-check") && ++counts[i]! % 3 === 0 ? 500 : 401)(request, to);

  await eventually(() => expect(Math.min(...counts)).toBeGreaterThan(6));

  expect(downOf(cluster.plane)).toEqual([]);
});

test("a check that gets no answer in time has failed", async () => {
  await using cluster = await startCluster(2, `healthCheck: {http: {}, ${OFTEN.replace("500ms", "30ms")}}`);
  const stuck = cluster.backends[0]!;
  stuck.script = () => Promise.withResolvers<void>().promise;

  await eventually(() => expect(downOf(cluster.plane)).toEqual([[stuck.address, "no answer within 30 ms"]]));
});

test("a port that takes no connections is found dead, and alive again when it does", async () => {
  await using cluster = await startCluster(2, `healthCheck: {tcp: {}, ${OFTEN}}`);
  const [gone] = cluster.backends;
  await eventually(async () =>
    expect(await cluster.plane.metric("mesh_health_checks_total", { outcome: "passed" })).toBeGreaterThan(2),
  );

  await gone![Symbol.asyncDispose]();
  await eventually(() => expect(downOf(cluster.plane)[0]?.[0]).toBe(gone!.address));
  const meanwhile = await answersOf(cluster, 8);

  expect(meanwhile).toEqual(new Set(["1"]));
  expect(downOf(cluster.plane)[0]![1]).toContain("ECONNREFUSED");
});

test("a gRPC server is asked for the health of the service that the policy names", async () => {
  const asked: string[] = [];
  let status = 1;
  using server = await startHealth((service) => {
    asked.push(service);
    return status;
  });
  const config = `{apiVersion: mesh.dev/v1, kind: TrafficPolicy, metadata: {name: web},
    spec: {targetRefs: [{kind: Service, name: web}], healthCheck: {grpc: {service: shop.Cart}, ${OFTEN}}}}`;
  await using plane = await startPlane(server.port, { appProtocol: "grpc", config });
  const passed = () => plane.metric("mesh_health_checks_total", { outcome: "passed" });

  await eventually(async () => expect(await passed()).toBeGreaterThan(1));
  status = 2;
  await eventually(() => expect(downOf(plane)).toEqual([[`127.0.0.1:${server.port}`, "it says NOT_SERVING"]]));

  expect(new Set(asked)).toEqual(new Set(["shop.Cart"]));
});

test("a workload with a sidecar is asked by mutual TLS, through its sidecar", async () => {
  const policy = `{apiVersion: mesh.dev/v1, kind: TrafficPolicy, metadata: {name: web},
    spec: {targetRefs: [{kind: Service, name: web}], healthCheck: {http: {path: /ready}, ${OFTEN}}}}`;
  await using mesh = await startMesh({ config: `${serviceYaml("web")}---\n${policy}` });
  await using backend = await startBackend(ok("hello"));
  await mesh.join("web", { port: backend.port });
  const shop = await mesh.join("shop");
  await using client = await connect(shop.outbound);
  // What nobody calls is not known to a proxy, and not checked.
  await eventually(async () => expect((await client.request(toService("web"))).text).toBe("hello"));

  await eventually(() =>
    expect(backend.requests.filter(({ target }) => target === "/ready").length).toBeGreaterThan(3),
  );
  backend.script = (request, to) => (request.target === "/ready" ? answer(500) : ok("hello"))(request, to);
  await eventually(() => {
    const line = shop.said("endpoint fails its checks").at(-1);
    expect(line).toMatchObject({ cluster: "default/web:80", problem: "status 500" });
  });

  // It is the only one: better to try it than to answer nothing.
  expect((await client.request(toService("web"))).text).toBe("hello");
}, 30_000);

function downOf(plane: Plane): [endpoint: string, problem: string][] {
  const lines = plane.warnings.map((line) => JSON.parse(line));
  return lines
    .filter(({ msg, message, text }) => [msg, message, text].includes("endpoint fails its checks"))
    .map(({ endpoint, problem }) => [endpoint, problem]);
}

async function answersOf(cluster: ServedCluster, count: number): Promise<ReadonlySet<string>> {
  const answers = await Promise.all(Array.from({ length: count }, () => cluster.get()));
  return new Set(answers.map(({ text }) => text));
}

/** A server that knows nothing but grpc.health.v1.Health/Check; `statusOf` gives the number of a ServingStatus. */
async function startHealth(statusOf: (service: string) => number) {
  const same = (bytes: Buffer): Buffer => bytes;
  const Check = {
    path: "/grpc.health.v1.Health/Check",
    requestStream: false,
    responseStream: false,
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  } as const;
  const server = new Server();
  server.addService({ Check }, {
    Check: (call: { request: Buffer }, done: (error: null, bytes: Buffer) => void) =>
      done(null, Buffer.from([0x08, statusOf(call.request.subarray(2).toString())])),
  } as never);
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) =>
      error === null ? resolve(port) : reject(error),
    ),
  );
  return { port, [Symbol.dispose]: () => server.forceShutdown() };
}
