import { Cluster, type ClusterEvents, type ClusterModel, ClusterState, type Endpoint } from "../cluster/mod.ts";
import { Rule } from "../route/mod.ts";
import type { WorkloadModel, WorkloadPortModel } from "./model.ts";
import { type Material, Needs } from "./needs.ts";
import { RouteEntry } from "./service.ts";

/** A port of the local app: what may come in, and the one endpoint it goes to. */
export class InboundPort {
  readonly port: number;
  readonly protocol: "http" | "tcp";
  /** Service that brought the traffic here. */
  readonly service: WorkloadPortModel["service"];
  readonly cluster: Cluster;
  /** The app: 127.0.0.1, plaintext. */
  readonly endpoint: Endpoint;
  /** One rule with one backend, the app, so that inbound exchanges live as outbound ones do. */
  readonly entry: RouteEntry;

  constructor(model: WorkloadPortModel, cluster: Cluster, entry: RouteEntry) {
    this.port = model.port;
    this.protocol = model.protocol;
    this.service = model.service;
    this.cluster = cluster;
    this.endpoint = cluster.endpoints[0]!;
    this.entry = entry;
    Object.freeze(this);
  }
}

/** The workload beside this proxy, made ready. Immutable. */
export class Workload {
  /** `<namespace>/<name>` */
  readonly name: string;
  readonly version: string;
  readonly model: WorkloadModel;
  readonly ports: readonly InboundPort[];
  readonly #needs: Needs;

  constructor(model: WorkloadModel, version: string, ports: readonly InboundPort[], needs: Needs) {
    this.name = `${model.namespace}/${model.name}`;
    this.version = version;
    this.model = model;
    this.ports = ports;
    this.#needs = needs;
    Object.freeze(this);
  }

  port(number: number): InboundPort | null {
    const ports = this.ports;
    for (let i = 0; i < ports.length; i++) if (ports[i]!.port === number) return ports[i]!;
    return null;
  }

  /** Whether it would be made the same again. */
  isCurrent(version: string, material: Material): boolean {
    return this.version === version && this.#needs.areMetBy(material);
  }
}

/** Makes a workload ready; its ports keep what the one before has learned of the app. */
export function buildWorkload(
  model: WorkloadModel,
  version: string,
  material: Material,
  before: { readonly workload: Workload | null; readonly events: ClusterEvents },
): Workload {
  const needs = new Needs(material);
  const ports = model.ports.map((port) => {
    const name = `inbound:${port.port}`;
    const state = before.workload?.port(port.port)?.cluster.state ?? new ClusterState(name, before.events);
    return buildPort(model, port, new Cluster(appCluster(name, model, port), state), needs, material);
  });
  return new Workload(model, version, Object.freeze(ports), needs);
}

function buildPort(
  workload: WorkloadModel,
  model: WorkloadPortModel,
  cluster: Cluster,
  needs: Needs,
  material: Material,
): InboundPort {
  const { namespace, name } = workload;
  const id = `Workload/${namespace}/${name}/${model.port}`;
  const backends = [{ cluster: cluster.name, name: model.service.name, weight: 1 }];
  // The caller's rule has the timeout; two clocks on one request would only race.
  const rule = new Rule(
    { id, matches: [], order: 0, backends, policies: model.policies, requestTimeoutMs: 0 },
    { requestTimeoutMs: 0, clusterNamed: () => cluster, scan: material.scan, trustDomain: material.mesh.trustDomain },
  );
  const policies = needs.policies(
    model.policies,
    `Port ${model.port} of the workload "${namespace}/${name}"`,
    material,
  );
  return new InboundPort(model, cluster, new RouteEntry(rule, policies));
}

function appCluster(
  name: string,
  { labels }: WorkloadModel,
  { port, http2, service }: WorkloadPortModel,
): ClusterModel {
  const endpoints = [{ address: "127.0.0.1", port, weight: 1, workload: labels }];
  const spoken = http2 ? { http2 } : {};
  return { name, service, balancer: "RoundRobin", ...spoken, endpoints, confirmedAt: 0 };
}
