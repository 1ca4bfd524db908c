import type { Resource, WorkloadModel, WorkloadPortModel } from "../snapshot/mod.ts";
import { type Attachments, idsInOrder } from "./plugin.ts";
import { isUdp, portBehind, type Service, type ServicePort, type Spoken, serviceHost, spokenOf } from "./service.ts";
import { versionOf } from "./version.ts";
import { fullName, metricLabels, type Workload, type WorkloadPort } from "./workload.ts";

/** What the proxies of workloads are told beside the workloads themselves. */
interface Surroundings {
  readonly services: ReadonlyMap<string, Service>;
  readonly attachments: Attachments;
  readonly mtls: WorkloadModel["mtls"];
}

/** Those with a sidecar, one resource a name: replicas are one workload to their configuration. */
export function workloadResources(workloads: readonly Workload[], around: Surroundings): readonly Resource[] {
  const replicas = new Map<string, Workload[]>();
  for (const workload of workloads) {
    if (workload.identity === null) continue;
    const list = replicas.get(fullName(workload));
    if (list === undefined) replicas.set(fullName(workload), [workload]);
    else list.push(workload);
  }
  const backed = backedPorts(around.services);
  return Array.from(replicas, ([name, list]): Resource => {
    const model = workloadModel(list, backed, around);
    return { kind: "workload", name, version: versionOf(model), model };
  });
}

type BackedPort = readonly [Service, ConnectedPort];

/** A port for connections: datagrams do not pass a sidecar. */
type ConnectedPort = ServicePort & Spoken;

function isConnected(port: ServicePort): port is ConnectedPort {
  return port.protocol !== "udp";
}

/** The Services, with their ports, behind which a port of a workload stands. */
type Backed = ReadonlyMap<WorkloadPort, readonly BackedPort[]>;

function backedPorts(services: ReadonlyMap<string, Service>): Backed {
  const backed = new Map<WorkloadPort, BackedPort[]>();
  for (const service of services.values())
    for (const port of service.ports.filter(isConnected))
      for (const workload of service.members) {
        const own = portBehind(workload, service, port);
        if (own === null) continue;
        const list = backed.get(own);
        if (list === undefined) backed.set(own, [[service, port]]);
        else list.push([service, port]);
      }
  return backed;
}

function workloadModel(
  replicas: readonly Workload[],
  backed: Backed,
  { attachments, mtls }: Surroundings,
): WorkloadModel {
  const [first] = replicas as [Workload, ...Workload[]];
  const ports = new Map<number, WorkloadPort>();
  const backing = new Map<number, BackedPort[]>();
  for (const port of replicas.flatMap((replica) => replica.ports)) {
    if (isUdp(port)) continue;
    if (!ports.has(port.port)) ports.set(port.port, port);
    backing.set(port.port, [...(backing.get(port.port) ?? []), ...(backed.get(port) ?? [])]);
  }
  const models = Array.from(ports.values(), (port) =>
    workloadPort(first, port, backing.get(port.port) ?? [], attachments),
  );
  return {
    name: first.name,
    namespace: first.namespace,
    identity: first.identity ?? "",
    labels: metricLabels(first),
    ...(first.locality === null ? {} : { locality: first.locality }),
    mtls,
    ports: models.sort((a, b) => a.port - b.port),
  };
}

/** A port guarded by the guards of every Service it stands behind: whoever comes by another way meets them too. */
function workloadPort(
  workload: Workload,
  { port, name, protocol }: WorkloadPort,
  backing: readonly BackedPort[],
  attachments: Attachments,
): WorkloadPortModel {
  const [first] = backing;
  const service = first?.[0] ?? { namespace: workload.namespace, name: workload.service || workload.name };
  const spoken = first?.[1] ?? spokenOf(protocol, name);
  return {
    port,
    protocol: spoken.protocol,
    ...(spoken.http2 ? { http2: true } : {}),
    service: { namespace: service.namespace, name: service.name, host: serviceHost(service) },
    policies: idsInOrder(backing.flatMap(([service]) => attachments.guards(service))),
  };
}
