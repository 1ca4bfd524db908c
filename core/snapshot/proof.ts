import type { BackendModel, FiltersModel, RuleModel } from "../route/mod.ts";
import type { GatewayListenerModel, Resource } from "./model.ts";

type GatewayResource = Extract<Resource, { kind: "gateway" }>;
type ClusterResource = Extract<Resource, { kind: "cluster" }>;

/**
 * Gives every gateway that proves itself to backends (`spec.tls.backend` of
 * Gateway API) clusters of its own, for those that are reached by TLS: a
 * connection on which one gateway has proven itself is never used for another.
 * Resources without such a gateway come back as they are.
 */
export function withProof(resources: readonly Resource[]): readonly Resource[] {
  if (!resources.some((resource) => resource.kind === "gateway" && resource.model.backendCertificate !== undefined))
    return resources;
  const secured = new Map<string, ClusterResource>();
  for (const one of resources) if (one.kind === "cluster" && one.model.tls !== undefined) secured.set(one.name, one);
  const own = new Map<string, ClusterResource>();
  const proven = resources.map((resource) => {
    const isProving = resource.kind === "gateway" && resource.model.backendCertificate !== undefined;
    return isProving ? provenBy(resource, secured, own) : resource;
  });
  return [...proven, ...own.values()];
}

/** The gateway with its backends renamed; the clusters they name now are added to `own`. */
function provenBy(
  gateway: GatewayResource,
  secured: ReadonlyMap<string, ClusterResource>,
  own: Map<string, ClusterResource>,
): GatewayResource {
  const rename = (name: string | null): string | null => {
    const cluster = name === null ? undefined : secured.get(name);
    if (cluster === undefined) return name;
    const key = `${name}@${gateway.name}`;
    if (!own.has(key)) own.set(key, clusterOf(cluster, key, gateway));
    return key;
  };
  const ports = gateway.model.ports.map((port) => ({
    ...port,
    listeners: port.listeners.map((listener) => listenerOf(listener, rename)),
  }));
  return { ...gateway, model: { ...gateway.model, ports } };
}

/** By its own key, and by the same name in logs and metrics. */
function clusterOf({ version, model }: ClusterResource, key: string, gateway: GatewayResource): ClusterResource {
  const proof = gateway.model.backendCertificate!;
  return {
    kind: "cluster",
    name: key,
    version: `${version} ${gateway.version}`,
    model: { ...model, tls: { ...model.tls!, proof } },
  };
}

type Rename = (name: string | null) => string | null;

function listenerOf(listener: GatewayListenerModel, rename: Rename): GatewayListenerModel {
  const { hosts, connections } = listener;
  return {
    ...listener,
    ...(hosts && { hosts: hosts.map((host) => ({ ...host, rules: host.rules.map((rule) => ruleOf(rule, rename)) })) }),
    ...(connections && {
      connections: connections.map((rule) => ({ ...rule, backends: rule.backends.map((one) => renamed(one, rename)) })),
    }),
  };
}

function ruleOf(rule: RuleModel, rename: Rename): RuleModel {
  const backends = rule.backends.map((backend) => mirrorsOf(renamed(backend, rename), rename));
  return { ...mirrorsOf(rule, rename), backends };
}

function renamed<B extends Pick<BackendModel, "cluster">>(backend: B, rename: Rename): B {
  return { ...backend, cluster: rename(backend.cluster) };
}

function mirrorsOf<F extends FiltersModel>(filters: F, rename: Rename): F {
  const { mirrors } = filters;
  return mirrors === undefined ? filters : { ...filters, mirrors: mirrors.map((mirror) => renamed(mirror, rename)) };
}
