import { RetryBudget } from "./budget.ts";
import { DEFAULT_EJECTION, Sample } from "./ejection.ts";
import { type EjectReason, Endpoint, endpointKey, tlsKey } from "./endpoint.ts";
import { Group } from "./group.ts";
import { distance } from "./locality.ts";
import type {
  BalancerKind,
  ClusterModel,
  EjectionModel,
  EndpointModel,
  HashKeyModel,
  LimitsModel,
  Locality,
  SlowStartModel,
  TimeoutsModel,
} from "./model.ts";
import { Outage } from "./outage.ts";
import { NEWCOMER } from "./slow-start.ts";
import { Turns } from "./turns.ts";

/** What a cluster tells the log and the metrics. */
export interface ClusterEvents {
  ejected(endpoint: Endpoint, reason: EjectReason, forMs: number): void;
  returned(endpoint: Endpoint): void;
}

/** Counts the requests to a cluster that somebody measures. */
export interface Tally {
  count(isFailure: boolean, durationMs: number): void;
}

const NO_LIMITS: LimitsModel = Object.freeze({});
const NO_TIMEOUTS: TimeoutsModel = Object.freeze({});

/** What lasts of a cluster from snapshot to snapshot, and what the snapshot that serves says of all its endpoints. */
export class ClusterState {
  readonly name: string;
  readonly budget = new RetryBudget();
  readonly turns = new Turns();
  readonly events: ClusterEvents;
  /** Endpoints of the snapshot that serves, by key. */
  members: ReadonlyMap<string, Endpoint> = new Map();
  /** How many of them are ejected or on probation. */
  ejected = 0;
  /** Null while nobody measures it. */
  tally: Tally | null = null;
  /** How many are ejected, on probation or found dead. */
  out = 0;
  /** Counts the changes of who is out. */
  changes = 0;
  /** Whose turn it is in round robin; -1 before the first pick. */
  cursor = -1;
  ejection: EjectionModel = DEFAULT_EJECTION;
  /** When endpoints are compared with each other next; 0 before the first attempt. */
  judgeAt = 0;
  slowStart: SlowStartModel | null = null;
  /** Until then some endpoint may not take its whole share. */
  warmUntil = 0;
  hasNewcomers = false;
  limits: LimitsModel = NO_LIMITS;
  timeouts: TimeoutsModel = NO_TIMEOUTS;

  constructor(name: string, events: ClusterEvents) {
    this.name = name;
    this.events = events;
  }
}

/** A named group of interchangeable endpoints as one snapshot has it. Membership and weights never change. */
export class Cluster {
  readonly name: string;
  readonly version: string;
  /** Where the proxy is, as the groups were made. */
  readonly from: Locality | null;
  readonly service: ClusterModel["service"];
  readonly balancer: BalancerKind;
  readonly http2: boolean;
  readonly confirmedAt: number;
  readonly state: ClusterState;
  readonly endpoints: readonly Endpoint[];
  /** Endpoints with a weight: a weight of 0 takes no traffic. */
  readonly targets: readonly Endpoint[];
  readonly weights: Float64Array;
  /** The targets by how near they are, the nearest first; one group where that does not matter. */
  readonly groups: readonly Group[];
  readonly outage: Outage;
  /** What the hash of a request is made of; null for balancers that need none. */
  readonly hash: readonly HashKeyModel[] | null;
  readonly #model: ClusterModel;
  readonly #models: ReadonlyMap<string, EndpointModel>;
  readonly #members: ReadonlyMap<string, Endpoint>;

  /**
   * Endpoints that the state already holds are taken over with all that is
   * known of them. Nothing that serves is touched before `adopt`.
   */
  constructor(model: ClusterModel, state: ClusterState, version = "", from: Locality | null = null) {
    this.name = model.name;
    this.version = version;
    this.from = from;
    this.service = model.service;
    this.balancer = model.balancer;
    this.http2 = model.http2 === true;
    this.confirmedAt = model.confirmedAt;
    this.state = state;
    this.hash = isHashing(model.balancer) ? (model.hash ?? null) : null;
    this.#model = model;
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
    this.groups = Object.freeze(this.#group(weighted));
    this.outage = new Outage(this.groups, {
      panicThreshold: model.panicThreshold,
      spillBelow: model.locality?.spillBelow,
    });
  }

  /** By distance, where the proxy knows where it is. */
  #group(weighted: readonly (readonly [string, EndpointModel])[]): readonly Group[] {
    const { from } = this;
    const { mode = "Failover", order = [] } = this.#model.locality ?? {};
    const isNear = from !== null && mode === "Failover";
    const byDistance = Map.groupBy(weighted, ([, { locality }]) => (isNear ? distance(from, locality, order) : 0));
    const sorted = [...byDistance].sort(([a], [b]) => a - b);
    return sorted.map(([, group]) => {
      const targets = group.map(([key]) => this.#members.get(key)!);
      return new Group(
        this.balancer,
        this.state,
        targets,
        group.map(([, { weight }]) => weight),
      );
    });
  }

  /** One of its endpoints as a cluster of its own, with all that is known of it; null where it has no such endpoint. */
  only(authority: string): Cluster | null {
    for (const [key, model] of this.#models) {
      if (this.#members.get(key)!.authority !== authority) continue;
      const endpoints = [{ ...model, weight: 1 }];
      return new Cluster({ ...this.#model, endpoints }, this.state, this.version, this.from);
    }
    return null;
  }

  /** Port that requests of a destination without endpoints of its own go to; 0 where it is theirs. */
  get resolvePort(): number {
    return this.#model.resolve?.port ?? 0;
  }

  /** The same cluster for one host of a wildcard destination, which was found at these endpoints. */
  modelFor(name: string, host: string, endpoints: readonly EndpointModel[]): ClusterModel {
    const { resolve: _, tls, ...same } = this.#model;
    const own = tls === undefined ? {} : { tls: { ...tls, serverName: tls.serverName || host } };
    return { ...same, ...own, name, endpoints };
  }

  /** Makes this membership the one that serves: from here on ejection counts against it. */
  adopt(): void {
    const { state } = this;
    this.#rule();
    const isFirst = state.members.size === 0;
    for (const endpoint of state.members.values()) endpoint.member = false;
    for (const [key, endpoint] of this.#members) {
      if (!isFirst && !state.members.has(key)) this.#welcome(endpoint);
      endpoint.member = true;
      endpoint.relabel(this.#models.get(key)!.workload);
      endpoint.http2 = this.http2;
      this.#equip(endpoint, this.#models.get(key)!);
    }
    state.members = this.#members;
    state.ejected = this.endpoints.filter((endpoint) => endpoint.ejectedUntil !== 0).length;
    state.out = this.endpoints.filter((endpoint) => endpoint.isOut).length;
    state.changes++;
  }

  /** What the model says of all endpoints. */
  #rule(): void {
    const { state } = this;
    const { ejection, slowStart, limits, timeouts, retryBudget } = this.#model;
    state.ejection = ejection ?? DEFAULT_EJECTION;
    state.slowStart = slowStart ?? null;
    state.limits = limits ?? NO_LIMITS;
    state.timeouts = timeouts ?? NO_TIMEOUTS;
    state.turns.limit(limits);
    state.budget.limit(retryBudget);
  }

  /** It takes little at first, where the policy says so. */
  #welcome(endpoint: Endpoint): void {
    if (this.state.slowStart === null) return;
    endpoint.warmFrom = NEWCOMER;
    this.state.hasNewcomers = true;
    this.state.warmUntil = Number.POSITIVE_INFINITY;
  }

  #equip(endpoint: Endpoint, model: EndpointModel): void {
    endpoint.locality = model.locality ?? null;
    endpoint.healthCheck = model.healthCheck ?? this.#model.healthCheck ?? null;
    if (endpoint.healthCheck === null) endpoint.downUntil = 0;
    const { successRate, latencyFactor } = this.state.ejection;
    if (successRate === undefined && latencyFactor === undefined) endpoint.sample = null;
    else endpoint.sample ??= new Sample();
  }
}

function isHashing(balancer: BalancerKind): boolean {
  return balancer === "RingHash" || balancer === "Maglev";
}
