import type { Path } from "../config/mod.ts";
import type { BackendModel, FiltersModel, MatchModel, RetryModel, RuleModel, SessionModel } from "../route/mod.ts";
import type { DocumentOf } from "../schema/mod.ts";
import type { BackendObject, Backends, BrokenRef } from "./backend.ts";
import { type Filter, filtersOf } from "./filter.ts";
import { ANY, grpcMatchOf, matchOf } from "./match.ts";
import type { Report } from "./report.ts";
import type { AnyRoute, Route } from "./route-document.ts";
import { clusterName, type Service } from "./service.ts";
import { versionOf } from "./version.ts";

type HttpRule = DocumentOf<"HTTPRoute">["body"]["spec"]["rules"][number];
type GrpcRule = DocumentOf<"GRPCRoute">["body"]["spec"]["rules"][number];
type RouteRule = HttpRule | GrpcRule;
type BackendRef = BackendObject & { readonly weight: number; readonly filters: readonly Filter[] };

/** A rule of a route before it is put at a port: the same at all of them. */
export interface CompiledRule {
  readonly route: Route;
  readonly index: number;
  /** Empty where the author gave none. */
  readonly name: string;
  readonly model: Omit<RuleModel, "order" | "policies">;
}

/** The rule of a Service that no route shapes: everything goes to the Service itself. */
export function implicitRule(service: Service, port: number): Omit<RuleModel, "order" | "policies"> {
  const backend = { cluster: clusterName(service, port), name: service.name, weight: 1 };
  return { id: `Service/${service.namespace}/${service.name}`, matches: ANY, backends: [backend] };
}

/** The references of one route: follows them, tells the author of those that lead nowhere, and keeps the reasons. */
export class References {
  /** In the order in which they were met. */
  readonly broken: BrokenRef[] = [];
  readonly #route: AnyRoute;
  readonly #backends: Backends;
  readonly #report: Report;

  constructor(route: AnyRoute, backends: Backends, report: Report) {
    this.#route = route;
    this.#backends = backends;
    this.#report = report;
  }

  /** The cluster of a reference, or null; `effect` is what its author should know then. */
  follow(ref: BackendObject, path: Path, effect: string): string | null {
    const resolved = this.#backends.resolve(ref, this.#route);
    if (resolved.cluster !== null) return resolved.cluster;
    this.refuse(resolved.broken, [...path, resolved.field], effect, ref.name);
    return null;
  }

  refuse(broken: BrokenRef, path: Path, effect: string, found: string): void {
    this.#report.warn(this.#route, path, `${broken.message}: ${effect}`, { found });
    this.broken.push(broken);
  }
}

/** The rules of a route; references that lead nowhere become backends that answer 500. */
export function rulesOf(route: Route, references: References, report: Report): readonly CompiledRule[] {
  return route.body.spec.rules.map((rule: RouteRule, index): CompiledRule => {
    warnOfNoBackend(route, rule, index, report);
    const path = ["spec", "rules", index];
    const name = rule.name ?? "";
    const id = ruleId(route, index, name);
    const backends = rule.backendRefs.map((ref, i) => backendOf(ref, [...path, "backendRefs", i], references));
    const matches = matchesOf(rule);
    const filters = ruleFilters(rule.filters, [...path, "filters"], references);
    // A filter that is not there must not be passed over: what it stood before fails (Gateway API, ExtensionRef).
    const model =
      filters === null
        ? { id, matches, backends: backends.map((backend) => ({ ...backend, cluster: null })) }
        : { id, matches, backends, ...filters };
    return { route, index, name, model: { ...model, ...timingOf(rule), ...sessionOf(rule, id) } };
  });
}

/** `<kind>/<namespace>/<name>/<rule name or index>` */
export function ruleId({ kind, namespace, name }: AnyRoute, index: number, rule: string): string {
  return `${kind}/${namespace}/${name}/${rule === "" ? index : rule}`;
}

function warnOfNoBackend(route: Route, rule: RouteRule, index: number, report: Report): void {
  const path = ["spec", "rules", index, "backendRefs"];
  if (rule.filters.some(({ type }) => (type as Filter["type"]) === "RequestRedirect")) return;
  if (rule.backendRefs.length === 0)
    report.warn(route, path, "must name a backend: without one every request gets 500");
  else if (rule.backendRefs.every(({ weight }) => weight === 0))
    report.warn(route, path, "must have a weight above 0: with none every request gets 500");
}

function backendOf(ref: BackendRef, path: Path, references: References): BackendModel {
  const { name, weight } = ref;
  const cluster = references.follow(ref, path, "its share of requests gets 500");
  const filters = ruleFilters(ref.filters, [...path, "filters"], references);
  return filters === null ? { cluster: null, name, weight } : { cluster, name, weight, ...filters };
}

/** Null where one of them is not there. */
function ruleFilters(filters: readonly Filter[], path: Path, references: References): FiltersModel | null {
  const extension = filters.findIndex(({ type }) => type === "ExtensionRef");
  const ref = filters[extension]?.extensionRef;
  if (ref !== undefined) {
    const kind = ref.group === "" ? ref.kind : `${ref.kind} of ${ref.group}`;
    const message = `must be a filter of the mesh, which has none of its own: current value is ${kind}`;
    const at = [...path, extension, "extensionRef", "kind"];
    references.refuse({ reason: "InvalidKind", message }, at, "requests get 500", ref.kind);
    return null;
  }
  return filtersOf(filters, (mirror, i) =>
    references.follow(mirror, [...path, i, "requestMirror", "backendRef"], "no copy is sent"),
  );
}

function matchesOf(rule: RouteRule): readonly MatchModel[] {
  if (rule.matches.length === 0) return ANY;
  return isHttp(rule) ? rule.matches.map(matchOf) : (rule as GrpcRule).matches.map(grpcMatchOf);
}

function isHttp(rule: RouteRule): rule is HttpRule {
  return "timeouts" in rule;
}

function timingOf(rule: RouteRule): Partial<RuleModel> {
  if (!isHttp(rule)) return {};
  const { request, backendRequest } = rule.timeouts;
  return {
    ...(request === undefined ? {} : { requestTimeoutMs: request }),
    // 0 is no timeout (GEP-2257), which for one attempt is the same as none given.
    ...(backendRequest === undefined || backendRequest === 0 ? {} : { backendTimeoutMs: backendRequest }),
    ...(rule.retry === undefined ? {} : { retry: retryOf(rule.retry) }),
  };
}

/** Where the author says that there are retries, but not how many. */
const USUAL_RETRIES = 2;

/** The pause grows to so many times that of the first retry. */
const LONGEST_PAUSE = 10;

function retryOf({ attempts, codes, backoff }: NonNullable<HttpRule["retry"]>): RetryModel {
  return {
    attempts: attempts ?? USUAL_RETRIES,
    ...(codes.length === 0 ? {} : { statuses: codes }),
    ...(backoff === undefined ? {} : { backoff: { baseMs: backoff, maxMs: backoff * LONGEST_PAUSE } }),
  };
}

/** A name that no other rule has where the author gave none: two rules at one host must not read each other's. */
function sessionOf({ sessionPersistence: session }: RouteRule, id: string): { readonly session?: SessionModel } {
  if (session === undefined) return {};
  const { type, sessionName = "", absoluteTimeout, idleTimeout, cookieConfig } = session;
  return {
    session: {
      type,
      name: sessionName === "" ? `mesh-session-${versionOf({ id }).slice(0, 8)}` : sessionName,
      lifetime: cookieConfig?.lifetimeType ?? "Session",
      ...(absoluteTimeout === undefined ? {} : { absoluteTimeoutMs: absoluteTimeout }),
      ...(idleTimeout === undefined ? {} : { idleTimeoutMs: idleTimeout }),
    },
  };
}
