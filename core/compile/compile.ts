import { compareText, hasErrors } from "../config/mod.ts";
import type { RuleModel } from "../route/mod.ts";
import { DEFAULT_TRUST_DOMAIN, type Document, type DocumentOf } from "../schema/mod.ts";
import type {
  MeshModel,
  Resource,
  ServiceModel,
  ServicePortModel,
  WorkloadModel,
  WorkloadPortModel,
} from "../snapshot/mod.ts";
import { Catalog } from "./catalog.ts";
import { type CompiledCluster, clustersOf } from "./cluster.ts";
import type { Compiled, Module, Registration } from "./model.ts";
import { type Attachments, type CompiledPlugin, compilePlugins, idsInOrder } from "./plugin.ts";
import { Report } from "./report.ts";
import { compileRoutes } from "./route.ts";
import { type CompiledRule, implicitRule } from "./rule.ts";
import {
  clusterName,
  hostsOf,
  portBehind,
  protocolOf,
  type Service,
  type ServicePort,
  serviceHost,
  serviceKey,
  servicesOf,
} from "./service.ts";
import { warnOfShadowed } from "./shadow.ts";
import { versionOf } from "./version.ts";
import { fullName, Membership, metricLabels, type Workload, type WorkloadPort, workloadsOf } from "./workload.ts";

export interface CompileOptions {
  /** Modules of the plugins by document key: what `loadModules` found. */
  readonly modules?: ReadonlyMap<string, Module>;
  /** When what is not registered was last confirmed, ms since the epoch. */
  readonly now?: number;
}

/**
 * Makes of documents and registrations the resources that proxies run, and
 * finds what is wrong between documents. Pure: the same input gives the same
 * resources with the same versions.
 */
export function compile(
  documents: readonly Document[],
  registrations: readonly Registration[],
  { modules = new Map(), now = 0 }: CompileOptions = {},
): Compiled {
  const report = new Report();
  const catalog = new Catalog(documents, report);
  const mesh = meshOf(catalog.all("Mesh"), report);
  const workloads = workloadsOf(catalog.all("Workload"), registrations);
  const services = servicesOf(catalog.all("Service"), new Membership(workloads), report);
  const clusters = clustersOf(services, catalog.all("EndpointSlice"), now, report);
  const { rulesAt, conditions } = compileRoutes(catalog.all("HTTPRoute"), services, report);
  warnOfShadowed(rulesAt, report);
  const findRoute = (namespace: string, name: string) => catalog.find("HTTPRoute", namespace, name);
  const { plugins, attachments } = compilePlugins(catalog.all("Plugin"), { services, findRoute, modules }, report);
  const around: Around = { services, clusters, rulesAt, attachments, mesh };

  const resources: Resource[] = [
    { kind: "mesh", name: "", version: versionOf(mesh), model: mesh },
    ...Array.from(services.values(), (service) => serviceResource(service, around)),
    ...Array.from(clusters.values(), clusterResource),
    ...workloadResources(workloads, around),
    ...plugins.flatMap(pluginResource),
  ];
  resources.sort((a, b) => compareText(a.kind, b.kind) || compareText(a.name, b.name));
  const blobs = new Map(Array.from(modules.values(), ({ sha256, bytes }) => [sha256, bytes]));
  return { resources, blobs, problems: report.all(), conditions };
}

/** True where the compiled may replace what runs. */
export function isRunnable({ problems }: Pick<Compiled, "problems">): boolean {
  return !hasErrors(problems);
}

/** What the models of one configuration are made from. */
interface Around {
  readonly services: ReadonlyMap<string, Service>;
  readonly clusters: ReadonlyMap<string, CompiledCluster>;
  readonly rulesAt: ReadonlyMap<string, readonly CompiledRule[]>;
  readonly attachments: Attachments;
  readonly mesh: MeshModel;
}

function meshOf(documents: readonly DocumentOf<"Mesh">[], report: Report): MeshModel {
  const [first, ...others] = documents;
  for (const other of others)
    report.error(other, ["metadata", "name"], `must be the only Mesh: ${first?.name} stands already in ${first?.file}`);
  const spec = first?.body.spec;
  return {
    trustDomain: spec?.trustDomain ?? DEFAULT_TRUST_DOMAIN,
    trustDomainAliases: spec?.trustDomainAliases ?? [],
    mtls: spec?.mtls.mode ?? "STRICT",
    egress: spec?.egress.policy ?? "ALLOW_ANY",
    requestTimeoutMs: spec?.timeouts.request ?? 0,
  };
}

function serviceResource(service: Service, around: Around): Resource {
  const name = serviceKey(service);
  const ports = service.ports.map((port) => servicePortOf(service, port, around));
  const model: ServiceModel = { name, hosts: hostsOf(service), ports };
  return { kind: "service", name, version: versionOf(model), model };
}

function servicePortOf(service: Service, { port, protocol }: ServicePort, around: Around): ServicePortModel {
  const guards = around.attachments.guards(service);
  // Routes replace what a Service does by itself: what none of their rules matches gets 404 (GEP-1426).
  const sources = around.rulesAt.get(clusterName(service, port)) ?? [null];
  const reachedByAny = new Set<string>();
  const rules = sources.map((rule, order) => {
    const model = rule?.model ?? implicitRule(service, port);
    const plugins = around.attachments.policies(service, rule);
    const reached = clustersReached(model, plugins);
    for (const cluster of reached) reachedByAny.add(cluster);
    const others = guardsOfOthers(service, reached, around).filter((guard) => !guards.includes(guard));
    return { ...model, order, policies: idsInOrder([...plugins, ...others]) };
  });
  const guardedByCaller = [...reachedByAny].some((cluster) => reachesUnguarded(service, around.clusters.get(cluster)));
  return { port, protocol, rules, guards: idsInOrder(guards), guardedByCaller };
}

/** Clusters that a rule may send a request to. */
function clustersReached(
  { backends }: Pick<RuleModel, "backends">,
  plugins: readonly CompiledPlugin[],
): readonly string[] {
  const named = backends.flatMap(({ cluster }) => cluster ?? []);
  const chosen = plugins.flatMap(({ destinations }) => Object.values(destinations));
  return [...new Set([...named, ...chosen])];
}

/**
 * Guards of other Services to which a rule leads and where no sidecar runs
 * them: the rule runs them, or a route would be a way around the guard.
 */
function guardsOfOthers(service: Service, reached: readonly string[], around: Around): readonly CompiledPlugin[] {
  return reached.flatMap((name) => {
    const cluster = around.clusters.get(name);
    const owner = cluster && around.services.get(serviceKey(cluster.model.service));
    if (owner === undefined || owner === service) return [];
    const guards = around.attachments.guards(owner);
    return guards.length > 0 && reachesUnguarded(owner, cluster) ? guards : [];
  });
}

/**
 * True where an endpoint would not run the guards of a Service: it has no
 * sidecar, or it is none of the Service's own workloads, because a route sent
 * the request elsewhere.
 */
function reachesUnguarded(service: Service, cluster: CompiledCluster | undefined): boolean {
  const members = cluster?.members ?? [];
  return members.some(
    ({ workload }) => workload === null || workload.identity === null || !service.members.has(workload),
  );
}

function clusterResource({ model }: CompiledCluster): Resource {
  // The time of confirmation is news, not content: it makes no new version.
  return { kind: "cluster", name: model.name, version: versionOf({ ...model, confirmedAt: 0 }), model };
}

function pluginResource({ id, model }: CompiledPlugin): Resource[] {
  return model === null ? [] : [{ kind: "plugin", name: id, version: versionOf(model), model }];
}

/** One resource a name: replicas are one workload to their configuration. */
function workloadResources(workloads: readonly Workload[], around: Around): readonly Resource[] {
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

type BackedPort = readonly [Service, ServicePort];

/** The Services, with their ports, behind which a port of a workload stands. */
type Backed = ReadonlyMap<WorkloadPort, readonly BackedPort[]>;

function backedPorts(services: ReadonlyMap<string, Service>): Backed {
  const backed = new Map<WorkloadPort, BackedPort[]>();
  for (const service of services.values())
    for (const port of service.ports)
      for (const workload of service.members) {
        const own = portBehind(workload, service, port);
        if (own === null) continue;
        const list = backed.get(own);
        if (list === undefined) backed.set(own, [[service, port]]);
        else list.push([service, port]);
      }
  return backed;
}

function workloadModel(replicas: readonly Workload[], backed: Backed, { attachments, mesh }: Around): WorkloadModel {
  const [first] = replicas as [Workload, ...Workload[]];
  const ports = new Map<number, WorkloadPort>();
  const backing = new Map<number, BackedPort[]>();
  for (const port of replicas.flatMap((replica) => replica.ports)) {
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
    mtls: mesh.mtls,
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
  return {
    port,
    protocol: first?.[1].protocol ?? protocolOf(protocol, name),
    service: { namespace: service.namespace, name: service.name, host: serviceHost(service) },
    policies: idsInOrder(backing.flatMap(([service]) => attachments.guards(service))),
  };
}
