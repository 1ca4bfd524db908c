import { byWeight, type Cluster } from "../cluster/mod.ts";
import { compileEdits, type HeaderEdits } from "./edits.ts";
import type { BackendModel, RuleModel } from "./model.ts";

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

  /** @throws {InvalidHeaderEdit} */
  constructor(rule: RuleModel, model: BackendModel, cluster: Cluster | null) {
    this.cluster = cluster;
    this.name = model.name;
    this.weight = model.weight;
    this.requestEdits = compileEdits(rule.requestHeaders, model.requestHeaders);
    this.responseEdits = compileEdits(rule.responseHeaders, model.responseHeaders);
  }
}

/** What a rule needs of the snapshot it is part of. */
export interface RuleParts {
  /** Cluster of a name; the snapshot has checked that there is one. */
  readonly clusterNamed: (name: string) => Cluster | null;
  /** For rules that say nothing. 0: none. */
  readonly requestTimeoutMs: number;
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
  readonly #sums: Float64Array;

  /** @throws {InvalidHeaderEdit} */
  constructor(model: RuleModel, parts: RuleParts) {
    this.id = model.id;
    this.idBytes = Buffer.from(model.id, "utf8");
    this.requestTimeoutMs = model.requestTimeoutMs ?? parts.requestTimeoutMs;
    this.backendTimeoutMs = model.backendTimeoutMs ?? 0;
    this.backends = Object.freeze(
      model.backends.map((backend) => {
        const cluster = backend.cluster === null ? null : parts.clusterNamed(backend.cluster);
        return new RuleBackend(model, backend, cluster);
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
