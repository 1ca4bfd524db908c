import { expect, test } from "bun:test";
import { join } from "node:path";
import { compileDirectory } from "../../core/app/compiler/compile.ts";
import { type RunningProxy, startProxy } from "../../core/app/mod.ts";
import { jsonLog, systemClock } from "../../core/base/mod.ts";
import { webYaml } from "../harness/hop.ts";
import { sumOf } from "../harness/mesh.ts";
import { eventually, type Folder, ok, startBackend, temporaryFolder } from "../harness/mod.ts";
import { startTraffic } from "../harness/traffic.ts";

test("two workers serve one port; one that dies is replaced while the other serves, and what they counted stays", async () => {
  await using folder = temporaryFolder();
  await using backend = await startBackend(ok("hello"));
  using workers = spiedWorkers();
  await using pair = await startPair(folder, backend.port);
  await using before = startTraffic(pair.port, { lanes: 16 });
  await before.more(200);
  await before.stop();
  const counted = await eventually(async () => {
    expect(await pair.requests()).toBe(before.sent);
    return before.sent;
  });

  workers.made[0]!.terminate();
  await eventually(() => workers.made.length === 3);
  await using during = startTraffic(pair.port, { lanes: 4 });
  await during.more(100);
  await during.stop();

  expect(before.failures).toEqual([]);
  expect(during.failures).toEqual([]);
  await eventually(async () => expect(await pair.requests()).toBe(counted + during.sent));
  expect(pair.lines.filter((line) => line.includes("a worker has ended and is replaced"))).toHaveLength(1);
  // The other one may go too: the new one has been told everything.
  workers.made[1]!.terminate();
  await eventually(async () => {
    await using after = startTraffic(pair.port, { lanes: 4 });
    await after.more(20);
    await after.stop();
    expect(after.failures).toEqual([]);
  });
});

/** A proxy of two workers in this process, in front of `web`. */
async function startPair(folder: Folder, backendPort: number) {
  await folder.write("config/web.yaml", webYaml(backendPort));
  const lines: string[] = [];
  const compile = (directory: string) =>
    compileDirectory(directory, {
      builtins: { builtin: () => null, builtinNames: [] },
      clock: systemClock,
    });
  const proxy: RunningProxy = await startProxy({
    source: { kind: "files", directory: join(folder.path, "config"), compile },
    listeners: [
      {
        ...{ kind: "service", name: "web", hostname: "127.0.0.1", port: 0, transport: "plain" },
        ...{ host: "web", servicePort: 0 },
      },
    ],
    concurrency: 2,
    self: null,
    accessLog: null,
    dns: [],
    credentials: null,
    upstreamTls: false,
    trim: false,
    maxConnections: 1000,
    doors: { admin: null, health: null, metrics: { address: { host: "127.0.0.1", port: 0 }, free: false } },
    clock: systemClock,
    log: jsonLog(systemClock, (line) => lines.push(line), "info"),
    random: Math.random,
  });
  const { host, port } = proxy.doors.metrics!;
  return {
    port: proxy.bound[0]!.port,
    lines,
    requests: async () =>
      sumOf(await (await fetch(`http://${host}:${port}/metrics`)).text(), "istio_requests_total", {}),
    [Symbol.asyncDispose]: () => proxy.close(),
  };
}

/** Makes every worker that is started from now on known, so that it can be ended. */
function spiedWorkers() {
  const Original = globalThis.Worker;
  const made: Worker[] = [];
  globalThis.Worker = class extends Original {
    constructor(...args: ConstructorParameters<typeof Original>) {
      super(...args);
      made.push(this);
    }
  };
  return {
    made,
    [Symbol.dispose]: () => {
      globalThis.Worker = Original;
    },
  };
}
