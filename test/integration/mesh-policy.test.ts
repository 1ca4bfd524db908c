import { expect, test } from "bun:test";
import { join } from "node:path";
import { assemble } from "../../core/plugin/kernel/build.ts";
import { serviceYaml, startMesh } from "../harness/mesh.ts";
import { connect, eventually, ok, startBackend } from "../harness/mod.ts";
import { policyText } from "../harness/policy.ts";
import { startTraffic, toService } from "../harness/traffic.ts";

test("a guard refuses where the request arrives, and the app sees neither it nor any key", async () => {
  await using mesh = await startMesh({ config: serviceYaml("web") + apiKey({ alice: "alice-key" }) });
  await using backend = await startBackend(ok("hello"));
  const web = await mesh.join("web", { port: backend.port });
  const shop = await mesh.join("shop");
  await mesh.settled();
  await using client = await connect(shop.outbound);
  const ask = (key: string) => client.request(toService("web", "/", key === "" ? [] : [["x-api-key", key]]));

  const statuses = [(await ask("")).status, (await ask("guess")).status, (await ask("alice-key")).status];

  expect(statuses).toEqual([401, 401, 200]);
  expect(backend.requests).toHaveLength(1);
  const fields = backend.requests[0]!.fields.map(([name, value]) => `${name.toLowerCase()}: ${value}`);
  expect(fields).toContain("x-consumer: alice");
  expect(fields.filter((line) => line.startsWith("x-api-key"))).toEqual([]);
  const refused = await web.lines((line) => line["response_code"] === 401, 2);
  expect(refused[0]).toMatchObject({ response_flags: "UAEX", policy: "default/api-key", upstream_host: null });
  const passedOn = await shop.lines((line) => line["response_code"] === 401, 2);
  expect(passedOn[0]).toMatchObject({ response_flags: "-", policy: null });
  expect(await web.metric("mesh_refusals_total", { reason: "UAEX", direction: "inbound" })).toBe(2);
});

test("a routing policy sends testers elsewhere, where the request leaves", async () => {
  const canary = pluginYaml("canary", "Routing", "{header: x-tester, destination: web-v2}", "{builtin: canary}");
  const services = serviceYaml("web", "app: web") + serviceYaml("web-v2", "app: web-v2");
  await using mesh = await startMesh({ config: `${services}${canary}  destinations: [{name: web-v2}]\n` });
  await using stable = await startBackend(ok("v1"));
  await using next = await startBackend(ok("v2"));
  await mesh.join("web", { port: stable.port });
  await mesh.join("web-v2", { port: next.port });
  const shop = await mesh.join("shop");
  await mesh.settled();
  await using client = await connect(shop.outbound);

  const tester = await client.request(toService("web", "/", [["x-tester", "me"]]));
  const other = await client.request(toService("web"));

  expect([tester.text, other.text]).toEqual(["v2", "v1"]);
});

test("two workers share one limit, to the request", async () => {
  const limit = pluginYaml(
    "rate-limit",
    "RateLimit",
    "{key: source, limit: 50, windowMs: 3600000}",
    "{builtin: rate-limit}",
  );
  await using mesh = await startMesh({ config: serviceYaml("web") + limit });
  await using backend = await startBackend(ok("hello"));
  const web = await mesh.join("web", { port: backend.port, flags: ["--concurrency", "2"] });
  const shop = await mesh.join("shop");
  await mesh.settled();
  const retryAfter = new Set<string | null>();

  await using traffic = startTraffic(shop.outbound, {
    ...toService("web"),
    lanes: 16,
    seen: (response) => response.status === 429 && retryAfter.add(response.get("retry-after")),
  });
  await traffic.more(300);
  await traffic.stop();

  expect(backend.requests).toHaveLength(50);
  expect(traffic.answers.get("hello")).toBe(50);
  expect(traffic.failures).toHaveLength(traffic.sent - 50);
  expect([...retryAfter].every((seconds) => Number(seconds) > 0)).toBe(true);
  expect(await web.metric("mesh_refusals_total", { reason: "RL" })).toBe(traffic.sent - 50);
});

test("a policy's config is swapped under load, and no request falls between", async () => {
  await using mesh = await startMesh({ config: serviceYaml("web") });
  await using backend = await startBackend(ok("hello"));
  await mesh.join("web", { port: backend.port });
  const shop = await mesh.join("shop");
  await mesh.apply(apiKey({ alice: "alice-key" }));
  await mesh.settled();
  await using traffic = startTraffic(shop.outbound, toService("web", "/", [["x-api-key", "alice-key"]]));
  await using client = await connect(shop.outbound);
  const bob = async () => (await client.request(toService("web", "/", [["x-api-key", "bob-key"]]))).status;
  const statuses = [await bob()];

  for (const keys of [{ bob: "bob-key" }, {}, { bob: "bob-key" }]) {
    await traffic.more(20);
    await mesh.apply(apiKey({ alice: "alice-key", ...keys }));
    statuses.push(await bob());
  }
  await traffic.more(20);
  await traffic.stop();

  expect(statuses).toEqual([401, 200, 401, 200]);
  expect(traffic.failures).toEqual([]);
});

test("a policy that spins costs its own requests only, and its failure mode says what becomes of them", async () => {
  await using mesh = await startMesh({ config: serviceYaml("web") });
  await using backend = await startBackend(ok("hello"));
  const web = await mesh.join("web", { port: backend.port });
  const shop = await mesh.join("shop");
  await mesh.settled();
  // Longer than any request of the self-test, and than those of the others here.
  const body = "(if (i64.gt_u (call $length) (i64.const 2000)) (then (loop $for_ever (br $for_ever))))";
  const imports = '(import "extism:host/env" "input_length" (func $length (result i64)))';
  await mesh.folder.write("spin/spin.wasm", assemble(policyText('{"action":"continue"}', { imports, body })));
  await mesh.folder.write("spin/manifest.yaml", "wasm: [{path: spin.wasm}]\n");
  await using traffic = startTraffic(shop.outbound, { ...toService("web"), lanes: 2 });
  await using client = await connect(shop.outbound);
  const statuses: number[] = [];

  for (const mode of ["Closed", "Open"]) {
    const spin = pluginYaml("spin", "Authorization", "{}", "{file: spin/manifest.yaml}");
    const file = await mesh.folder.write("spin.yaml", `${spin}  failureMode: ${mode}\n`);
    expect(await mesh.verb("apply", "-f", file, "--wait")).toMatchObject({ code: 0, stderr: "" });
    statuses.push((await client.request(toService("web", "/", [["x-attack", "y".repeat(2000)]]))).status);
    await traffic.more(20);
  }
  await traffic.stop();

  expect(statuses).toEqual([500, 200]);
  expect(traffic.failures).toEqual([]);
  const line = (await web.lines(({ response_code }) => response_code === 500))[0]!;
  expect(line).toMatchObject({ response_flags: "PF", policy: "default/spin" });
  expect(await web.metric("mesh_policy_calls_total", { policy: "default/spin", outcome: "fault_fuel" })).toBe(2);
});

test("an Extism manifest in an applied Plugin brings its config, and survives the control plane's end", async () => {
  await using mesh = await startMesh({ config: serviceYaml("web") });
  await using backend = await startBackend(ok("hello"));
  await mesh.join("web", { port: backend.port });
  const shop = await mesh.join("shop");
  await mesh.settled();
  const source = join(import.meta.dir, "..", "..", "plugins", "api-key", "manifest.yaml");
  const file = await mesh.folder.write("key.yaml", pluginYaml("api-key", "Authentication", "{}", `{file: ${source}}`));

  const applied = await mesh.verb("apply", "-f", file, "--wait");
  mesh.control.kill("SIGKILL");
  await mesh.control.exited;
  await mesh.restart();
  await mesh.settled();
  // A change makes everything anew from what was kept.
  await mesh.apply(serviceYaml("other"));

  expect(applied).toMatchObject({ code: 0 });
  expect((await mesh.client.status()).control.problems).toEqual([]);
  await using client = await connect(shop.outbound);
  await eventually(async () => {
    expect((await client.request(toService("web", "/", [["x-api-key", "demo"]]))).status).toBe(200);
    expect((await client.request(toService("web"))).status).toBe(401);
  });
});

function apiKey(keys: Readonly<Record<string, string>>): string {
  return pluginYaml("api-key", "Authentication", `{keys: ${JSON.stringify(keys)}}`, "{builtin: api-key}");
}

function pluginYaml(name: string, phase: string, config: string, source: string): string {
  return `---
apiVersion: mesh.dev/v1
kind: Plugin
metadata: {name: ${name}}
spec:
  targetRefs: [{kind: Service, name: web}]
  source: ${source}
  phase: ${phase}
  config: ${config}
`;
}
