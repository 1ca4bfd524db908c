import { RetryBudget } from "./budget.ts";
import { type EjectReason, Endpoint, endpointKey, tlsKey } from "./endpoint.ts";
import type { BalancerKind, ClusterModel, EndpointModel } from "./model.ts";

/** What a cluster tells the log and the metrics. */
export interface ClusterEvents {
  ejected(endpoint: Endpoint, reason: EjectReason, forMs: number): void;
  returned(endpoint: Endpoint): void;
}

/** Counts the requests to a cluster that somebody measures. */
export interface Tally {
  count(isFailure: boolean, durationMs: number): void;
}

/** What lasts of a cluster from snapshot to snapshot. */
export class ClusterState {
  readonly name: string;
  readonly budget = new RetryBudget();
  readonly events: ClusterEvents;
  /** Endpoints of the snapshot that serves, by key. */
  members: ReadonlyMap<string, Endpoint> = new Map();
  /** How many of them are ejected or on probation. */
  ejected = 0;
  /** Null while nobody measures it. */
  tally: Tally | null = null;
  /** Whose turn it is in round robin; -1 before the first pick. */
  cursor = -1;

  constructor(name: string, events: ClusterEvents) {
    this.name = name;
    this.events = events;
  }
}

/** A named group of interchangeable endpoints as one snapshot has it. Membership and weights never change. */
export class Cluster {
  readonly name: string;
  readonly version: string;
  readonly service: ClusterModel["service"];
  readonly balancer: BalancerKind;
  readonly http2: boolean;
  readonly confirmedAt: number;
  readonly state: ClusterState;
  readonly endpoints: readonly Endpoint[];
  /** Endpoints with a weight: a weight of 0 takes no traffic. */
  readonly targets: readonly Endpoint[];
  readonly weights: Float64Array;
  /** Sums of the weights up to each target; the last is the whole. */
  readonly sums: Float64Array;
  /** Mean weight / weight: what a request in flight weighs at each target. */
  readonly shares: Float64Array;
  readonly isUniform: boolean;
  readonly #models: ReadonlyMap<string, EndpointModel>;
  readonly #members: ReadonlyMap<string, Endpoint>;

  /**
   * Endpoints that the state already holds are taken over with all that is
   * known of them. Nothing that serves is touched before `adopt`.
   */
  constructor(model: ClusterModel, state: ClusterState, version = "") {
    this.name = model.name;
    this.version = version;
    this.service = model.service;
    this.balancer = model.balancer;
    this.http2 = model.http2 === true;
    this.confirmedAt = model.confirmedAt;
    this.state = state;
    const [tls, byTls] = [model.tls ?? null, tlsKey(model.tls)];
    this.#models = new Map(model.endpoints.map((endpoint) => [endpointKey(endpoint, byTls), endpoint]));
    this.#members = new Map(
      Array.from(this.#models, ([key, endpoint]) => [
        key,
        state.members.get(key) ?? new Endpoint(state, endpoint, tls),
      ]),
    );
    this.endpoints = Object.freeze([...this.#members.values()]);
    const weighted = [...this.#models].filter(([, { weight }]) => weight > 0);
    this.targets = Object.freeze(weighted.map(([key]) => this.#members.get(key)!));
    this.weights = Float64Array.from(weighted, ([, { weight }]) => weight);
    this.sums = sumsOf(this.weights);
    const mean = (this.sums.at(-1) ?? 0) / this.weights.length;
    this.shares = this.weights.map((weight) => mean / weight);
    this.isUniform = this.weights.every((weight) => weight === this.weights[0]);
  }

  /** One of its endpoints as a cluster of its own, with all that is known of it; null where it has no such endpoint. */
  only(authority: string): Cluster | null {
    for (const model of this.#models.values()) {
      const endpoint = this.#members.get(endpointKey(model))!;
      if (endpoint.authority !== authority) continue;
      const { name, service, balancer, http2, confirmedAt, state, version } = this;
      const spoken = http2 ? { http2 } : {};
      const endpoints = [{ ...model, weight: 1 }];
      return new Cluster({ name, service, balancer, ...spoken, endpoints, confirmedAt }, state, version);
    }
    return null;
  }

  /** Makes this membership the one that serves: from here on ejection counts against it. */
  adopt(): void {
    const { state } = this;
    for (const endpoint of state.members.values()) endpoint.member = false;
    for (const [key, endpoint] of this.#members) {
      endpoint.member = true;
      endpoint.relabel(this.#models.get(key)!.workload);
      endpoint.http2 = this.http2;
    }
    state.members = this.#members;
    state.ejected = this.endpoints.filter((endpoint) => endpoint.ejectedUntil !== 0).length;
  }
}

function sumsOf(weights: Float64Array): Float64Array {
  let sum = 0;
  return weights.map((weight) => {
    sum += weight;
    return sum;
  });
}
