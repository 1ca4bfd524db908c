import { Cluster, type ClusterEvents, ClusterState, type Locality } from "../cluster/mod.ts";
import type { Plugin, PluginModel } from "../plugin/mod.ts";
import { HostTable, type PathScan } from "../route/mod.ts";
import { buildGateway, type Gateway } from "./gateway.ts";
import type { Resource, SnapshotModel } from "./model.ts";
import type { Material } from "./needs.ts";
import { withProof } from "./proof.ts";
import { SnapshotRejected } from "./rejected.ts";
import { buildService, type Service } from "./service.ts";
import { INITIAL_MESH, Snapshot } from "./snapshot.ts";
import { buildWorkload } from "./workload.ts";

/** What a worker gives to all snapshots that it builds. */
export interface BuildParts {
  /** Every plugin of the model, loaded and by id. */
  readonly plugins: ReadonlyMap<string, Plugin>;
  /** One for the worker's life: all its routers share it, and its seed. */
  readonly scan: PathScan;
  readonly events: ClusterEvents;
  /** Where the proxy is; left out, where its workload says. */
  readonly locality?: Locality | null;
}

/**
 * Makes a model ready to run. Parts that would come out the same are those of
 * the snapshot before; endpoints, budgets and ejections live on in any case.
 * All is built before anything that serves is touched, so a model that is
 * refused leaves no trace.
 *
 * @throws {SnapshotRejected} with everything that is wrong.
 */
export function buildSnapshot(model: SnapshotModel, previous: Snapshot | null, parts: BuildParts): Snapshot {
  const resources = withProof(model.resources);
  const from = parts.locality ?? ofKind(resources, "workload")[0]?.model.locality ?? null;
  const clusters = buildClusters(resources, previous, parts.events, from);
  const mesh = ofKind(resources, "mesh")[0]?.model ?? INITIAL_MESH;
  const namespace = ofKind(resources, "workload")[0]?.model.namespace ?? null;
  const material: Material = { mesh, namespace, clusters, plugins: parts.plugins, scan: parts.scan, reasons: [] };
  const workload = workloadOf(resources, previous, parts.events, material);
  const services = buildServices(resources, previous, material);
  const gateways = buildGateways(resources, previous, material);
  for (const plugin of ofKind(resources, "plugin")) checkDestinations(plugin.model, material);
  if (material.reasons.length > 0) throw new SnapshotRejected(model.revision, material.reasons);
  const hosts = hostsOf(services, namespace, parts.scan.seed);
  const snapshot = new Snapshot({ revision: model.revision, mesh, workload, services, clusters, gateways, hosts });
  adopt(snapshot, previous);
  return snapshot;
}

function ofKind<K extends Resource["kind"]>(resources: readonly Resource[], kind: K) {
  return resources.filter((resource): resource is Extract<Resource, { kind: K }> => resource.kind === kind);
}

function buildClusters(
  resources: readonly Resource[],
  previous: Snapshot | null,
  events: ClusterEvents,
  from: Locality | null,
) {
  const clusters = new Map<string, Cluster>();
  for (const { name, version, model } of ofKind(resources, "cluster")) {
    const before = previous?.clusterNamed(name) ?? null;
    if (before !== null && before.version === version && isSamePlace(before.from, from)) clusters.set(name, before);
    else clusters.set(name, new Cluster(model, before?.state ?? new ClusterState(name, events), version, from));
  }
  return clusters;
}

function isSamePlace(a: Locality | null, b: Locality | null): boolean {
  return a?.region === b?.region && a?.zone === b?.zone && a?.subZone === b?.subZone;
}

function workloadOf(
  resources: readonly Resource[],
  previous: Snapshot | null,
  events: ClusterEvents,
  material: Material,
) {
  const resource = ofKind(resources, "workload")[0];
  if (resource === undefined) return null;
  const before = previous?.workload ?? null;
  if (before?.isCurrent(resource.version, material)) return before;
  return buildWorkload(resource.model, resource.version, material, { workload: before, events });
}

function buildServices(resources: readonly Resource[], previous: Snapshot | null, material: Material) {
  const services = new Map<string, Service>();
  for (const { name, version, model } of ofKind(resources, "service")) {
    const before = previous?.serviceNamed(name) ?? null;
    services.set(name, before?.isCurrent(version, material) ? before : buildService(model, version, material));
  }
  return services;
}

function buildGateways(resources: readonly Resource[], previous: Snapshot | null, material: Material) {
  const gateways = new Map<string, Gateway>();
  for (const { name, version, model } of ofKind(resources, "gateway")) {
    const before = previous?.gatewayNamed(name) ?? null;
    gateways.set(name, before?.isCurrent(version, material) ? before : buildGateway(model, version, material));
  }
  return gateways;
}

/** A cluster that a policy may choose must be there when it does. */
function checkDestinations({ id, destinations }: PluginModel, { clusters, reasons }: Material): void {
  for (const [name, cluster] of Object.entries(destinations)) {
    if (clusters.has(cluster)) continue;
    reasons.push(`Plugin "${id}" names the destination "${name}", but the cluster "${cluster}" is not there`);
  }
}

/**
 * A bare name is a service of the caller's own namespace first, as a DNS
 * search path has it; of two services with one host the first counts.
 */
function hostsOf(services: ReadonlyMap<string, Service>, namespace: string | null, seed: number): HostTable<Service> {
  const isOwn = ({ name, model }: Service) => model.external === undefined && name.startsWith(`${namespace}/`);
  const own = namespace === null ? [] : [...services.values()].filter(isOwn);
  const entries = [
    ...own.map((service) => [service.name.slice(service.name.indexOf("/") + 1), service] as const),
    ...[...services.values()].flatMap((service) => service.model.hosts.map((host) => [host, service] as const)),
  ];
  return new HostTable(entries, seed);
}

/** From here on ejection counts against the new memberships. */
function adopt(snapshot: Snapshot, previous: Snapshot | null): void {
  for (const [name, cluster] of snapshot.clusters) if (previous?.clusterNamed(name) !== cluster) cluster.adopt();
  if (snapshot.workload === previous?.workload) return;
  for (const port of snapshot.workload?.ports ?? []) port.cluster.adopt();
}
