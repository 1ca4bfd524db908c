import { type GatewayChoice, GatewayPorts, type GatewayProblem } from "../../core/app/gateways.ts";
import type { PlanePlan } from "../../core/app/plan.ts";
import { localPlanes } from "../../core/app/planes.ts";
import { type Clock, jsonLog, systemClock } from "../../core/base/mod.ts";
import type { ClusterModel } from "../../core/cluster/mod.ts";
import type { Resource } from "../../core/snapshot/mod.ts";
import { Aggregate } from "../../core/telemetry/mod.ts";
import { temporaryFolder } from "./folder.ts";
import { type Hop, logReader } from "./hop.ts";

/** A gateway proxy in this process, run by models. */
export interface GatewayPlane extends Omit<Hop, "port"> {
  /** Makes these the configuration, whole. */
  apply(resources: readonly Resource[]): Promise<void>;
  /** `address:port` of all that is bound. */
  readonly bound: readonly string[];
  readonly problems: readonly GatewayProblem[];
  /** What it logged beside its requests: bugs above all. */
  readonly warnings: readonly string[];
}

/** Starts the data plane of one worker that runs every gateway it is told of, on 127.0.0.1. */
export async function startGatewayPlane(choice: Partial<GatewayChoice> = {}): Promise<GatewayPlane> {
  const folder = temporaryFolder();
  const target = await folder.write("access.log", "");
  const aggregate = new Aggregate();
  const warnings: string[] = [];
  const log = jsonLog(systemClock, (line) => warnings.push(line), "warn");
  const plan: PlanePlan = {
    ...{ self: null, accessLog: { target, format: "json" as const }, seed: 1 },
    ...{ counters: new SharedArrayBuffer(1024), maxConnections: 1_000, upstreamTls: false, shared: false, dns: [] },
  };
  const host = {
    want: () => Promise.resolve(),
    blob: () => Promise.reject(new Error("Cannot load a plugin: there are none")),
    telemetry: (message: Parameters<Aggregate["receive"]>[1]) => aggregate.receive(0, message),
    log,
  };
  const planes = localPlanes(plan, host, promptClock());
  const chosen = { names: ["*"], bind: "127.0.0.1", portOffset: 0, trusted: [], ...choice };
  const ports = new GatewayPorts({ choice: chosen, planes, clock: systemClock, log });
  let revision = 0;
  return {
    async apply(resources) {
      const model = { revision: `${++revision}-00000000`, resources };
      await planes.apply(model);
      await ports.follow(model);
    },
    get bound() {
      return ports.bound.map(({ hostname, port }) => `${hostname}:${port}`);
    },
    get problems() {
      return ports.problems;
    },
    warnings,
    ...logReader(target),
    metric: async (name, labels = {}) => {
      const found = [...aggregate.totals()].filter(({ definition }) => definition.name === name);
      const series = found.flatMap((total) => [...total.series]);
      const holds = series.filter((one) =>
        Object.entries(labels).every(([label, value]) => one.labels[label] === value),
      );
      return holds.reduce((sum, one) => sum + one.values[0]!, 0);
    },
    async [Symbol.asyncDispose]() {
      ports.close();
      await planes.close();
      await folder[Symbol.asyncDispose]();
    },
  };
}

/** What is written out once a second, is here at once. */
function promptClock(): Clock {
  return { ...systemClock, after: (ms, call) => systemClock.after(Math.min(ms, 10), call) };
}

/** A cluster of what listens on these ports of this machine. */
export function clusterResource(name: string, ports: readonly number[], more: Partial<ClusterModel> = {}): Resource {
  const [namespace = "", rest = ""] = name.split("/");
  const [service = ""] = rest.split(":");
  const workload = { name: service, namespace, app: service, version: "" };
  const model: ClusterModel = {
    name,
    service: { namespace, name: service, host: `${service}.${namespace}.svc.cluster.local` },
    balancer: "RoundRobin",
    endpoints: ports.map((port) => ({ address: "127.0.0.1", port, weight: 1, workload })),
    confirmedAt: 0,
    ...more,
  };
  return { kind: "cluster", name, version: JSON.stringify(model), model };
}
