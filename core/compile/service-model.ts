import type { ConnectionRuleModel, FaultModel, RuleModel } from "../route/mod.ts";
import type { Resource, ServiceModel, ServicePortModel } from "../snapshot/mod.ts";
import type { CompiledCluster } from "./cluster.ts";
import { type CompiledConnectionRule, implicitConnectionRule } from "./connection-rule.ts";
import { isByRequest } from "./external.ts";
import { type Attachments, type CompiledPlugin, idsInOrder } from "./plugin.ts";
import { type CompiledRule, implicitRule } from "./rule.ts";
import { hostsOf, portCluster, type Service, type ServicePort, serviceKey } from "./service.ts";
import { type Attached, targetsAt, targetsOfRule } from "./target.ts";
import type { TrafficPolicies } from "./traffic-policy.ts";
import { versionOf } from "./version.ts";

/** What stands around a Service in one configuration. */
export interface Around {
  readonly services: ReadonlyMap<string, Service>;
  readonly clusters: ReadonlyMap<string, CompiledCluster>;
  readonly rulesAt: ReadonlyMap<string, readonly CompiledRule[]>;
  readonly connectionsAt: ReadonlyMap<string, readonly CompiledConnectionRule[]>;
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

function servicePortOf(service: Service, own: ServicePort, around: Around): ServicePortModel {
  const { port, name, protocol } = own;
  const guards = around.attachments.guards(service);
  const sources = protocol === "udp" ? [] : orImplicit(around.rulesAt.get(portCluster(service, own)));
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
  const connections = protocol === "http" ? {} : { connections: connectionsOf(service, own, around) };
  return { port, protocol, rules, ...connections, guards: idsInOrder(guards), guardedByCaller };
}

/**
 * Routes replace what a Service does by itself: what none of their rules
 * matches gets 404 (GEP-1426). Those of consumers do so for their own callers
 * only; null stands for the rule that all others keep.
 */
function orImplicit<R extends { readonly model: { readonly consumers?: string } }>(
  rules: readonly R[] = [],
): readonly (R | null)[] {
  return rules.some(({ model }) => model.consumers === undefined) ? rules : [...rules, null];
}

function connectionsOf(service: Service, port: ServicePort, around: Around): readonly ConnectionRuleModel[] {
  const sources = orImplicit(around.connectionsAt.get(portCluster(service, port)));
  return sources.map((rule, order) => ({ ...(rule?.model ?? implicitConnectionRule(service, port)), order }));
}

/** A rule where its route is attached to a Gateway: what it does, and the policies that go with it. */
export function shapedRule(rule: CompiledRule, around: Around): Omit<RuleModel, "order"> {
  const plugins = around.attachments.ofRule(rule);
  const guards = guardsOfOthers(null, clustersReached(rule.model, plugins), around);
  const faults = around.faults.at(targetsOfRule(rule)).toReversed();
  const policies = idsInOrder([...plugins, ...guards]);
  return { ...around.traffic.ofRule(rule), ...rule.model, ...(faults.length === 0 ? {} : { faults }), policies };
}

/** Clusters that a rule may send a request to, or a copy of it. */
function clustersReached(
  { backends, mirrors = [] }: Pick<RuleModel, "backends" | "mirrors">,
  plugins: readonly CompiledPlugin[],
): readonly string[] {
  const copied = [...mirrors, ...backends.flatMap((backend) => backend.mirrors ?? [])];
  const named = [...backends, ...copied].flatMap(({ cluster }) => cluster ?? []);
  const chosen = plugins.flatMap(({ destinations }) => Object.values(destinations));
  return [...new Set([...named, ...chosen])];
}

/**
 * Guards of other Services to which a rule leads and where no sidecar runs
 * them: the rule runs them, or a route would be a way around the guard.
 */
function guardsOfOthers(
  service: Service | null,
  reached: readonly string[],
  around: Around,
): readonly CompiledPlugin[] {
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
