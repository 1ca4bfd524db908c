import { expect, test } from "bun:test";
import { grpcClient, startGrpc, unaryCall } from "../harness/grpc.ts";
import { block, END_HEADERS, END_STREAM, frame, HEADERS, startHttp2Backend } from "../harness/http2.ts";
import { answer, type Backend, eventually, inTurn, ok, reset, stall, startBackend } from "../harness/mod.ts";
import { type Plane, startPlane } from "../harness/plane.ts";
import { byHttp1, byHttp2, endpointYaml, routeYaml } from "../harness/routed.ts";

const WEB = "backendRefs: [{name: web, port: 80}]";
const RETRY = "retry: {attempts: 2, codes: [503], backoff: 1ms}";

for (const [version, send] of [
  ["HTTP/1.1", byHttp1],
  ["HTTP/2", byHttp2],
] as const) {
  test(`a status that its rule names is tried again elsewhere, for a request by ${version}`, async () => {
    await using setUp = await twoBackends(routeYaml(`{${WEB}, ${RETRY}}`));
    const { plane, backends } = setUp;
    for (const backend of backends) backend.script = answer(503, "busy");
    const refused = await send(plane.port, {});
    backends[1]!.script = ok("fine");

    const got = await send(plane.port, { method: "PUT", body: "the body" });

    expect([refused.status, refused.text, got.status, got.text]).toEqual([503, "busy", 200, "fine"]);
    const bodies = await Promise.all(
      requestsOf(backends, "PUT").map(async ({ body }) => (await body).bytes.toString()),
    );
    expect(new Set(bodies)).toEqual(new Set(["the body"]));
    expect(await plane.metric("istio_requests_total", { response_flags: "URX", response_code: "503" })).toBe(1);
    expect(await plane.metric("mesh_retries_total", { outcome: "made", reason: "status" })).toBeGreaterThanOrEqual(2);
  });
}

test("a POST that an upstream has read is never sent twice, whatever its rule retries", async () => {
  await using setUp = await twoBackends(routeYaml(`{${WEB}, ${RETRY}, timeouts: {backendRequest: 200ms}}`));
  const { plane, backends } = setUp;
  const statuses: number[] = [];

  for (const script of [answer(503), reset(), stall()]) {
    for (const backend of backends) backend.script = script;
    statuses.push((await byHttp1(plane.port, { method: "POST", body: "pay" })).status);
  }

  expect(statuses).toEqual([503, 502, 504]);
  expect(requestsOf(backends, "POST")).toHaveLength(3);
});

test("an attempt that takes too long makes room for another, and all of them for the request's deadline", async () => {
  const times = "timeouts: {backendRequest: 100ms, request: 60s}";
  await using setUp = await twoBackends(routeYaml(`{${WEB}, ${RETRY}, ${times}}`));
  const { plane, backends } = setUp;
  for (const backend of backends) backend.script = inTurn(stall(), ok("fine"));
  const got = await byHttp1(plane.port, {});
  const tried = await plane.metric("mesh_retries_total", { outcome: "made", reason: "timeout" });
  for (const backend of backends) backend.script = stall();

  const late = byHttp1(plane.port, {});
  await eventually(() => plane.active === 1);
  plane.skip(61_000);

  expect([got.text, (await late).status]).toEqual(["fine", 504]);
  expect(tried).toBe(2);
});

test("an upstream's Retry-After is waited for, where the deadline allows", async () => {
  await using setUp = await twoBackends(routeYaml(`{${WEB}, ${RETRY}, timeouts: {request: 60s}}`));
  const { plane, backends } = setUp;
  const busy = answer(503, "", [["Retry-After", "30"]]);
  for (const backend of backends) backend.script = inTurn(busy, ok("fine"));

  const waiting = byHttp1(plane.port, {});
  await eventually(() => requestsOf(backends, "GET").length === 1);
  await eventually(async () => (await plane.metric("mesh_retries_total", { outcome: "made" })) === 1);
  plane.skip(29_000);
  expect(requestsOf(backends, "GET")).toHaveLength(1);
  plane.skip(1_500);
  for (const backend of backends) backend.script = ok("fine");

  expect((await waiting).text).toBe("fine");
});

test("an attempt beside a slow one answers first, and the slow one is given up", async () => {
  const policy = "hedge: {after: 50ms}";
  await using setUp = await twoBackends(policyYaml(policy));
  const { plane, backends } = setUp;
  backends[0]!.script = stall();
  backends[1]!.script = ok("quick", [["x-from", "two"]]);

  const texts = new Set<string>();
  for (let i = 0; i < 6; i++) texts.add((await byHttp1(plane.port, {})).text);
  for (let i = 0; i < 4; i++) texts.add((await byHttp2(plane.port, {})).text);

  expect(texts).toEqual(new Set(["quick"]));
  expect(await plane.metric("mesh_hedges_total", { outcome: "won" })).toBeGreaterThanOrEqual(1);
  await eventually(() => plane.active === 0);
  await eventually(() => backends[0]!.connections.every(({ isOpen }) => !isOpen));
});

test("a session stays with its endpoint, by a cookie that names no address", async () => {
  const session = "sessionPersistence: {type: Cookie, sessionName: sid}";
  await using setUp = await twoBackends(routeYaml(`{${WEB}, ${session}}`));
  const { plane, backends } = setUp;
  backends[0]!.script = ok("one");
  backends[1]!.script = ok("two");

  const first = await byHttp1(plane.port, {});
  const cookie = first.get("set-cookie")!.split(";")[0]!;
  const again = new Set<string>();
  for (let i = 0; i < 6; i++) again.add((await byHttp2(plane.port, { fields: [["cookie", `a=b; ${cookie}`]] })).text);
  const forged = await byHttp1(plane.port, { fields: [["cookie", `sid=${"A".repeat(22)}`]] });

  expect(again).toEqual(new Set([first.text]));
  expect(cookie).not.toContain("127.0.0.1");
  expect([forged.status, forged.get("set-cookie")!.startsWith("sid=")]).toEqual([200, true]);
});

test("a call of gRPC whose status its rule names is tried again elsewhere, also where its head came first", async () => {
  await using up = await startGrpc();
  await using down = await startHttp2Backend((peer, { stream }) => {
    peer.write(
      frame(
        HEADERS,
        END_HEADERS,
        stream,
        block([
          [":status", "200"],
          ["content-type", "application/grpc"],
        ]),
      ),
    );
    peer.write(frame(HEADERS, END_HEADERS | END_STREAM, stream, block([["grpc-status", "14"]])));
  });
  const policy = "retry: {attempts: 3, grpcStatuses: [14], backoff: {base: 1ms}}";
  const config = endpointYaml("web", down.port) + policyYaml(policy);
  await using plane = await startPlane(up.port, { config, appProtocol: "grpc" });
  const client = grpcClient(plane.port);

  const ends = [];
  for (let i = 0; i < 6; i++) ends.push(await unaryCall(client, "Unary", Buffer.from("hello")));
  client.close();

  expect(ends.map(({ code }) => code)).toEqual(Array(6).fill(0));
  expect(down.peers.length).toBeGreaterThan(0);
  expect(await plane.metric("mesh_retries_total", { outcome: "made", reason: "grpc-status" })).toBeGreaterThan(0);
  expect(await plane.metric("istio_requests_total", { request_protocol: "grpc", grpc_response_status: "0" })).toBe(6);
});

interface TwoBackends {
  readonly plane: Plane;
  readonly backends: readonly [Backend, Backend];
  [Symbol.asyncDispose](): Promise<void>;
}

/** `web` with two endpoints. */
async function twoBackends(config: string): Promise<TwoBackends> {
  const backends = [await startBackend(), await startBackend()] as const;
  const plane = await startPlane(backends[0].port, { config: endpointYaml("web", backends[1].port) + config });
  return {
    plane,
    backends,
    async [Symbol.asyncDispose]() {
      await eventually(() => plane.active === 0);
      expect(plane.warnings.filter((line) => line.includes("bug"))).toEqual([]);
      await plane[Symbol.asyncDispose]();
      for (const backend of backends) await backend[Symbol.asyncDispose]();
    },
  };
}

function policyYaml(policy: string): string {
  return `---
apiVersion: mesh.dev/v1
kind: TrafficPolicy
metadata: {name: web}
spec: {targetRefs: [{group: "", kind: Service, name: web}], ${policy}}
`;
}

function requestsOf(backends: readonly Backend[], method: string) {
  return backends.flatMap(({ requests }) => requests).filter((request) => request.method === method);
}
