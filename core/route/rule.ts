import { byWeight, type Cluster } from "../cluster/mod.ts";
import { compileEdits, type HeaderEdits } from "./edits.ts";
import { Fault } from "./fault.ts";
import { Cors } from "./filter/cors.ts";
import { Redirect } from "./filter/redirect.ts";
import { compileRewrite, type Rewrite } from "./filter/rewrite.ts";
import { compileMirrors, type Mirror } from "./mirror.ts";
import type { BackendModel, HedgeModel, RuleModel } from "./model.ts";
import type { PathScan } from "./path.ts";
import { RetryPolicy } from "./retry-policy.ts";
import { Session } from "./session.ts";

/** A rule's weighted reference to a cluster. */
export class RuleBackend {
  /** Null where the reference is broken: the request gets 500 (Gateway API, HTTPBackendRef). */
  readonly cluster: Cluster | null;
  /** As the author wrote it: what a routing policy may name. */
  readonly name: string;
  readonly weight: number;
  /** The rule's edits and then the backend's own; null without any. */
  readonly requestEdits: HeaderEdits | null;
  readonly responseEdits: HeaderEdits | null;
  /** The rule's, or the backend's own: it answers instead of the cluster. */
  readonly redirect: Redirect | null;
  readonly rewrite: Rewrite | null;
  /** The rule's and then the backend's own. */
  readonly mirrors: readonly Mirror[];

  /** @throws {InvalidHeaderEdit} */
  constructor(rule: RuleModel, model: BackendModel, cluster: Cluster | null, parts: RuleParts) {
    this.cluster = cluster;
    this.name = model.name;
    this.weight = model.weight;
    this.requestEdits = compileEdits(rule.requestHeaders, model.requestHeaders);
    this.responseEdits = compileEdits(rule.responseHeaders, model.responseHeaders);
    this.redirect = model.redirect === undefined ? null : new Redirect(model.redirect);
    this.rewrite = compileRewrite(rule.rewrite, model.rewrite);
    this.mirrors = compileMirrors(
      [...(rule.mirrors ?? []), ...(model.mirrors ?? [])],
      rule.compareMirrors === true,
      parts.clusterNamed,
    );
  }
}

/** What a rule needs of the snapshot it is part of. */
export interface RuleParts {
  /** Cluster of a name; the snapshot has checked that there is one. */
  readonly clusterNamed: (name: string) => Cluster | null;
  /** For rules that say nothing. 0: none. */
  readonly requestTimeoutMs: number;
  /** The worker's, for the matches of faults. */
  readonly scan: PathScan;
  /** Tells the sessions of one mesh from those of another. */
  readonly trustDomain: string;
}

/** A rule made ready: backends by weight, edits as bytes, nothing optional. Immutable. */
export class Rule {
  readonly id: string;
  readonly idBytes: Buffer;
  /** From the request's head to the response's last byte. 0: none. */
  readonly requestTimeoutMs: number;
  /** For one attempt. 0: only the request timeout holds. */
  readonly backendTimeoutMs: number;
  readonly backends: readonly RuleBackend[];
  /** What follows is null for a rule that does not use it. */
  readonly redirect: Redirect | null;
  readonly cors: Cors | null;
  readonly faults: readonly Fault[] | null;
  readonly retry: RetryPolicy | null;
  readonly hedge: HedgeModel | null;
  readonly session: Session | null;
  readonly #sums: Float64Array;

  /** @throws {InvalidHeaderEdit} and {InvalidPattern} */
  constructor(model: RuleModel, parts: RuleParts) {
    this.id = model.id;
    this.idBytes = Buffer.from(model.id, "utf8");
    this.requestTimeoutMs = model.requestTimeoutMs ?? parts.requestTimeoutMs;
    this.retry = model.retry === undefined ? null : new RetryPolicy(model.retry);
    this.backendTimeoutMs = model.backendTimeoutMs ?? this.retry?.perTryTimeoutMs ?? 0;
    this.redirect = model.redirect === undefined ? null : new Redirect(model.redirect);
    const cors = model.cors ?? model.backends.find((backend) => backend.cors !== undefined)?.cors;
    this.cors = cors === undefined ? null : new Cors(cors);
    this.faults = model.faults?.length ? model.faults.map((fault) => new Fault(fault, parts.scan)) : null;
    this.hedge = model.hedge ?? null;
    this.session = model.session === undefined ? null : new Session(model.session, `${parts.trustDomain} ${model.id}`);
    this.backends = Object.freeze(
      model.backends.map((backend) => {
        const cluster = backend.cluster === null ? null : parts.clusterNamed(backend.cluster);
        return new RuleBackend(model, backend, cluster, parts);
      }),
    );
    let sum = 0;
    this.#sums = Float64Array.from(this.backends, ({ weight }) => {
      sum += weight;
      return sum;
    });
  }

  /** A backend by weight; null where no backend has one: the request gets 500. */
  pickBackend(random: () => number): RuleBackend | null {
    const sums = this.#sums;
    if (sums.length === 0 || sums[sums.length - 1] === 0) return null;
    return sums.length === 1 ? this.backends[0]! : this.backends[byWeight(sums, random())]!;
  }

  /** The backend that a routing policy names; null without one. */
  backendNamed(name: string): RuleBackend | null {
    const backends = this.backends;
    for (let i = 0; i < backends.length; i++) if (backends[i]!.name === name) return backends[i]!;
    return null;
  }
}
