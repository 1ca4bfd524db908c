import { join } from "node:path";
import { WorkerPlane } from "../../core/app/worker-plane.ts";
import { type Clock, jsonLog, systemClock } from "../../core/base/mod.ts";
import { compile, isRunnable, loadDirectory } from "../../core/compile/mod.ts";
import { Aggregate } from "../../core/telemetry/mod.ts";
import type { IdentityFiles } from "./certificates.ts";
import { temporaryFolder } from "./folder.ts";
import { type Hop, logReader, webYaml } from "./hop.ts";

/** A hop in this process: its time can be moved on. */
export interface Plane extends Hop {
  /** What it logged beside its requests: bugs above all. */
  readonly warnings: readonly string[];
  /** Lets so much time have passed for the proxy, at once. */
  skip(ms: number): void;
  /** Port of its forward proxy. */
  readonly forwardPort: number;
  /** Exchanges under way. */
  readonly active: number;
}

export interface PlaneOptions {
  /** YAML documents beside the Service `web` and its endpoints. */
  readonly config?: string;
  readonly maxConnections?: number;
  /** With it, the listener for `web` takes TLS only, and endpoints are called by TLS where `upstreamTls` says so. */
  readonly identity?: Pick<IdentityFiles, "certificate" | "privateKey"> & { readonly bundle: string | null };
  /** @default "plain", or "tls" with an identity */
  readonly transport?: "plain" | "tls";
  readonly upstreamTls?: boolean;
  /** What the backend speaks. @default "http" */
  readonly appProtocol?: string;
}

/** Starts the data plane of one worker, with the backend's port as the one endpoint of `web`. */
export async function startPlane(backendPort: number, options: PlaneOptions = {}): Promise<Plane> {
  const { config = "", maxConnections = 10_000, identity, upstreamTls = false } = options;
  const folder = temporaryFolder();
  const target = await folder.write("access.log", "");
  await folder.write("config/web.yaml", `${webYaml(backendPort, options.appProtocol)}---\n${config}`);
  const clock = skippingClock();
  const aggregate = new Aggregate();
  const warnings: string[] = [];
  const plane = new WorkerPlane(
    {
      self: null,
      accessLog: { target, format: "json" },
      seed: 1,
      counters: new SharedArrayBuffer(1024),
      maxConnections,
      upstreamTls,
      dns: [],
      shared: false,
    },
    {
      want: () => Promise.resolve(),
      blob: () => Promise.reject(new Error("Cannot load a plugin: there are none")),
      telemetry: (message) => aggregate.receive(0, message),
      log: jsonLog(clock, (line) => warnings.push(line), "warn"),
    },
    clock,
  );
  await plane.apply({ revision: "r1", resources: await resourcesIn(join(folder.path, "config")) } as never);
  if (identity !== undefined) {
    const { certificate, privateKey, bundle } = identity;
    plane.identify({ spiffeId: null, certificate, privateKey, bundle });
  }
  const [bound, forward] = plane.open([
    {
      kind: "service",
      name: "web",
      hostname: "127.0.0.1",
      port: 0,
      transport: options.transport ?? (identity === undefined ? "plain" : "tls"),
      host: "web.default",
      servicePort: 0,
    },
    { kind: "forward", name: "outbound", hostname: "127.0.0.1", port: 0, transport: "plain" },
  ]);
  return {
    port: bound!.port,
    forwardPort: forward!.port,
    warnings,
    ...logReader(target),
    metric: async (name, labels = {}) => sumOf(aggregate, name, labels),
    skip: (ms) => clock.skip(ms),
    get active() {
      return plane.active;
    },
    async [Symbol.asyncDispose]() {
      plane.close();
      await folder[Symbol.asyncDispose]();
    },
  };
}

async function resourcesIn(directory: string) {
  const { documents } = await loadDirectory(directory);
  const compiled = compile(documents, []);
  if (!isRunnable(compiled)) throw new Error(`Cannot run the test's config: ${JSON.stringify(compiled.problems)}`);
  return compiled.resources;
}

/** The machine's clock, but for what was skipped: whatever came due meanwhile is called within `skip`. */
function skippingClock(): Clock & { skip(ms: number): void } {
  const calls = new Set<() => void>();
  let skipped = 0;
  return {
    now: () => systemClock.now() + skipped,
    monotonic: () => systemClock.monotonic() + skipped,
    // What is written out once a second, is here at once.
    after: (ms, call) => systemClock.after(Math.min(ms, 10), call),
    every(ms, call) {
      const timer = systemClock.every(ms, call);
      calls.add(call);
      return {
        cancel() {
          calls.delete(call);
          timer.cancel();
        },
      };
    },
    skip(ms) {
      skipped += ms;
      for (const call of [...calls]) call();
    },
  };
}

function sumOf(aggregate: Aggregate, name: string, labels: Readonly<Record<string, string>>): number {
  let sum = 0;
  for (const { definition, series } of aggregate.totals()) {
    if (definition.name !== name) continue;
    for (const one of series) {
      if (Object.entries(labels).every(([label, value]) => one.labels[label] === value)) sum += one.values[0]!;
    }
  }
  return sum;
}
