import { isByRequest } from "./external.ts";
import type { ReferenceGrants } from "./reference.ts";
import { type AnyRoute, GATEWAY_GROUP } from "./route-document.ts";
import { clusterName, portCluster, type Service, type ServicePort } from "./service.ts";

/** A reference to a backend, its defaults filled in. */
export interface BackendObject {
  readonly group: string;
  readonly kind: string;
  readonly namespace?: string | undefined;
  readonly name: string;
  readonly port?: number | undefined;
}

/** Why a reference of a route cannot be followed, as a condition tells it. */
export interface BrokenRef {
  readonly reason: "InvalidKind" | "RefNotPermitted" | "BackendNotFound" | "UnsupportedProtocol";
  readonly message: string;
}

/** Where a reference leads; where it leads nowhere, which of its fields is wrong. */
export type Resolved =
  | { readonly cluster: string }
  | { readonly cluster: null; readonly broken: BrokenRef; readonly field: keyof BackendObject };

/** What routes may send to: Services and their subsets, in other namespaces where a ReferenceGrant permits it. */
export class Backends {
  readonly #services: ReadonlyMap<string, Service>;
  readonly #grants: ReferenceGrants;

  constructor(services: ReadonlyMap<string, Service>, grants: ReferenceGrants) {
    this.#services = services;
    this.#grants = grants;
  }

  /** The cluster that a reference of a route means, or why it means none. */
  resolve(ref: BackendObject, route: AnyRoute): Resolved {
    if (!isSubset(ref) && !isExternal(ref) && (ref.group !== "" || ref.kind !== "Service")) {
      const kind = ref.group === "" ? ref.kind : `${ref.kind} of ${ref.group}`;
      return broken("InvalidKind", "kind", `must be Service: current value is ${kind}`);
    }
    const namespace = ref.namespace ?? route.namespace;
    const [name, subset] = partsOf(ref);
    const from = { group: GATEWAY_GROUP, kind: route.kind, namespace: route.namespace };
    const target = isExternal(ref) ? { group: ref.group, kind: ref.kind } : { group: "", kind: "Service" };
    const mayRefer = this.#grants.permits(from, { ...target, namespace, name });
    if (!mayRefer && !isParent(route, namespace, name)) {
      const message = `must be ${route.namespace}, the route's own: no ReferenceGrant lets it refer to ${namespace}`;
      return broken("RefNotPermitted", "namespace", message);
    }
    const service = this.#services.get(`${namespace}/${name}`);
    if (service === undefined || (service.external !== null) !== isExternal(ref)) {
      const what = `${target.kind === "Service" ? "a" : "an"} ${target.kind}`;
      return broken("BackendNotFound", "name", `must name ${what}: there is no ${target.kind} ${namespace}/${name}`);
    }
    if (service.external !== null && isByRequest(service.external) && !leadsBack(route, namespace, name)) {
      const message = `must have endpoints: its hosts are wildcards, and only a request for one of them says where it goes`;
      return broken("BackendNotFound", "name", message);
    }
    const known = service.subsets.map((one) => one.name);
    if (isSubset(ref) && !known.includes(subset)) {
      const message = `must name a subset of Service ${namespace}/${name} (${known.join(", ") || "none"}): current value is "${subset}"`;
      return broken("BackendNotFound", "name", message);
    }
    return clusterAt(service, ref.port, subset, route);
  }
}

/**
 * A caller's route back to the Service that it shapes: callers reach that
 * without the route too, so nobody need grant it. At a Gateway they would be
 * strangers, so a route that has one as a parent gets nothing by this.
 */
function isParent({ namespace: own, body }: AnyRoute, namespace: string, name: string): boolean {
  const { parentRefs } = body.spec;
  return (
    parentRefs.every(({ group, kind }) => group === "" && kind === "Service") &&
    parentRefs.some((parent) => parent.name === name && (parent.namespace ?? own) === namespace)
  );
}

/** Every parent is the ExternalService itself: the request names the host. */
function leadsBack({ namespace: own, body }: AnyRoute, namespace: string, name: string): boolean {
  return body.spec.parentRefs.every(
    (parent) => isExternal(parent) && parent.name === name && (parent.namespace ?? own) === namespace,
  );
}

function isSubset({ group, kind }: BackendObject): boolean {
  return group === "mesh.dev" && kind === "Subset";
}

/** A Service outside the mesh. */
export function isExternal({ group, kind }: Pick<BackendObject, "group" | "kind">): boolean {
  return group === "mesh.dev" && kind === "ExternalService";
}

/** `<service>` of kind Service, `<service>.<subset>` of kind Subset: names of Services have no dot. */
function partsOf(ref: BackendObject): readonly [service: string, subset: string] {
  if (!isSubset(ref)) return [ref.name, ""];
  const [service = "", subset = ""] = ref.name.split(".");
  return [service, subset];
}

/** The cluster of a reference that requests go to, whether it is there or not. */
export function backendCluster(ref: BackendObject, ownNamespace: string): string {
  const [name, subset] = partsOf(ref);
  return clusterName({ namespace: ref.namespace ?? ownNamespace, name }, ref.port ?? 0, subset);
}

function clusterAt(service: Service, wanted: number | undefined, subset: string, route: AnyRoute): Resolved {
  const transport = route.kind === "UDPRoute" ? "udp" : "tcp";
  const same = service.ports.filter(({ port }) => port === wanted);
  const port = same.find((own) => transportOf(own) === transport);
  if (port !== undefined) return { cluster: portCluster(service, port, subset) };
  const name = `Service ${service.namespace}/${service.name}`;
  if (same.length > 0) {
    const message = `must be a port for ${transport.toUpperCase()}: port ${wanted} of ${name} is none`;
    return broken("UnsupportedProtocol", "port", message);
  }
  const ports = service.ports.map(({ port }) => port).join(", ") || "none";
  return broken("BackendNotFound", "port", `must be a port of ${name} (${ports}): current value is ${wanted}`);
}

function transportOf({ protocol }: ServicePort): "tcp" | "udp" {
  return protocol === "udp" ? "udp" : "tcp";
}

function broken(reason: BrokenRef["reason"], field: keyof BackendObject, message: string): Resolved {
  return { cluster: null, broken: { reason, message }, field };
}
