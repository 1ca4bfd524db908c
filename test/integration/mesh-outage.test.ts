import { expect, test } from "bun:test";
import { join } from "node:path";
import { type Member, serviceYaml, startMesh } from "../harness/mesh.ts";
import { type Backend, connect, eventually, hangUp, ok, stall, startBackend } from "../harness/mod.ts";
import { startPlane } from "../harness/plane.ts";
import { startTraffic, toService } from "../harness/traffic.ts";

test("an instance is killed under load, and no caller gets an error", async () => {
  await using mesh = await startMesh({ config: serviceYaml("web") });
  await using first = await startBackend(ok("first"));
  await using second = await startBackend(ok("second"));
  const one = await mesh.join("web", { as: "web-1", port: first.port });
  await mesh.join("web", { as: "web-2", port: second.port });
  const shop = await mesh.join("shop");
  await mesh.settled();
  await using traffic = startTraffic(shop.outbound, toService("web"));
  await traffic.more(50);

  one.program.kill("SIGKILL");
  await one.program.exited;
  await traffic.more(300);
  await traffic.stop();

  expect(first.requests.length).toBeGreaterThan(0);
  expect(traffic.failures).toEqual([]);
});

test("a request that may not be repeated is never sent twice", async () => {
  await using mesh = await startMesh({ config: serviceYaml("web") });
  await using first = await startBackend(stall());
  await using second = await startBackend(stall());
  const members = new Map<Backend, Member>();
  for (const [i, backend] of [first, second].entries())
    members.set(backend, await mesh.join("web", { as: `web-${i}`, port: backend.port }));
  const shop = await mesh.join("shop");
  await mesh.settled();
  await using client = await connect(shop.outbound);

  const answer = client.request({ ...toService("web", "/order"), method: "POST" });
  const got = await eventually(() => [first, second].find(({ requests }) => requests.length > 0) ?? false);
  members.get(got as Backend)!.program.kill("SIGKILL");

  const { status, text } = await answer;
  expect({ status, text }).toEqual({ status: 502, text: expect.stringMatching(/^Cannot get a response from 127/) });
  expect([...first.requests, ...second.requests]).toHaveLength(1);
  const line = (await shop.lines(({ path }) => path === "/order"))[0]!;
  expect(line).toMatchObject({ response_flags: "UC", attempts: 1 });
});

test("a caller whose rule retries resets does not see that an app broke off behind its proxy", async () => {
  const policy = `---
apiVersion: mesh.dev/v1
kind: TrafficPolicy
metadata: {name: web}
spec: {targetRefs: [{group: "", kind: Service, name: web}], retry: {attempts: 2, on: [reset], backoff: {base: 1ms}}}
`;
  await using mesh = await startMesh({ config: serviceYaml("web") + policy });
  await using sick = await startBackend(hangUp());
  await using good = await startBackend(ok("good"));
  await mesh.join("web", { as: "web-1", port: sick.port });
  await mesh.join("web", { as: "web-2", port: good.port });
  const shop = await mesh.join("shop");
  await mesh.settled();
  await using client = await connect(shop.outbound);

  const answers = new Set<string>();
  for (let i = 0; i < 6; i++) answers.add((await client.request(toService("web"))).text);

  expect(answers).toEqual(new Set(["good"]));
  expect(sick.requests.length).toBeGreaterThan(0);
  const attempts = (await shop.lines(({ method }) => method === "GET")).map((line) => line["attempts"]);
  expect(attempts).toContain(2);
});

test("an endpoint that fails again and again is taken out, told, and comes back when it has recovered", async () => {
  await using good = await startBackend(ok("good"));
  await using sick = await startBackend(hangUp());
  await using plane = await startPlane(good.port, { config: endpointYaml(sick.port) });
  await using client = await connect(plane.port);
  const ejections = () => plane.metric("mesh_ejections_total", { reason: "reset" });

  for (let i = 0; i < 400 && (await ejections()) === 0; i++) {
    expect((await client.get("/")).text).toBe("good");
    // Its failures are forgotten by the balancer, not by the count of them.
    plane.skip(1_000);
  }

  expect(await ejections()).toBe(1);
  expect(plane.warnings.map((line) => JSON.parse(line))).toContainEqual(
    expect.objectContaining({ message: "endpoint ejected", endpoint: sick.address, reason: "reset" }),
  );
  const seen = sick.requests.length;
  for (let i = 0; i < 20; i++) await client.get("/");
  expect(sick.requests).toHaveLength(seen);
  sick.script = ok("well");
  plane.skip(60_000);
  const answers = new Set<string>();
  await eventually(async () => answers.add((await client.get("/")).text).has("well"));
  expect(await ejections()).toBe(1);
}, 20_000);

test("in an outage retries cost a fifth more load, never a multiple", async () => {
  await using backend = await startBackend(hangUp());
  await using plane = await startPlane(backend.port);
  const requests = 500;

  for (let i = 0; i < requests; i++) {
    await using client = await connect(plane.port);
    expect((await client.get("/")).status).toBe(502);
  }

  const retries = backend.requests.length - requests;
  expect(retries).toBeGreaterThanOrEqual(100);
  expect(retries).toBeLessThanOrEqual(100 + requests / 5);
  expect(await plane.metric("mesh_retries_total", { outcome: "made" })).toBe(retries);
});

test("the control plane is killed: traffic goes on, restarted proxies serve from disk, and all is there again after", async () => {
  await using mesh = await startMesh({ config: serviceYaml("web") });
  await using backend = await startBackend(ok("hello"));
  await using other = await startBackend(ok("cart"));
  await mesh.join("web", { port: backend.port });
  await mesh.join("cart", { port: other.port });
  const shop = await mesh.join("shop");
  const desk = await mesh.join("desk");
  await mesh.apply(serviceYaml("cart"));
  await mesh.settled();
  const bundle = await mesh.client.bundle();
  const spare = await mesh.client.createToken({ namespace: "default", name: "late" });
  await ask(desk, "web");
  const kept = Bun.file(join(mesh.folder.path, "desk", "snapshot.json"));
  await eventually(async () => (await kept.text()).includes('"service","name":"default/web"'));
  await using traffic = startTraffic(shop.outbound, { ...toService("web"), lanes: 2 });
  await traffic.more(20);

  mesh.control.kill("SIGKILL");
  await mesh.control.exited;
  // Nobody can say what it is before the control plane is back: it waits.
  const parked = ask(shop, "cart");
  await desk[Symbol.asyncDispose]();
  const again = await mesh.join("desk", { known: true });
  const fromDisk = await ask(again, "web");
  await traffic.more(100);
  await mesh.restart();

  expect(fromDisk.text).toBe("hello");
  expect((await parked).text).toBe("cart");
  await mesh.settled(4);
  await traffic.stop();
  expect(traffic.failures).toEqual([]);
  expect(await mesh.client.bundle()).toBe(bundle);
  expect((await mesh.client.resources("Service")).map(({ name }) => name).sort()).toEqual(["cart", "web"]);
  const late = await mesh.join("late", { known: true, flags: ["--token", spare.token] });
  expect(late.identity).toEndWith("/sa/late");
}, 20_000);

async function ask(member: Member, host: string) {
  await using client = await connect(member.outbound);
  return await client.request(toService(host));
}

/** A second endpoint of `web`. */
function endpointYaml(port: number): string {
  return `apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-2, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
endpoints: [{addresses: [127.0.0.1]}]
ports: [{name: http, port: ${port}}]
`;
}
