import { join } from "node:path";
import type { ListenerPlan } from "../../core/app/plan.ts";
import { WorkerPlane } from "../../core/app/worker-plane.ts";
import { type Clock, jsonLog, systemClock } from "../../core/base/mod.ts";
import { compile, isRunnable, loadDirectory } from "../../core/compile/mod.ts";
import type { Registration } from "../../core/compile/model.ts";
import type { Resource, SnapshotModel } from "../../core/snapshot/mod.ts";
import { Aggregate } from "../../core/telemetry/mod.ts";
import { type Certificates, certificates } from "./certificates.ts";
import { temporaryFolder } from "./folder.ts";
import type { LogLine } from "./hop.ts";

/** A proxy in this process. */
export interface Peer {
  readonly plane: WorkerPlane;
  /** Bound ports, in the order of its plans. */
  readonly ports: readonly number[];
  readonly warnings: readonly string[];
  /** Lines of its access log so far. */
  lines(): Promise<readonly LogLine[]>;
  metric(name: string, labels?: Readonly<Record<string, string>>): number;
  [Symbol.asyncDispose](): Promise<void>;
}

/** An app with its sidecar, as the registry would tell of it. */
export interface AppOf {
  readonly name: string;
  readonly port: number;
  readonly protocol: string;
  /** Labels beside `app`. */
  readonly labels?: Readonly<Record<string, string>>;
}

/** Several proxies that trust one another, and a caller whose ways out the test chooses. */
export interface MeshOfPeers {
  readonly authority: Certificates;
  /** The sidecars, in the order of the apps. */
  readonly sidecars: readonly Peer[];
  readonly caller: Peer;
  /** What the proxy of a workload is told. */
  modelFor(name: string): SnapshotModel;
  /** Starts another caller, which is told nothing by itself. */
  join(name: string, plans: readonly ListenerPlan[], asks: Asks): Promise<Peer>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** What a proxy asks of its control plane. */
export interface Asks {
  want(host: string, plane: WorkerPlane): Promise<void>;
}

/** Starts a sidecar for each app, and a caller with these listeners, all with the resources of the documents. */
export async function startPeers(
  apps: readonly AppOf[],
  yaml: string,
  plans: readonly ListenerPlan[],
  given?: Certificates,
): Promise<MeshOfPeers> {
  const authority = given ?? (await certificates());
  const sidecars = await Promise.all(apps.map((app) => startPeer(authority, app.name, [inboundPlan(app.port)])));
  const registrations = apps.map((app, i) => registrationOf(app, sidecars[i]!.ports[0]!));
  const resources = await resourcesOf(yaml, registrations);
  const modelFor = (name: string): SnapshotModel => modelOf(resources, name);
  const caller = await startPeer(authority, "caller", plans, { prepare: (plane) => plane.apply(modelFor("caller")) });
  await Promise.all(sidecars.map((sidecar, i) => sidecar.plane.apply(modelFor(apps[i]!.name))));
  const all: AsyncDisposable[] = [caller, ...sidecars, ...(given === undefined ? [authority] : [])];
  return {
    ...{ authority, sidecars, caller, modelFor },
    async join(name, own, asks) {
      const peer = await startPeer(authority, name, own, asks);
      all.push(peer);
      return peer;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(all.map((each) => each[Symbol.asyncDispose]()));
    },
  };
}

function inboundPlan(appPort: number): ListenerPlan {
  return { kind: "inbound", name: "inbound", hostname: "127.0.0.1", port: 0, transport: "mesh", appPort };
}

/** Each proxy is told of its own workload only. */
function modelOf(resources: readonly Resource[], name: string): SnapshotModel {
  const own = resources.filter((each) => each.kind !== "workload" || each.name === `default/${name}`);
  return { revision: "r1", resources: own };
}

function registrationOf({ name, port, protocol, labels = {} }: AppOf, inboundPort: number): Registration {
  return {
    ...{ name, namespace: "default", service: "", address: "127.0.0.1", weight: 1 },
    ports: [{ port, name: "app", protocol, inboundPort }],
    labels: { app: name, ...labels },
    identity: spiffeId(name),
  };
}

function spiffeId(name: string): string {
  return `spiffe://cluster.local/ns/default/sa/${name}`;
}

async function resourcesOf(yaml: string, registrations: readonly Registration[]): Promise<readonly Resource[]> {
  const folder = temporaryFolder();
  await folder.write("config/mesh.yaml", yaml);
  const { documents, problems } = await loadDirectory(join(folder.path, "config"));
  const compiled = compile(documents, registrations);
  await folder[Symbol.asyncDispose]();
  const wrong = [...problems, ...compiled.problems];
  if (!isRunnable({ problems: wrong })) throw new Error(`Cannot run the test's config: ${JSON.stringify(wrong)}`);
  return compiled.resources;
}

async function startPeer(
  authority: Certificates,
  name: string,
  plans: readonly ListenerPlan[],
  more: Partial<Asks> & { readonly prepare?: (plane: WorkerPlane) => Promise<void> } = {},
): Promise<Peer> {
  const folder = temporaryFolder();
  const target = await folder.write("access.log", "");
  const aggregate = new Aggregate();
  const warnings: string[] = [];
  const clock: Clock = { ...systemClock, after: (ms, call) => systemClock.after(Math.min(ms, 10), call) };
  const plane: WorkerPlane = new WorkerPlane(
    {
      self: { name, namespace: "default", app: name, version: "" },
      accessLog: { target, format: "json" },
      ...{ seed: 1, counters: new SharedArrayBuffer(1024), maxConnections: 1_000 },
      ...{ upstreamTls: false, dns: [], shared: false },
    },
    {
      want: async (host) => await more.want?.(host, plane),
      blob: () => Promise.reject(new Error("Cannot load a plugin: there are none")),
      telemetry: (message) => aggregate.receive(0, message),
      log: jsonLog(clock, (line) => warnings.push(line), "warn"),
    },
    clock,
  );
  const { certificate, privateKey, bundle } = await authority.issue(spiffeId(name));
  plane.identify({ spiffeId: spiffeId(name), certificate, privateKey, bundle });
  await more.prepare?.(plane);
  return {
    plane,
    ports: plane.open(plans).map(({ port }) => port),
    warnings,
    lines: async () => linesOf(await Bun.file(target).text()),
    metric: (metric, labels = {}) => sumOf(aggregate, metric, labels),
    async [Symbol.asyncDispose]() {
      plane.close();
      await folder[Symbol.asyncDispose]();
    },
  };
}

function linesOf(text: string): readonly LogLine[] {
  return text
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as LogLine);
}

function sumOf(aggregate: Aggregate, name: string, labels: Readonly<Record<string, string>>): number {
  let sum = 0;
  for (const { definition, series } of aggregate.totals()) {
    if (definition.name !== name) continue;
    for (const one of series)
      if (Object.entries(labels).every(([label, value]) => one.labels[label] === value)) sum += one.values[0]!;
  }
  return sum;
}
