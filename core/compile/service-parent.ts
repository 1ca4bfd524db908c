import type { Path } from "../config/mod.ts";
import { type BrokenRef, isExternal } from "./backend.ts";
import type { CompiledConnectionRule } from "./connection-rule.ts";
import type { Report } from "./report.ts";
import type { CompiledRoute, CompiledRoutes } from "./route.ts";
import type { AnyRoute, ParentRef } from "./route-document.ts";
import type { CompiledRule } from "./rule.ts";
import { portCluster, type Service, type ServicePort } from "./service.ts";
import { type Finding, finding, type ParentReference, type RouteParent } from "./status.ts";

/** True for a parent that is a Service, of the mesh or outside of it: a route of the mesh. */
export function isService(ref: ParentRef): boolean {
  return (ref.group === "" && ref.kind === "Service") || isExternal(ref);
}

/** What a condition says of the references of a route. */
export function resolvedRefs(broken: BrokenRef | null): Finding {
  return finding("ResolvedRefs", broken === null, broken?.reason ?? "ResolvedRefs", broken?.message ?? "");
}

/** A parentRef as status repeats it: what was left out stays out, but for its kind. */
export function referenceOf({ group, kind, namespace, name, sectionName, port }: ParentRef): ParentReference {
  return {
    ...{ group, kind, name },
    ...(namespace === undefined ? {} : { namespace }),
    ...(sectionName === undefined ? {} : { sectionName }),
    ...(port === undefined ? {} : { port }),
  };
}

/** Gathers, route by route, what is attached to the ports of Services. */
export class ServiceParents {
  readonly #rulesAt = new Map<string, CompiledRule[]>();
  readonly #connectionsAt = new Map<string, CompiledConnectionRule[]>();
  readonly #parents: RouteParent[] = [];
  readonly #services: ReadonlyMap<string, Service>;
  readonly #report: Report;

  constructor(services: ReadonlyMap<string, Service>, report: Report) {
    this.#services = services;
    this.#report = report;
  }

  attach(compiled: CompiledRoute): void {
    const { route, broken } = compiled;
    const places = new Map<string, string | null>();
    for (const [parent, ref] of route.body.spec.parentRefs.entries()) {
      if (!isService(ref)) continue;
      const found = this.#portsOf(route, ref, ["spec", "parentRefs", parent]);
      // GEP-1426: from another namespace than the Service's, a route is for its own namespace's callers.
      const consumers = (ref.namespace ?? route.namespace) === route.namespace ? null : route.namespace;
      for (const port of found) places.set(port, consumers);
      const findings = [accepted(found.length > 0), resolvedRefs(broken)];
      this.#parents.push({ route, parent, ref: referenceOf(ref), findings });
    }
    if (places.size > 0) this.#put(compiled, places);
  }

  attached(): Omit<CompiledRoutes, "all"> {
    return { rulesAt: this.#rulesAt, connectionsAt: this.#connectionsAt, parents: this.#parents };
  }

  #put({ route, rules, connections }: CompiledRoute, places: ReadonlyMap<string, string | null>): void {
    const consumed = { rules: forConsumers(rules, route), connections: forConsumers(connections, route) };
    for (const [port, consumers] of places) {
      append(this.#rulesAt, port, consumers === null ? rules : consumed.rules);
      append(this.#connectionsAt, port, consumers === null ? connections : consumed.connections);
    }
    const { spec } = route.body;
    // GEP-1426: a mesh must read nothing into the host names of a route for requests.
    if ((route.kind === "HTTPRoute" || route.kind === "GRPCRoute") && "hostnames" in spec && spec.hostnames.length > 0)
      this.#report.warn(
        route,
        ["spec", "hostnames"],
        "has no effect for a Service as parent: match the header Host instead",
      );
  }

  /** The ports that one parentRef means, by their clusters; none where it leads nowhere. */
  #portsOf(route: AnyRoute, ref: ParentRef, path: Path): readonly string[] {
    const key = `${ref.namespace ?? route.namespace}/${ref.name}`;
    const service = this.#services.get(key);
    if (service === undefined || (service.external !== null) !== isExternal(ref)) {
      const message = `must name ${isExternal(ref) ? "an" : "a"} ${ref.kind}: there is no ${ref.kind} ${key}`;
      this.#report.warn(route, [...path, "name"], message, { found: ref.name });
      return [];
    }
    const named = service.ports.filter(
      ({ port, name }) =>
        (ref.port === undefined || ref.port === port) && (ref.sectionName === undefined || ref.sectionName === name),
    );
    const usable = named.filter(({ protocol }) => protocol === PROTOCOLS[route.kind]);
    const field = ref.port !== undefined ? ["port"] : ref.sectionName !== undefined ? ["sectionName"] : [];
    if (usable.length === 0) this.#report.warn(route, [...path, ...field], noPort(service, route, field.length > 0));
    return usable.map((port) => portCluster(service, port));
  }
}

/** What a port must speak for a route to shape it. */
const PROTOCOLS: Readonly<Record<AnyRoute["kind"], ServicePort["protocol"]>> = {
  HTTPRoute: "http",
  GRPCRoute: "http",
  TLSRoute: "tcp",
  TCPRoute: "tcp",
  UDPRoute: "udp",
};

function noPort(service: Service, { kind }: AnyRoute, named: boolean): string {
  const ports = service.ports.map(({ port, protocol }) => `${port} ${protocol}`).join(", ") || "none";
  const wanted = PROTOCOLS[kind].toUpperCase();
  const what = named ? `must be a port of the Service for ${wanted}` : `must name a Service with a port for ${wanted}`;
  return `${what}: the ports of ${service.namespace}/${service.name} are ${ports}`;
}

function forConsumers<R extends CompiledRule | CompiledConnectionRule>(
  rules: readonly R[],
  route: AnyRoute,
): readonly R[] {
  return rules.map((rule) => ({ ...rule, model: { ...rule.model, consumers: route.namespace } }));
}

function append<T>(map: Map<string, T[]>, key: string, entries: readonly T[]): void {
  if (entries.length === 0) return;
  const list = map.get(key);
  if (list === undefined) map.set(key, [...entries]);
  else list.push(...entries);
}

function accepted(isAccepted: boolean): Finding {
  return isAccepted
    ? finding("Accepted", true, "Accepted")
    : finding("Accepted", false, "NoMatchingParent", "No port of a Service matches the parentRef");
}
