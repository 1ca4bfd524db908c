import type { BackendTlsModel, ClusterModel, EndpointModel } from "../cluster/mod.ts";
import { compareText, selects } from "../config/mod.ts";
import type { DocumentOf } from "../schema/mod.ts";
import { externalParts } from "./external.ts";
import type { Report } from "./report.ts";
import { portBehind, portCluster, type Service, type ServicePort, serviceHost } from "./service.ts";
import type { ClusterTraffic, TrafficPolicies } from "./traffic-policy.ts";
import { metricLabels, type Workload, type WorkloadPort } from "./workload.ts";

/** An endpoint with the workload it is; null where only an EndpointSlice tells of it. */
export interface Member {
  readonly endpoint: EndpointModel;
  readonly workload: Workload | null;
}

/** A cluster with what stands behind its endpoints. */
export interface CompiledCluster {
  readonly model: ClusterModel;
  readonly members: readonly Member[];
}

/** What stands around the Services. */
interface Around {
  readonly traffic: TrafficPolicies;
  /** By cluster. */
  readonly tls: ReadonlyMap<string, BackendTlsModel>;
  readonly now: number;
}

type Slice = DocumentOf<"EndpointSlice">;

/** The label by which an EndpointSlice names its Service. */
const SERVICE_LABEL = "kubernetes.io/service-name";

/** The clusters of all Services, one a port and one a subset of it, by name. */
export function clustersOf(
  services: ReadonlyMap<string, Service>,
  slices: readonly Slice[],
  around: Around,
  report: Report,
): ReadonlyMap<string, CompiledCluster> {
  const byService = slicesByService(services, slices, report);
  const clusters = new Map<string, CompiledCluster>();
  for (const [key, service] of services)
    for (const port of service.ports)
      for (const cluster of clustersAt(service, port, byService.get(key) ?? [], around))
        clusters.set(cluster.model.name, cluster);
  return clusters;
}

/** The whole of a port, and each subset of it. */
function clustersAt(
  service: Service,
  port: ServicePort,
  slices: readonly Slice[],
  { traffic, tls: policies, now }: Around,
): readonly CompiledCluster[] {
  const whole = clusterOf(service, port, slices, now);
  const tls = policies.get(whole.model.name);
  const model = {
    ...whole.model,
    ...(port.protocol === "udp"
      ? withoutCheck(traffic.ofCluster(service, port.name))
      : traffic.ofCluster(service, port.name)),
    ...(tls === undefined ? {} : { tls }),
  };
  const parts = service.subsets.map(({ name, labels }): CompiledCluster => {
    const members = whole.members.filter(({ workload }) => workload !== null && selects(labels, workload.labels));
    const endpoints = members.map(({ endpoint }) => endpoint);
    return { model: { ...model, name: portCluster(service, port, name), endpoints }, members };
  });
  return [{ model, members: whole.members }, ...parts];
}

/** No datagram answers a check. */
function withoutCheck({ healthCheck: _, ...traffic }: ClusterTraffic): ClusterTraffic {
  return traffic;
}

function slicesByService(
  services: ReadonlyMap<string, Service>,
  slices: readonly Slice[],
  report: Report,
): ReadonlyMap<string, Slice[]> {
  const byService = new Map<string, Slice[]>();
  for (const slice of slices) {
    const name = slice.body.metadata.labels[SERVICE_LABEL];
    const key = `${slice.namespace}/${name}`;
    const service = name === undefined ? undefined : services.get(key);
    if (service === undefined) {
      const state = name === undefined ? "it is missing" : `there is no Service ${key}`;
      const path = ["metadata", "labels", SERVICE_LABEL];
      report.warn(slice, path, `must name the Service of the endpoints: ${state}`, { found: name ?? "nothing" });
      continue;
    }
    warnOfUnknownPorts(slice, service, report);
    const list = byService.get(key);
    if (list === undefined) byService.set(key, [slice]);
    else list.push(slice);
  }
  return byService;
}

/** Ports meet by name: a slice whose ports have other names than its Service's gives it no endpoint. */
function warnOfUnknownPorts(slice: Slice, service: Service, report: Report): void {
  for (const [i, { name, protocol }] of slice.body.ports.entries()) {
    if (protocol === "SCTP" || service.ports.some((port) => port.name === name)) continue;
    const known = service.ports.map((port) => `"${port.name}"`).join(", ");
    const message = `must be the name of a port of Service ${service.namespace}/${service.name} (${known}): current value is "${name}"`;
    report.warn(slice, ["ports", i, "name"], message, { found: name, expected: known });
  }
}

function clusterOf(service: Service, port: ServicePort, slices: readonly Slice[], now: number): CompiledCluster {
  // Keyed by where the app is: a workload with a sidecar replaces the same app told of by a slice.
  const members = new Map<string, Member>();
  for (const slice of slices) for (const [key, member] of sliceMembers(slice, service, port)) members.set(key, member);
  let confirmedAt = now;
  for (const workload of service.members) {
    const own = portBehind(workload, service, port);
    if (own === null || workload.weight === 0) continue;
    confirmedAt = Math.min(confirmedAt, workload.confirmedAt ?? now);
    members.set(`${workload.address} ${own.port}`, { endpoint: endpointOf(workload, own, port), workload });
  }
  const sorted = [...members.values()].sort(byAddress);
  const { external } = service;
  const model: ClusterModel = {
    name: portCluster(service, port),
    service: { namespace: service.namespace, name: service.name, host: serviceHost(service) },
    balancer: port.protocol === "http" ? "PeakEWMA" : "LeastRequest",
    ...(port.http2 ? { http2: true } : {}),
    endpoints: sorted.map(({ endpoint }) => endpoint),
    ...(external === null ? {} : externalParts({ ...service, external }, port)),
    confirmedAt,
  };
  return { model, members: sorted };
}

/** Datagrams go to the app itself: its sidecar takes connections. */
function endpointOf(workload: Workload, own: WorkloadPort, { protocol }: ServicePort): EndpointModel {
  const { address, weight, identity, locality, healthCheck } = workload;
  const isProved = identity !== null && protocol !== "udp";
  return {
    address,
    port: protocol === "udp" ? own.port : own.inboundPort,
    weight,
    ...(isProved ? { identity } : {}),
    workload: metricLabels(workload),
    ...(locality === null ? {} : { locality }),
    ...(healthCheck === null || protocol === "udp" ? {} : { healthCheck }),
  };
}

function* sliceMembers({ namespace, body }: Slice, service: Service, port: ServicePort): Iterable<[string, Member]> {
  const transport = port.protocol === "udp" ? "UDP" : "TCP";
  const target = body.ports.find(({ name, protocol }) => name === port.name && protocol === transport);
  if (target === undefined) return;
  for (const { addresses, conditions, targetRef, zone } of body.endpoints) {
    // Not said means ready (discovery.k8s.io/v1). All addresses of one endpoint are the same pod: the first will do.
    if (conditions.ready === false) continue;
    const [address] = addresses;
    if (address === undefined) continue;
    const labels = { name: targetRef?.name ?? address, namespace, app: service.name, version: "unknown" };
    const endpoint = {
      address,
      port: target.port,
      weight: 1,
      workload: labels,
      ...(zone ? { locality: { region: "", zone, subZone: "" } } : {}),
    };
    yield [`${address} ${target.port}`, { endpoint, workload: null }];
  }
}

function byAddress({ endpoint: a }: Member, { endpoint: b }: Member): number {
  return compareText(a.address, b.address) || a.port - b.port;
}
