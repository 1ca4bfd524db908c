import { expect, test } from "bun:test";
import { serviceYaml, startMesh, type TestMesh } from "../harness/mesh.ts";
import { eventually, ok, type Script, slowly, startBackend } from "../harness/mod.ts";
import { startTraffic, toService } from "../harness/traffic.ts";

const ROUTE = `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: web }
spec:
  parentRefs: [{ group: "", kind: Service, name: web }]
  rules:
    - backendRefs:
        - { name: web-v1, port: 80, weight: 3 }
        - { name: web-v2, port: 80, weight: 0 }
`;
const SERVICES = ["web", "web-v1", "web-v2"].map((name) => serviceYaml(name)).join("\n---\n");
/** The same two as one Service in two parts. */
const SUBSETS = `${serviceYaml("both", "group: both")}---
apiVersion: mesh.dev/v1
kind: TrafficPolicy
metadata: { name: both }
spec:
  targetRefs: [{ kind: Service, name: both }]
  subsets: [{ name: first, labels: { part: first } }, { name: second, labels: { part: second } }]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: both }
spec:
  parentRefs: [{ group: "", kind: Service, name: both }]
  rules:
    - backendRefs:
        - { group: mesh.dev, kind: Subset, name: both.first, port: 80, weight: 1 }
        - { group: mesh.dev, kind: Subset, name: both.second, port: 80, weight: 0 }
`;
const QUICK = ["--interval", "600ms", "--min-requests", "10"];
/** A busy machine is no reason against a version. */
const SURE = [...QUICK, "--max-latency", "9999"];

test("a version that holds gets all requests in the end, and the applied route has its weights", async () => {
  await using scene = await startScene(ok("v2"));
  await scene.mesh.apply(ROUTE);
  await using traffic = startTraffic(scene.shop.outbound, toService("web"));

  const run = await scene.rollout("start", "web", "--to", "web-v2", "--steps", "20,60,100", ...SURE, "--wait");

  expect(run.stdout).toContain("Promoted");
  expect(run.code).toBe(0);
  const [row] = await scene.mesh.client.rollouts();
  expect(row!.steps.map(({ percent, verdict }) => `${percent} ${verdict}`)).toEqual(["20 held", "60 held", "100 held"]);
  for (const step of row!.steps) expect(step.new!.requests).toBeGreaterThanOrEqual(10);
  const { document } = await scene.mesh.client.resource("HTTPRoute", "default", "web");
  expect(JSON.stringify(document)).toContain('{"name":"web-v2","port":80,"weight":1000}');
  const before = traffic.answers.get("v1");
  await traffic.more(200);
  expect(traffic.answers.get("v1")).toBe(before);
  await traffic.stop();
  expect(traffic.failures).toEqual([]);
  expect((await scene.rollout("status", "web")).stdout).toMatch(/100 %.*held/);
}, 60_000);

test("a version that fails gets nothing any more, and the record says why", async () => {
  await using scene = await startScene(async (request, to) => {
    await request.body;
    await to.write("HTTP/1.1 500 Broken\r\nContent-Length: 0\r\n\r\n");
  });
  await scene.mesh.apply(ROUTE);
  await using traffic = startTraffic(scene.shop.outbound, toService("web"));

  const run = await scene.rollout("start", "web", "--to", "web-v2", "--steps", "20,100", ...SURE, "--wait");

  expect(run.code).toBe(1);
  const [row] = await scene.mesh.client.rollouts();
  expect(row).toMatchObject({ state: "Aborted", steps: [{ percent: 20, verdict: "failed" }] });
  expect(row!.reason).toMatch(/^100 % of \d+ requests failed; at most 1 % may, the old have 0 %$/);
  await eventually(async () => {
    const served = scene.second.requests.length;
    await traffic.more(100);
    return scene.second.requests.length === served;
  });
}, 60_000);

test("a subset of a Service is a version too", async () => {
  await using scene = await startScene(ok("v2"));
  await scene.mesh.apply(SUBSETS);
  await using traffic = startTraffic(scene.shop.outbound, toService("both"));

  const run = await scene.rollout("start", "both", "--to", "both.second", "--steps", "50,100", ...SURE, "--wait");

  expect(run.stdout).toContain("Promoted");
  const [row] = await scene.mesh.client.rollouts();
  expect(row!.steps[0]!.new!.requests).toBeGreaterThanOrEqual(10);
  await traffic.stop();
  expect(traffic.failures).toEqual([]);
}, 60_000);

test("a version that is slower than the old goes back", async () => {
  await using scene = await startScene(slowly(80, ok("slow")));
  await scene.mesh.apply(ROUTE);
  await using _traffic = startTraffic(scene.shop.outbound, toService("web"));

  const run = await scene.rollout("start", "web", "--to", "web-v2", "--steps", "50,100", ...QUICK, "--wait");

  expect(run.code).toBe(1);
  const [row] = await scene.mesh.client.rollouts();
  expect(row!.reason).toMatch(/^nine of ten requests took up to \d/);
}, 60_000);

test("operators pause, resume, promote and abort, and nobody starts twice", async () => {
  await using scene = await startScene(ok("v2"));
  await scene.mesh.apply(ROUTE);
  const start = ["start", "web", "--to", "web-v2", "--steps", "10,100", "--interval", "1h"];

  expect((await scene.rollout(...start)).code).toBe(0);
  expect((await scene.rollout(...start)).stderr).toContain("one is Progressing; promote or abort it first");
  expect((await scene.rollout("pause", "web")).stdout).toContain("Paused");
  expect((await scene.rollout("resume", "web")).stdout).toContain("Progressing");
  scene.mesh.control.kill("SIGKILL");
  await scene.mesh.control.exited;
  await scene.mesh.restart();
  await eventually(async () => (await scene.mesh.client.rollouts())[0]!.steps.length === 3);
  expect((await scene.rollout("abort", "web")).stdout).toContain("Aborted");
  expect((await scene.rollout("promote", "web")).stderr).toContain("it is Aborted");
  expect((await scene.rollout("start", "web", "--to", "web-v3")).stderr).toContain("which has web-v1, web-v2");
}, 60_000);

test("what was promoted ends where the route is written anew, also with the weights from before", async () => {
  await using scene = await startScene(ok("v2"));
  await scene.mesh.apply(ROUTE);
  await using traffic = startTraffic(scene.shop.outbound, toService("web"));
  await scene.rollout("start", "web", "--to", "web-v2", "--interval", "1h");
  expect((await scene.rollout("promote", "web")).stdout).toContain("Promoted");

  await scene.mesh.apply(ROUTE);

  await eventually(async () => {
    const served = scene.second.requests.length;
    await traffic.more(20);
    return scene.second.requests.length === served;
  });
}, 60_000);

test("a rollout whose backend has gone gives its requests back", async () => {
  await using scene = await startScene(ok("v2"));
  await scene.mesh.apply(`${ROUTE.replace("web-v2", "extra")}${serviceYaml("extra", "part: second")}`);
  await scene.rollout("start", "web", "--to", "extra", "--steps", "50,100", "--interval", "1h");

  await scene.mesh.verb("delete", "service", "extra");

  await eventually(async () => (await scene.mesh.client.rollouts())[0]!.state === "Aborted");
  expect((await scene.mesh.client.rollouts())[0]!.reason).toBe("there is nothing behind the backend extra");
}, 60_000);

test("a rollout whose route has gone is not promoted, and says why", async () => {
  await using scene = await startScene(ok("v2"));
  await scene.mesh.apply(ROUTE);
  await scene.rollout("start", "web", "--to", "web-v2", "--interval", "1h");
  await scene.rollout("pause", "web");
  await scene.mesh.verb("delete", "httproute", "web");

  expect((await scene.rollout("promote", "web")).stderr).toContain("the route or its rule is gone; abort it");
  expect((await scene.rollout("abort", "web")).stdout).toContain("Aborted");
}, 60_000);

test("a route that its author changes under way is left to its author", async () => {
  await using scene = await startScene(ok("v2"));
  await scene.mesh.apply(ROUTE);
  await scene.rollout("start", "web", "--to", "web-v2", "--interval", "1h");

  await scene.mesh.apply(ROUTE.replace("weight: 3", "weight: 7"));

  await eventually(async () => (await scene.mesh.client.rollouts())[0]!.state === "Aborted");
  expect((await scene.mesh.client.rollouts())[0]!.reason).toBe("the backends of the rule were changed");
}, 60_000);

/** A caller and two versions of one service, the second with a script. */
async function startScene(script: Script) {
  const mesh: TestMesh = await startMesh({ config: SERVICES });
  const first = await startBackend(ok("v1"));
  const second = await startBackend(script);
  const labels = (part: string): readonly string[] => ["--label", "group=both", "--label", `part=${part}`];
  await mesh.join("web-v1", { port: first.port, flags: labels("first") });
  await mesh.join("web-v2", { port: second.port, flags: labels("second") });
  const shop = await mesh.join("shop");
  await mesh.settled();
  return {
    ...{ mesh, shop, second },
    rollout: (...args: readonly string[]) => mesh.verb("rollout", ...args),
    async [Symbol.asyncDispose]() {
      await mesh[Symbol.asyncDispose]();
      await first[Symbol.asyncDispose]();
      await second[Symbol.asyncDispose]();
    },
  };
}
