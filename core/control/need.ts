import type { RuleModel } from "../route/mod.ts";
import {
  type GatewayModel,
  type Resource,
  type ResourceKey,
  type ServiceModel,
  serviceFor,
  type WorkloadModel,
} from "../snapshot/mod.ts";
import { type Published, serviceAt } from "./published.ts";

/** What one proxy should hold: nothing that it does not use. */
export interface Need {
  readonly revision: string;
  readonly resources: ReadonlyMap<ResourceKey, Resource>;
  /** Each subscribed host → its service, or null: there is none. */
  readonly hosts: ReadonlyMap<string, string | null>;
}

/** Who asks: names of resources, as the proxy's identity allows. */
export interface Needy {
  /** `<namespace>/<name>` of its workload; null for a proxy without one. */
  readonly workload: string | null;
  readonly namespace: string;
  readonly hosts: Iterable<string>;
  /** `<namespace>/<name>` of the Gateways it serves; "*" for all. */
  readonly gateways?: readonly string[];
}

/** Stands for every Gateway. */
export const ALL_GATEWAYS = "*";

/**
 * Picks what a proxy needs of a revision: the mesh, its own workload, the
 * gateways it serves, the services its hosts name, and whatever those refer to: clusters, plugins,
 * and the clusters plugins may choose. Pure.
 */
export function needOf(published: Published, needy: Needy): Need {
  const picked = new Picked(published, needy.namespace);
  picked.take("mesh/");
  if (needy.workload !== null) picked.workload(needy.workload);
  for (const gateway of gatewaysOf(published, needy.gateways ?? [])) picked.gateway(gateway);
  const hosts = new Map<string, string | null>();
  for (const host of needy.hosts) {
    const service = serviceOf(published, host, needy.namespace);
    hosts.set(host, service);
    if (service !== null) picked.service(service);
  }
  return { revision: published.revision, resources: picked.resources, hosts };
}

function gatewaysOf({ resources }: Published, asked: readonly string[]): readonly string[] {
  if (!asked.includes(ALL_GATEWAYS)) return asked;
  return [...resources.values()].flatMap(({ kind, name }) => (kind === "gateway" ? [name] : []));
}

/** A bare name means the service in the asker's own namespace first, as a cluster's DNS search path has it. */
function serviceOf(published: Published, host: string, namespace: string): string | null {
  if (isBare(host)) {
    const own = `${namespace}/${host}`;
    if (published.resources.has(`service/${own}`)) return own;
  }
  return serviceAt(published, host);
}

function isBare(host: string): boolean {
  return !host.includes(".");
}

/**
 * A service as callers of a namespace know it: the bare name is added to their
 * own services, and taken from another one that has it.
 */
function seenFrom(service: ServiceResource, namespace: string, published: Published): ServiceResource {
  const model = serviceFor(service.model, namespace);
  const hosts = hostsSeenFrom(model, namespace, published);
  if (hosts.length === model.hosts.length && model === service.model) return service;
  return { ...service, version: `${service.version}@${namespace}`, model: { ...model, hosts } };
}

function hostsSeenFrom({ hosts, name, external }: ServiceModel, namespace: string, published: Published) {
  if (external !== undefined) return hosts;
  const [home, bare = ""] = name.split("/");
  const kept = hosts.filter((host) => !isBare(host) || serviceOf(published, host, namespace) === name);
  return home === namespace && !kept.includes(bare) ? [bare, ...kept] : kept;
}

type ServiceResource = Extract<Resource, { kind: "service" }>;

class Picked {
  readonly resources = new Map<ResourceKey, Resource>();
  readonly #published: Published;
  readonly #namespace: string;

  constructor(published: Published, namespace: string) {
    this.#published = published;
    this.#namespace = namespace;
  }

  /** Adds a resource; null when it is in already, or nowhere: the proxy says so if it minds. */
  take(key: ResourceKey): Resource | null {
    const resource = this.#published.resources.get(key);
    if (resource === undefined || this.resources.has(key)) return null;
    const seen = resource.kind === "service" ? seenFrom(resource, this.#namespace, this.#published) : resource;
    this.resources.set(key, seen);
    return seen;
  }

  workload(name: string): void {
    const model = this.take(`workload/${name}`)?.model as WorkloadModel | undefined;
    for (const port of model?.ports ?? []) this.#plugins(port.policies);
  }

  service(name: string): void {
    const model = this.take(`service/${name}`)?.model as ServiceModel | undefined;
    for (const port of model?.ports ?? []) {
      // A guard that the endpoints run themselves stays away from callers: its config may hold keys.
      if (port.guardedByCaller) this.#plugins(port.guards);
      for (const rule of port.rules) this.#rule(rule);
      for (const { backends } of port.connections ?? []) this.#clusters(backends);
    }
  }

  gateway(name: string): void {
    const model = this.take(`gateway/${name}`)?.model as GatewayModel | undefined;
    for (const port of model?.ports ?? [])
      for (const { hosts = [], connections = [] } of port.listeners) {
        for (const { rules } of hosts) for (const rule of rules) this.#rule(rule);
        for (const { backends } of connections) this.#clusters(backends);
      }
  }

  #rule(rule: RuleModel): void {
    this.#plugins(rule.policies);
    this.#clusters(rule.backends);
    for (const { mirrors = [] } of [rule, ...rule.backends]) this.#clusters(mirrors);
  }

  #clusters(places: readonly { readonly cluster: string | null }[]): void {
    for (const { cluster } of places) if (cluster !== null) this.take(`cluster/${cluster}`);
  }

  #plugins(ids: readonly string[]): void {
    for (const id of ids) {
      const resource = this.take(`plugin/${id}`);
      if (resource?.kind !== "plugin") continue;
      for (const cluster of Object.values(resource.model.destinations)) this.take(`cluster/${cluster}`);
    }
  }
}
