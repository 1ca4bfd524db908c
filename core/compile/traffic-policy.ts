import type { ClusterModel, HashKeyModel } from "../cluster/mod.ts";
import { compareText, type Labels } from "../config/mod.ts";
import type { HedgeModel, RetryModel, RuleModel } from "../route/mod.ts";
import type { DocumentOf } from "../schema/mod.ts";
import { healthCheckOf } from "./health-check.ts";
import type { Report } from "./report.ts";
import type { CompiledRule } from "./rule.ts";
import { type Service, serviceKey } from "./service.ts";
import { placesOf, serviceTarget, type Targets, targetsAt, targetsOfRule } from "./target.ts";

type PolicyDocument = DocumentOf<"TrafficPolicy">;
type Spec = PolicyDocument["body"]["spec"];
type LoadBalancer = NonNullable<Spec["loadBalancer"]>;

/** What a TrafficPolicy adds to the clusters of a Service. */
export type ClusterTraffic = Partial<
  Omit<ClusterModel, "name" | "service" | "endpoints" | "confirmedAt" | "http2" | "tls" | "resolve">
>;
/** What it adds to a rule that does not say it itself. */
export type RuleTraffic = Pick<
  RuleModel,
  "requestTimeoutMs" | "backendTimeoutMs" | "retry" | "hedge" | "compareMirrors"
>;

/** A named group of a Service's endpoints. */
export interface Subset {
  readonly name: string;
  readonly labels: Labels;
}

/** All TrafficPolicies: at most one a place; the more specific place wins, field by field. */
export class TrafficPolicies {
  readonly #at = new Map<string, PolicyDocument>();

  /** The older policy of a place, then the first by name, is the one that counts: false for another. */
  add(key: string, document: PolicyDocument): boolean {
    const first = this.#at.get(key) ?? document;
    this.#at.set(key, first);
    return first === document;
  }

  ofCluster(service: Service, port: string): ClusterTraffic {
    return clusterTraffic(merged(this.#specs(targetsAt(service, port, null))));
  }

  /** At a port of a Service; null for the rule that a Service has without routes. */
  atPort(service: Service, port: string, rule: CompiledRule | null): RuleTraffic {
    return ruleTraffic(merged(this.#specs(targetsAt(service, port, rule))));
  }

  /** Wherever the route of a rule is attached. */
  ofRule(rule: Pick<CompiledRule, "route" | "name">): RuleTraffic {
    return ruleTraffic(merged(this.#specs(targetsOfRule(rule))));
  }

  /** Those of a Service and all its ports; of two of one name the first counts. */
  subsetsOf(service: Service): readonly Subset[] {
    const keys = service.ports.flatMap(({ name }) => (name === "" ? [] : [serviceTarget(service, name)]));
    const found = new Map<string, Subset>();
    for (const { subsets } of this.#specs([serviceTarget(service), ...keys]))
      for (const subset of subsets) if (!found.has(subset.name)) found.set(subset.name, subset);
    return [...found.values()];
  }

  #specs(keys: readonly string[]): readonly Spec[] {
    return keys.flatMap((key) => this.#at.get(key)?.body.spec ?? []);
  }
}

/** Puts every policy at the places it names; what has no effect there is a warning. */
export function compileTraffic(
  documents: readonly PolicyDocument[],
  targets: Targets,
  report: Report,
): TrafficPolicies {
  const policies = new TrafficPolicies();
  for (const document of documents.toSorted(byAge)) {
    for (const { key, service, path } of placesOf(document, document.body.spec.targetRefs, targets, report)) {
      if (!policies.add(key, document))
        report.warn(document, path, "must be a target that no other TrafficPolicy has: an older one counts there");
      if (service === null) warnOfNoEffect(document, report);
    }
  }
  return policies;
}

/** The Services with the subsets that policies make of them. */
export function withSubsets(
  services: ReadonlyMap<string, Service>,
  policies: TrafficPolicies,
): ReadonlyMap<string, Service> {
  const found = Array.from(services.values(), (service) => ({ ...service, subsets: policies.subsetsOf(service) }));
  return new Map(found.map((service) => [serviceKey(service), service]));
}

function byAge(a: PolicyDocument, b: PolicyDocument): number {
  return ageOf(a) - ageOf(b) || compareText(a.namespace, b.namespace) || compareText(a.name, b.name);
}

/** A file tells no age: it comes after what does. */
function ageOf({ body }: PolicyDocument): number {
  const { creationTimestamp } = body.metadata;
  return creationTimestamp === undefined ? Number.MAX_SAFE_INTEGER : Date.parse(creationTimestamp);
}

/** A route says how requests are tried; where they go is the Service's to say. */
const OF_SERVICES = ["loadBalancer", "limits", "ejection", "healthCheck", "retryBudget"] as const;
const TIMES_OF_SERVICES = ["connect", "idle", "response", "connectionAge"] as const;

function warnOfNoEffect(document: PolicyDocument, report: Report): void {
  const { spec } = document.body;
  const warn = (path: readonly string[]) =>
    report.warn(document, ["spec", ...path], "has no effect at a route: attach it to the Service");
  for (const field of OF_SERVICES) if (spec[field] !== undefined) warn([field]);
  if (spec.subsets.length > 0) warn(["subsets"]);
  for (const field of TIMES_OF_SERVICES) if (spec.timeouts?.[field] !== undefined) warn(["timeouts", field]);
}

type Merged = Partial<Omit<Spec, "targetRefs" | "subsets">>;

/** From the widest place to the most specific one. What belongs together (a way to retry, to judge) is replaced whole. */
function merged(specs: readonly Spec[]): Merged {
  let all: Merged = {};
  for (const { targetRefs: _, subsets: __, ...spec } of specs) {
    all = {
      ...all,
      ...given(spec),
      timeouts: { ...all.timeouts, ...given(spec.timeouts ?? {}) },
      limits: { ...all.limits, ...given(spec.limits ?? {}) },
      loadBalancer: balancerOf(all.loadBalancer, spec.loadBalancer),
    } as Merged;
  }
  return all;
}

/** The hash belongs to its balancer; the rest stands by itself. */
function balancerOf(wider: LoadBalancer | undefined, own: LoadBalancer | undefined): LoadBalancer | undefined {
  if (wider === undefined || own === undefined) return own ?? wider;
  const { type, hashOn } = own.type === undefined ? wider : own;
  return { ...wider, ...given(own), type, hashOn };
}

/** Without the fields that nobody gave. */
function given<T extends object>(fields: T): Partial<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, field]) => field !== undefined)) as Partial<T>;
}

function ruleTraffic({ timeouts, retry, hedge, compareMirrors }: Merged): RuleTraffic {
  return given({
    requestTimeoutMs: timeouts?.request,
    backendTimeoutMs: timeouts?.backendRequest,
    retry: retry && retryOf(retry),
    hedge: hedge && ({ afterMs: hedge.after, attempts: hedge.attempts } satisfies HedgeModel),
    compareMirrors: compareMirrors === true ? compareMirrors : undefined,
  }) as RuleTraffic;
}

function retryOf({ perTryTimeout, backoff, anyMethod, ...retry }: NonNullable<Spec["retry"]>): RetryModel {
  return {
    ...given(retry),
    attempts: retry.attempts,
    ...(perTryTimeout === undefined ? {} : { perTryTimeoutMs: perTryTimeout }),
    ...(backoff === undefined ? {} : { backoff: { baseMs: backoff.base, maxMs: backoff.max ?? backoff.base * 10 } }),
    ...(anyMethod === true ? { anyMethod } : {}),
  } as RetryModel;
}

function clusterTraffic({
  loadBalancer,
  limits,
  ejection,
  healthCheck,
  retryBudget,
  timeouts,
}: Merged): ClusterTraffic {
  const traffic = {
    ...(loadBalancer === undefined ? {} : balancing(loadBalancer)),
    limits: filled({
      connectionsPerEndpoint: limits?.connectionsPerEndpoint,
      requests: limits?.requests,
      pending: limits?.pending,
      pendingMs: limits?.pendingTimeout,
      requestsPerConnection: limits?.requestsPerConnection,
    }),
    ejection: ejection && ejectionOf(ejection),
    healthCheck: healthCheck && healthCheckOf(healthCheck),
    retryBudget: retryBudget && { fraction: retryBudget.percent / 100, minPerSecond: retryBudget.minPerSecond },
    timeouts: filled({
      connectMs: timeouts?.connect,
      idleMs: timeouts?.idle,
      responseMs: timeouts?.response,
      connectionAgeMs: timeouts?.connectionAge,
    }),
  };
  return given(traffic) as ClusterTraffic;
}

/** Undefined where nothing is given. */
function filled<T extends object>(fields: T): Partial<T> | undefined {
  const found = given(fields);
  return Object.keys(found).length === 0 ? undefined : found;
}

function balancing({ type, hashOn, slowStart, locality, panicPercent }: LoadBalancer): ClusterTraffic {
  return given({
    balancer: type,
    hash: hashOn.length === 0 ? undefined : hashOn.map(hashKeyOf),
    slowStart: slowStart && { windowMs: slowStart.window, minimum: slowStart.minimumPercent / 100 },
    panicThreshold: panicPercent === undefined ? undefined : panicPercent / 100,
    locality:
      locality &&
      given({
        mode: locality.mode,
        order: locality.order.length === 0 ? undefined : locality.order,
        spillBelow: locality.spillBelowPercent === undefined ? undefined : locality.spillBelowPercent / 100,
      }),
  }) as ClusterTraffic;
}

function hashKeyOf({ header, cookie, queryParam }: LoadBalancer["hashOn"][number]): HashKeyModel {
  if (header !== undefined) return { type: "Header", name: header.toLowerCase() };
  if (queryParam !== undefined) return { type: "QueryParam", name: queryParam };
  if (cookie === undefined) return { type: "SourceAddress" };
  const { name, ttl, path } = cookie;
  return { type: "Cookie", name, ...given({ ttlMs: ttl, path }) } as HashKeyModel;
}

function ejectionOf(ejection: NonNullable<Spec["ejection"]>): ClusterModel["ejection"] {
  const { successRatePercent, latencyFactor } = ejection;
  return {
    consecutiveErrors: ejection.consecutiveErrors,
    intervalMs: ejection.interval,
    minimumRequests: ejection.minimumRequests,
    ...(successRatePercent === undefined ? {} : { successRate: successRatePercent / 100 }),
    ...(latencyFactor === undefined ? {} : { latencyFactor }),
    baseMs: ejection.baseTime,
    maxMs: ejection.maxTime,
    maxFraction: ejection.maxPercent / 100,
  };
}
