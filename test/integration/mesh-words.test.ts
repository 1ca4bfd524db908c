import { expect, test } from "bun:test";
import { mkdirSync, renameSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { serviceYaml, startMesh } from "../harness/mesh.ts";
import { connect, eventually, ok, runBinary, startBackend } from "../harness/mod.ts";
import { startTraffic, toService } from "../harness/traffic.ts";

test("status, endpoints and registrations tell who is there, in tables and for programs", async () => {
  await using mesh = await startMesh({ config: serviceYaml("web") });
  await using backend = await startBackend();
  const web = await mesh.join("web", { port: backend.port });
  await mesh.join("shop");
  await mesh.settled();

  const status = await mesh.verb("status");
  const rows = JSON.parse((await mesh.verb("status", "-o", "json")).stdout);
  const endpoints = await mesh.verb("get", "endpoints", "web");
  const services = JSON.parse((await mesh.verb("get", "endpoints", "web", "-o", "json")).stdout);
  const registrations = await mesh.verb("get", "registrations", "-A");

  expect(status.stdout).toMatch(/default +web +spiffe:\/\/cluster\.local\/ns\/default\/sa\/web .* runs it/);
  expect(rows.proxies).toMatchObject([
    { name: "shop", connected: true },
    { name: "web", connected: true, nack: null },
  ]);
  const address = `127.0.0.1:${web.inbound}`;
  expect(endpoints.stdout).toContain(address);
  expect(services[0].ports[0].endpoints).toMatchObject([{ port: web.inbound, identity: web.identity }]);
  expect(registrations.stdout).toMatch(/default\/web\/\S+ +default\/web|default\/web\/\S+ +web/);
});

test("a bad document is told with all that is wrong, by file and line, and what runs goes on", async () => {
  await using mesh = await startMesh({ config: serviceYaml("web") });
  await using backend = await startBackend(ok("hello"));
  await mesh.join("web", { port: backend.port });
  const shop = await mesh.join("shop");
  await mesh.settled();
  const { revision } = (await mesh.client.status()).control;
  const bad = `${serviceYaml("web")}---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web}
spec:
  parentRefs: [{kind: Service, name: web}]
  rules:
    - matches: [{headers: [{name: x-a, type: RegularExpression, value: "(?=a)b"}]}]
      backendRefs: [{name: web, port: 99999}]
`;
  const file = await mesh.folder.write("bad.yaml", bad);
  await using traffic = startTraffic(shop.outbound, toService("web"));

  const told = await mesh.verb("apply", "-f", file);
  const listed = await mesh.verb("apply", "-f", file, "-o", "json");
  const validated = await runBinary(["validate", file, "-o", "json"]);
  await traffic.more(20);
  await traffic.stop();

  expect(told.code).toBe(1);
  expect(told.stdout).toMatch(/bad\.yaml:13:\d+.*value must be a regular expression/);
  expect(told.stdout).toMatch(/bad\.yaml:14:\d+.*port must be a port/);
  expect(told.stderr.split("\n").filter((line) => line.includes("at "))).toEqual([]);
  const paths = (text: string) => JSON.parse(text).problems.map(({ path }: { path: string }) => path);
  const expected = ["spec.rules[0].matches[0].headers[0].value", "spec.rules[0].backendRefs[0].port"];
  expect(listed.code).toBe(1);
  expect(paths(listed.stdout)).toEqual(expected);
  expect({ code: validated.code, paths: paths(validated.stdout) }).toEqual({ code: 1, paths: expected });
  expect((await mesh.client.status()).control.revision).toBe(revision);
  expect(traffic.failures).toEqual([]);
});

test("a mounted ConfigMap is swapped, and every proxy runs what is in it", async () => {
  await using mesh = await startMesh();
  const config = join(mesh.folder.path, "config");
  const mount = async (version: string, text: string): Promise<void> => {
    mkdirSync(join(config, `..${version}`));
    await Bun.write(join(config, `..${version}`, "web.yaml"), text);
    symlinkSync(`..${version}`, join(config, "..data_tmp"));
    renameSync(join(config, "..data_tmp"), join(config, "..data"));
  };
  await using backend = await startBackend(ok("hello"));
  await mesh.join("web", { port: backend.port });
  const shop = await mesh.join("shop");
  await using client = await connect(shop.outbound);
  await mount("1", serviceYaml("web") + routeYaml("first"));
  symlinkSync("..data/web.yaml", join(config, "web.yaml"));
  await eventually(async () => expect((await client.request(toService("web"))).get("x-revision")).toBe("first"));

  await mount("2", serviceYaml("web") + routeYaml("second"));
  await eventually(async () => expect((await client.request(toService("web"))).get("x-revision")).toBe("second"));
  await mount("3", "kind: Nothing\n");
  const { problems } = await eventually(async () => {
    const { control } = await mesh.client.status();
    expect(control.problems).not.toEqual([]);
    return control;
  });

  expect(problems[0]).toMatchObject({ file: join(config, "web.yaml"), line: 1 });
  expect((await client.request(toService("web"))).get("x-revision")).toBe("second");
});

test("a data directory in use is refused with the process that uses it, and free when that one was killed", async () => {
  await using mesh = await startMesh();
  const first = await mesh.join("shop");

  const second = await mesh.join("shop", { known: true, early: true });
  const code = await second.program.exited;
  first.program.kill("SIGKILL");
  await first.program.exited;
  const third = await mesh.join("shop", { known: true });

  expect(code).toBe(1);
  expect(second.program.stderr.split("\n").filter((line) => line.startsWith("mesh: "))).toEqual([
    expect.stringMatching(
      new RegExp(`^mesh: Cannot use the data directory "[^"]+/shop": process ${first.program.pid} is`),
    ),
  ]);
  expect(third.identity).toEndWith("/sa/shop");
});

test("a proxy with a token that is no good ends with one line that says what to do", async () => {
  await using mesh = await startMesh();
  const spent = (await mesh.verb("token", "create", "--name", "web")).stdout.trim();
  await mesh.join("web", { known: true, flags: ["--token", spent] });

  const again = await mesh.join("web", { as: "again", known: true, early: true, flags: ["--token", spent] });

  expect(await again.program.exited).toBe(1);
  expect(again.program.stderr).toMatch(/^mesh: Cannot [^\n]*used already[^\n]*$/m);
  expect(again.program.stderr).not.toContain("    at ");
});

function routeYaml(revision: string): string {
  return `---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web}
spec:
  parentRefs: [{kind: Service, name: web}]
  rules:
    - filters: [{type: ResponseHeaderModifier, responseHeaderModifier: {set: [{name: x-revision, value: ${revision}}]}}]
      backendRefs: [{name: web, port: 80}]
`;
}
