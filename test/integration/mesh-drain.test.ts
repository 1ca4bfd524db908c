import { expect, test } from "bun:test";
import { freePort, serviceYaml, startMesh } from "../harness/mesh.ts";
import { connect, eventually, type Folder, ok, startBackend } from "../harness/mod.ts";
import { startTraffic, toService } from "../harness/traffic.ts";

test("an instance that is told to stop leaves first and ends after, with its app's exit code and no error anywhere", async () => {
  await using mesh = await startMesh({ config: serviceYaml("web") });
  const { client } = mesh;
  await using other = await startBackend(ok("second"));
  const port = freePort();
  const first = await mesh.join("web", { as: "web-1", port, command: await appIn(mesh.folder, port) });
  await mesh.join("web", { as: "web-2", port: other.port });
  const shop = await mesh.join("shop");
  await mesh.settled();
  await using traffic = startTraffic(shop.outbound, toService("web"));
  await eventually(() => (traffic.answers.get("first") ?? 0) > 20);
  await using held = await connect(shop.outbound);
  const slow = slowOnFirst(held);
  await eventually(() => first.program.lines.includes("app holds a request"));

  first.program.kill("SIGTERM");
  await eventually(async () => (await mesh.endpoints("web")) === 1);
  // Every proxy runs the revision without it, and what was under way before that has ended.
  await eventually(async () => (await client.revision((await client.status()).control.revision)).done);
  await traffic.more(8);
  const before = traffic.answers.get("first");
  await traffic.more(100);
  const during = [...first.program.lines];
  await fetch(`http://127.0.0.1:${port}/release`);

  expect(await slow).toBe("held");
  expect(await first.program.exited).toBe(7);
  await traffic.stop();
  expect(traffic.failures).toEqual([]);
  expect(traffic.answers.get("first")).toBe(before);
  expect(during).not.toContain("app got SIGTERM");
  expect(first.program.lines).toContain("app got SIGTERM");
}, 20_000);

test("a second signal does not wait, and leaves no app behind", async () => {
  await using mesh = await startMesh({ config: serviceYaml("web") });
  const port = freePort();
  const web = await mesh.join("web", { port, command: await appIn(mesh.folder, port) });
  const shop = await mesh.join("shop");
  await mesh.settled();
  await using held = await connect(shop.outbound);
  const slow = held.request(toService("web", "/hold")).catch(() => null);
  await eventually(() => web.program.lines.includes("app holds a request"));

  web.program.kill("SIGTERM");
  await eventually(async () => (await mesh.endpoints("web")) === 0);
  web.program.kill("SIGTERM");

  expect(await web.program.exited).toBe(128 + 15);
  expect((await slow)?.status).not.toBe(200);
  await eventually(async () => !(await takesConnections(port)));
});

test("a job calls others through its sidecar, ends with its own exit code, and is gone at once", async () => {
  await using mesh = await startMesh({ config: serviceYaml("web") });
  await using backend = await startBackend(ok("hello"));
  await mesh.join("web", { port: backend.port });
  await mesh.settled();
  const call = 'const r = await fetch("http://web/"); console.log(await r.text()); process.exit(3);';

  const job = await mesh.join("job", { command: [process.execPath, "-e", call], early: true });

  expect(await job.program.exited).toBe(3);
  expect(job.program.lines).toContain("hello");
  expect((await mesh.client.workloads()).map(({ key }) => key)).toEqual([expect.stringContaining("web")]);
});

test("an app that dies takes its sidecar along, and no caller gets an error", async () => {
  await using mesh = await startMesh({ config: serviceYaml("web") });
  await using other = await startBackend(ok("second"));
  const port = freePort();
  const first = await mesh.join("web", { as: "web-1", port, command: await appIn(mesh.folder, port) });
  await mesh.join("web", { as: "web-2", port: other.port });
  const shop = await mesh.join("shop");
  await mesh.settled();
  await using traffic = startTraffic(shop.outbound, toService("web"));
  await eventually(() => (traffic.answers.get("first") ?? 0) > 20);

  process.kill(Number(await (await fetch(`http://127.0.0.1:${port}/pid`)).text()), "SIGKILL");

  expect(await first.program.exited).toBe(128 + 9);
  expect((await mesh.client.workloads()).length).toBe(2);
  await traffic.more(100);
  await traffic.stop();
  expect(traffic.failures).toEqual([]);
});

test("an app that is away behind its sidecar is passed over, for what may not be repeated too", async () => {
  await using mesh = await startMesh({ config: serviceYaml("web") });
  await using other = await startBackend(ok("second"));
  await mesh.join("web", { as: "web-1", port: freePort() });
  await mesh.join("web", { as: "web-2", port: other.port });
  const shop = await mesh.join("shop");
  await mesh.settled();
  await using client = await connect(shop.outbound);
  const answers: string[] = [];

  for (let i = 0; i < 20; i++) answers.push((await client.request({ ...toService("web"), method: "POST" })).text);

  expect(new Set(answers)).toEqual(new Set(["second"]));
  expect(other.requests).toHaveLength(20);
  expect(await shop.metric("mesh_retries_total", { outcome: "made" })).toBeGreaterThan(0);
});

/** A plain socket tells at once; a client that has connected while the app was dying may wait for an answer for ever. */
async function takesConnections(port: number): Promise<boolean> {
  try {
    (await Bun.connect({ hostname: "127.0.0.1", port, socket: { data() {} } })).terminate();
    return true;
  } catch {
    return false;
  }
}

/** Sends requests that are held until one of them has met the first instance; what it was answered in the end. */
async function slowOnFirst(client: Awaited<ReturnType<typeof connect>>): Promise<string> {
  for (;;) {
    const { text } = await client.request(toService("web", "/hold"));
    if (text === "held") return text;
  }
}

/** An app that holds one request until it is released, and says what it is told. */
async function appIn(folder: Folder, port: number): Promise<readonly string[]> {
  const source = `
const held = Promise.withResolvers();
Bun.serve({ port: ${port}, hostname: "127.0.0.1", idleTimeout: 60, async fetch(request) {
  const { pathname } = new URL(request.url);
  if (pathname === "/release") held.resolve();
  if (pathname === "/pid") return new Response(String(process.pid));
  if (pathname !== "/hold") return new Response("first");
  console.log("app holds a request");
  await held.promise;
  return new Response("held");
} });
process.on("SIGTERM", () => {
  console.log("app got SIGTERM");
  process.exit(7);
});
`;
  return [process.execPath, await folder.write("app.ts", source)];
}
