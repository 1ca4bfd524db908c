import { compareText, hasErrors } from "../config/mod.ts";
import type { Document } from "../schema/mod.ts";
import type { GatewayModel, Resource } from "../snapshot/mod.ts";
import { ancestorsBy } from "./ancestor.ts";
import { Backends } from "./backend.ts";
import { backendTlsStatuses, compileBackendTls } from "./backend-tls.ts";
import { Catalog } from "./catalog.ts";
import { type CompiledCluster, clustersOf } from "./cluster.ts";
import { withExternal } from "./external.ts";
import { compileFaults } from "./fault.ts";
import type { BoundReport } from "./gateway/bound.ts";
import { compileGateways, type GatewayAddresses } from "./gateway/gateway.ts";
import { Certificates } from "./gateway/reference.ts";
import { meshOf, warnOfStrangers } from "./mesh.ts";
import type { Compiled, Module, Registration } from "./model.ts";
import { type CompiledPlugin, compilePlugins } from "./plugin.ts";
import { ReferenceGrants, warnOfIdleGrants } from "./reference.ts";
import { Report } from "./report.ts";
import { compileRoutes } from "./route.ts";
import { routeIn, routesIn } from "./route-document.ts";
import { servicesOf } from "./service.ts";
import { serviceResource, shapedRule } from "./service-model.ts";
import { warnOfShadowed } from "./shadow.ts";
import { byDocument, routeStatuses } from "./status.ts";
import { compileTraffic, withSubsets } from "./traffic-policy.ts";
import { versionOf } from "./version.ts";
import { Membership, workloadsOf } from "./workload.ts";
import { workloadResources } from "./workload-model.ts";

export interface CompileOptions {
  /** Modules of the plugins by document key: what `loadModules` found. */
  readonly modules?: ReadonlyMap<string, Module>;
  /** When what is not registered was last confirmed, ms since the epoch. */
  readonly now?: number;
  /** Where Gateways get their addresses from. */
  readonly gatewayAddresses?: GatewayAddresses;
  /** What proxies say of a Gateway that they serve, by its name. */
  readonly gatewayReports?: (gateway: string) => readonly BoundReport[];
}

/**
 * Makes of documents and registrations the resources that proxies run, and
 * finds what is wrong between documents. Pure: the same input gives the same
 * resources with the same versions.
 */
export function compile(
  documents: readonly Document[],
  registrations: readonly Registration[],
  options: CompileOptions = {},
): Compiled {
  const { modules = new Map(), now = 0, gatewayAddresses = { pool: null }, gatewayReports = () => [] } = options;
  const report = new Report();
  const catalog = new Catalog(documents, report);
  const mesh = meshOf(catalog.all("Mesh"), report);
  warnOfStrangers(catalog.all("Workload"), mesh, report);
  const workloads = workloadsOf(catalog.all("Workload"), registrations);
  const findRoute = (kind: string, namespace: string, name: string) => routeIn(catalog, kind, namespace, name);
  const inside = servicesOf(catalog.all("Service"), new Membership(workloads), report);
  const plain = withExternal(inside, catalog.all("ExternalService"), report);
  const traffic = compileTraffic(catalog.all("TrafficPolicy"), { services: plain, findRoute }, report);
  const services = withSubsets(plain, traffic);
  const grants = new ReferenceGrants(catalog.all("ReferenceGrant"));
  warnOfIdleGrants(catalog.all("ReferenceGrant"), report);
  const certificates = certificatesIn(catalog, grants);
  const tls = compileBackendTls(catalog.all("BackendTLSPolicy"), { services, authorities: certificates }, report);
  const clusters = clustersOf(services, catalog.all("EndpointSlice"), { traffic, tls: tls.at, now }, report);
  const backends = new Backends(services, grants);
  const routes = compileRoutes(routesIn(catalog), { services, backends }, report);
  const { plugins, attachments } = compilePlugins(catalog.all("Plugin"), { services, findRoute, modules }, report);
  const faults = compileFaults(catalog.all("Fault"), { services, findRoute }, report);
  const around = { services, clusters, ...routes, attachments, faults, traffic, mtls: mesh.mtls };
  const gateways = compileGateways(
    {
      ...{ catalog, certificates, routes: routes.all, addresses: gatewayAddresses, reports: gatewayReports },
      shape: (rule) => shapedRule(rule, around),
    },
    report,
  );
  warnOfShadowed([...routes.rulesAt, ...gateways.rulesAt], report);

  const resources: Resource[] = [
    { kind: "mesh", name: "", version: versionOf(mesh), model: mesh },
    ...Array.from(services.values(), (service) => serviceResource(service, around)),
    ...Array.from(clusters.values(), clusterResource),
    ...workloadResources(workloads, around),
    ...plugins.flatMap(pluginResource),
    ...gateways.models.map(gatewayResource),
  ];
  resources.sort((a, b) => compareText(a.kind, b.kind) || compareText(a.name, b.name));
  const ofRoutes = routeStatuses([...routes.parents, ...gateways.parents]);
  const ofPolicies = backendTlsStatuses(tls.policies, ancestorsBy(routes.all, gateways.gatewaysOf));
  const statuses = [...gateways.statuses, ...ofRoutes, ...ofPolicies].toSorted(byDocument);
  const blobs = new Map(Array.from(modules.values(), ({ sha256, bytes }) => [sha256, bytes]));
  return { resources, blobs, problems: report.all(), statuses, gatewayAddresses: gateways.addresses };
}

function certificatesIn(catalog: Catalog, grants: ReferenceGrants): Certificates {
  return new Certificates({
    secret: (namespace, name) => catalog.find("Secret", namespace, name),
    configMap: (namespace, name) => catalog.find("ConfigMap", namespace, name),
    grants,
  });
}

/** True where the compiled may replace what runs. */
export function isRunnable({ problems }: Pick<Compiled, "problems">): boolean {
  return !hasErrors(problems);
}

function clusterResource({ model }: CompiledCluster): Resource {
  // The time of confirmation is news, not content: it makes no new version.
  return { kind: "cluster", name: model.name, version: versionOf({ ...model, confirmedAt: 0 }), model };
}

function pluginResource({ id, model }: CompiledPlugin): Resource[] {
  return model === null ? [] : [{ kind: "plugin", name: id, version: versionOf(model), model }];
}

function gatewayResource(model: GatewayModel): Resource {
  return { kind: "gateway", name: model.name, version: versionOf(model), model };
}
