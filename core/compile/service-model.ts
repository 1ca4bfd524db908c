import type { FaultModel, RuleModel } from "../route/mod.ts";
import type { Resource, ServiceModel, ServicePortModel } from "../snapshot/mod.ts";
import type { CompiledCluster } from "./cluster.ts";
import { isByRequest } from "./external.ts";
import { type Attachments, type CompiledPlugin, idsInOrder } from "./plugin.ts";
import { type CompiledRule, implicitRule } from "./rule.ts";
import { clusterName, hostsOf, type Service, type ServicePort, serviceKey } from "./service.ts";
import { type Attached, targetsAt } from "./target.ts";
import type { TrafficPolicies } from "./traffic-policy.ts";
import { versionOf } from "./version.ts";

/** What stands around a Service in one configuration. */
export interface Around {
  readonly services: ReadonlyMap<string, Service>;
  readonly clusters: ReadonlyMap<string, CompiledCluster>;
  readonly rulesAt: ReadonlyMap<string, readonly CompiledRule[]>;
  readonly attachments: Attachments;
  readonly faults: Attached<FaultModel>;
  readonly traffic: TrafficPolicies;
}

/** A Service as its callers see it. */
export function serviceResource(service: Service, around: Around): Resource {
  const name = serviceKey(service);
  const ports = service.ports.map((port) => servicePortOf(service, port, around));
  const { external } = service;
  const outside = external === null ? {} : ({ external: isByRequest(external) ? "Request" : "Names" } as const);
  const model: ServiceModel = { name, hosts: hostsOf(service), ...outside, ports };
  return { kind: "service", name, version: versionOf(model), model };
}

function servicePortOf(service: Service, { port, name, protocol }: ServicePort, around: Around): ServicePortModel {
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
    const faults = around.faults.at(targetsAt(service, name, rule)).toReversed();
    const policies = idsInOrder([...plugins, ...others]);
    const traffic = around.traffic.atPort(service, name, rule);
    return { ...traffic, ...model, ...(faults.length === 0 ? {} : { faults }), order, policies };
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
