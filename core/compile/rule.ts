import type { Path } from "../config/mod.ts";
import type { BackendModel, HeaderEditsModel, MatchModel, RuleModel, ValueMatchModel } from "../route/mod.ts";
import type { DocumentOf } from "../schema/mod.ts";
import type { Report } from "./report.ts";
import { clusterName, type Service } from "./service.ts";

export type Route = DocumentOf<"HTTPRoute">;
type RouteRule = Route["body"]["spec"]["rules"][number];
type BackendRef = RouteRule["backendRefs"][number];
type Filters = RouteRule["filters"];
type Match = RouteRule["matches"][number];

/** A rule of a route before it is put at a port: the same at all of them. */
export interface CompiledRule {
  readonly route: Route;
  readonly index: number;
  /** Empty where the author gave none. */
  readonly name: string;
  readonly model: Omit<RuleModel, "order" | "policies">;
}

/** Why a reference of a route cannot be followed. */
export interface BrokenRef {
  readonly reason: "BackendNotFound" | "InvalidKind" | "RefNotPermitted";
  readonly message: string;
}

/** Everything a rule would match where its author wrote no match. */
const ANY: readonly MatchModel[] = [{ path: { type: "PathPrefix", value: "/" } }];

/** The rule of a Service that no route shapes: everything goes to the Service itself. */
export function implicitRule(service: Service, port: number): Omit<RuleModel, "order" | "policies"> {
  const backend = { cluster: clusterName(service, port), name: service.name, weight: 1 };
  return { id: `Service/${service.namespace}/${service.name}`, matches: ANY, backends: [backend] };
}

/** The rules of a route; references that lead nowhere become backends that answer 500, and are told to `broken`. */
export function rulesOf(
  route: Route,
  services: ReadonlyMap<string, Service>,
  report: Report,
  broken: (ref: BrokenRef) => void,
): readonly CompiledRule[] {
  return route.body.spec.rules.map((rule, index) => {
    const backends = rule.backendRefs.map((ref, i): BackendModel => {
      const path = ["spec", "rules", index, "backendRefs", i];
      const problem = problemOfRef(ref, route, services, path);
      if (problem === null) return backendOf(ref, clusterOfRef(ref, route.namespace));
      report.warn(route, problem.path, `${problem.message}: its share of requests gets 500`, { found: ref.name });
      broken(problem);
      return backendOf(ref, null);
    });
    warnOfNoBackend(route, rule, index, report);
    const name = rule.name ?? "";
    const id = `HTTPRoute/${route.namespace}/${route.name}/${name === "" ? index : name}`;
    const matches = rule.matches.length === 0 ? ANY : rule.matches.map(matchOf);
    return { route, index, name, model: { id, matches, backends, ...editsOf(rule.filters), ...timeoutsOf(rule) } };
  });
}

function warnOfNoBackend(route: Route, rule: RouteRule, index: number, report: Report): void {
  const path = ["spec", "rules", index, "backendRefs"];
  if (rule.backendRefs.length === 0)
    report.warn(route, path, "must name a backend: without one every request gets 500");
  else if (rule.backendRefs.every(({ weight }) => weight === 0))
    report.warn(route, path, "must have a weight above 0: with none every request gets 500");
}

/** `<service>` of kind Service, `<service>.<subset>` of kind Subset: names of Services have no dot. */
function partsOf({ name }: BackendRef): readonly [service: string, subset: string] {
  const [service = "", subset = ""] = name.split(".");
  return [service, subset];
}

function clusterOfRef(ref: BackendRef, namespace: string): string {
  const [name, subset] = partsOf(ref);
  return clusterName({ namespace, name }, ref.port ?? 0, subset);
}

function isSubset({ group, kind }: BackendRef): boolean {
  return group === "mesh.dev" && kind === "Subset";
}

function problemOfRef(
  ref: BackendRef,
  route: Route,
  services: ReadonlyMap<string, Service>,
  path: Path,
): (BrokenRef & { readonly path: Path }) | null {
  const namespace = ref.namespace ?? route.namespace;
  if (!isSubset(ref) && (ref.group !== "" || ref.kind !== "Service")) {
    const kind = ref.group === "" ? ref.kind : `${ref.kind} of ${ref.group}`;
    return { path: [...path, "kind"], reason: "InvalidKind", message: `must be Service: current value is ${kind}` };
  }
  // Whoever owns the other namespace has not agreed: that takes a ReferenceGrant.
  if (namespace !== route.namespace) {
    const message = `must be ${route.namespace}, the route's own: no ReferenceGrant lets it refer to ${namespace}`;
    return { path: [...path, "namespace"], reason: "RefNotPermitted", message };
  }
  const [name, subset] = isSubset(ref) ? partsOf(ref) : [ref.name, ""];
  const service = services.get(`${namespace}/${name}`);
  if (service === undefined) {
    const message = `must name a Service: there is no Service ${namespace}/${name}`;
    return { path: [...path, "name"], reason: "BackendNotFound", message };
  }
  const known = service.subsets.map((one) => one.name);
  if (isSubset(ref) && !known.includes(subset)) {
    const message = `must name a subset of Service ${namespace}/${name} (${known.join(", ") || "none"}): current value is "${subset}"`;
    return { path: [...path, "name"], reason: "BackendNotFound", message };
  }
  if (service.ports.some(({ port }) => port === ref.port)) return null;
  const ports = service.ports.map(({ port }) => port).join(", ") || "none";
  const message = `must be a port of Service ${namespace}/${name} (${ports}): current value is ${ref.port}`;
  return { path: [...path, "port"], reason: "BackendNotFound", message };
}

function backendOf(ref: BackendRef, cluster: string | null): BackendModel {
  return { cluster, name: ref.name, weight: ref.weight, ...editsOf(ref.filters) };
}

/** A match of a route as the router runs it. */
export function matchOf({ path, method, headers, queryParams }: Match): MatchModel {
  return {
    path: { type: path.type === "Exact" ? "Exact" : "PathPrefix", value: path.value },
    ...(method === undefined ? {} : { method }),
    ...(headers.length === 0
      ? {}
      : { headers: headers.map((match) => ({ ...match, name: match.name.toLowerCase() })) }),
    ...(queryParams.length === 0 ? {} : { query: queryParams satisfies readonly ValueMatchModel[] }),
  };
}

interface Edits {
  requestHeaders?: HeaderEditsModel;
  responseHeaders?: HeaderEditsModel;
}

function editsOf(filters: Filters): Edits {
  const edits: Edits = {};
  for (const { requestHeaderModifier: request, responseHeaderModifier: response } of filters) {
    if (request !== undefined) edits.requestHeaders = withoutEmpty(request);
    if (response !== undefined) edits.responseHeaders = withoutEmpty(response);
  }
  return edits;
}

function withoutEmpty(edits: Required<HeaderEditsModel>): HeaderEditsModel {
  return Object.fromEntries(Object.entries(edits).filter(([, list]) => list.length > 0));
}

function timeoutsOf({ timeouts: { request, backendRequest } }: RouteRule): Partial<RuleModel> {
  return {
    ...(request === undefined ? {} : { requestTimeoutMs: request }),
    // 0 is no timeout (GEP-2257), which for one attempt is the same as none given.
    ...(backendRequest === undefined || backendRequest === 0 ? {} : { backendTimeoutMs: backendRequest }),
  };
}
