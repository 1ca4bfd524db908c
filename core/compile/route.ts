import { compareText } from "../config/mod.ts";
import type { Report } from "./report.ts";
import { type BrokenRef, type CompiledRule, type Route, rulesOf } from "./rule.ts";
import { clusterName, type Service } from "./service.ts";
import { type Finding, finding, type ParentReference, type RouteParent } from "./status.ts";

/** Rules by the Service port they shape (`<namespace>/<service>:<port>`), in Gateway API order, and what became of the routes. */
export interface CompiledRoutes {
  readonly rulesAt: ReadonlyMap<string, readonly CompiledRule[]>;
  readonly parents: readonly RouteParent[];
}

type ParentRef = Route["body"]["spec"]["parentRefs"][number];

/** Puts the rules of every route at the ports of its parents. */
export function compileRoutes(
  routes: readonly Route[],
  services: ReadonlyMap<string, Service>,
  report: Report,
): CompiledRoutes {
  const rulesAt = new Map<string, CompiledRule[]>();
  const parents: RouteParent[] = [];
  for (const route of routes.toSorted(byAge)) {
    let firstBroken: BrokenRef | null = null;
    const rules = rulesOf(route, services, report, (ref) => {
      firstBroken ??= ref;
    });
    const ports = new Set<string>();
    for (const [parent, ref] of route.body.spec.parentRefs.entries()) {
      if (ref.group !== "" || ref.kind !== "Service") continue;
      const found = portsOf(route, ref, parent, services, report);
      for (const port of found) ports.add(port);
      const findings = [accepted(found.length > 0), resolved(firstBroken)];
      parents.push({ route, parent, ref: referenceOf(ref), findings });
    }
    for (const port of ports) {
      const list = rulesAt.get(port);
      if (list === undefined) rulesAt.set(port, [...rules]);
      else list.push(...rules);
    }
    warnOfNoEffect(route, report);
  }
  return { rulesAt, parents };
}

/** The older route first, then by name: the cut-off order of Gateway API. A file tells no age: it comes after those that do. */
function byAge(a: Route, b: Route): number {
  return ageOf(a) - ageOf(b) || compareText(a.namespace, b.namespace) || compareText(a.name, b.name);
}

function ageOf({ body }: Route): number {
  const { creationTimestamp } = body.metadata;
  return creationTimestamp === undefined ? Number.MAX_SAFE_INTEGER : Date.parse(creationTimestamp);
}

/** The Service ports that one parentRef means; none where it leads nowhere. */
function portsOf(
  route: Route,
  ref: ParentRef,
  index: number,
  services: ReadonlyMap<string, Service>,
  report: Report,
): readonly string[] {
  const path = ["spec", "parentRefs", index];
  const namespace = ref.namespace ?? route.namespace;
  if (namespace !== route.namespace) {
    report.refuse(route, [...path, "namespace"], "a parent in another namespace (a consumer route)");
    return [];
  }
  const service = services.get(`${namespace}/${ref.name}`);
  if (service === undefined) {
    const message = `must name a Service: there is no Service ${namespace}/${ref.name}`;
    report.warn(route, [...path, "name"], message, { found: ref.name });
    return [];
  }
  const ports = service.ports.filter(({ port }) => ref.port === undefined || ref.port === port);
  const http = ports.filter(({ protocol }) => protocol === "http");
  if (http.length === 0)
    report.warn(route, [...path, ...(ref.port === undefined ? [] : ["port"])], noPort(service, ref));
  return http.map(({ port }) => clusterName(service, port));
}

function noPort(service: Service, ref: ParentRef): string {
  const ports = service.ports.map(({ port, protocol }) => `${port} ${protocol}`).join(", ") || "none";
  const wanted =
    ref.port === undefined ? "must name a Service with an HTTP port" : "must be an HTTP port of the Service";
  return `${wanted}: the ports of ${service.namespace}/${service.name} are ${ports}`;
}

function warnOfNoEffect(route: Route, report: Report): void {
  const { parentRefs, hostnames, rules } = route.body.spec;
  if (parentRefs.length === 0)
    report.warn(route, ["spec", "parentRefs"], "must name a Service: the route has no effect");
  if (rules.length === 0) report.warn(route, ["spec", "rules"], "must hold a rule: the route has no effect");
  // GEP-1426: a mesh must read nothing into the host names of a route.
  if (hostnames.length > 0)
    report.warn(route, ["spec", "hostnames"], "has no effect for a Service as parent: match the header Host instead");
}

function accepted(isAccepted: boolean): Finding {
  return isAccepted
    ? finding("Accepted", true, "Accepted")
    : finding("Accepted", false, "NoMatchingParent", "No HTTP port of a Service matches the parentRef");
}

function resolved(broken: BrokenRef | null): Finding {
  return finding("ResolvedRefs", broken === null, broken?.reason ?? "ResolvedRefs", broken?.message ?? "");
}

/** A parentRef as status repeats it: what was left out stays out, but for its kind. */
function referenceOf({ group, kind, namespace, name, port }: ParentRef): ParentReference {
  return {
    ...{ group: group ?? "", kind, name },
    ...(namespace === undefined ? {} : { namespace }),
    ...(port === undefined ? {} : { port }),
  };
}
