import type { ClusterState } from "./cluster.ts";
import type { Endpoint } from "./endpoint.ts";
import { MaglevTable } from "./maglev.ts";
import type { BalancerKind } from "./model.ts";
import { HashRing } from "./ring.ts";

/**
 * Endpoints of a cluster that are equally near, each with a weight: what a
 * balancer chooses from. Membership never changes.
 */
export class Group {
  readonly balancer: BalancerKind;
  readonly state: ClusterState;
  readonly targets: readonly Endpoint[];
  readonly weights: Float64Array;
  /** Sums of the weights up to each target; the last is the whole. */
  readonly sums: Float64Array;
  /** Mean weight / weight: what a request in flight weighs at each target. */
  readonly shares: Float64Array;
  readonly isUniform: boolean;
  readonly ring: HashRing | null;
  readonly maglev: MaglevTable | null;

  constructor(balancer: BalancerKind, state: ClusterState, targets: readonly Endpoint[], weights: readonly number[]) {
    this.balancer = balancer;
    this.state = state;
    this.targets = Object.freeze([...targets]);
    this.weights = Float64Array.from(weights);
    this.sums = sumsOf(this.weights);
    const mean = (this.sums.at(-1) ?? 0) / this.weights.length;
    this.shares = this.weights.map((weight) => mean / weight);
    this.isUniform = this.weights.every((weight) => weight === this.weights[0]);
    const names = targets.map(({ authority }) => authority);
    this.ring = balancer === "RingHash" ? new HashRing(names, this.weights) : null;
    this.maglev = balancer === "Maglev" ? new MaglevTable(names, this.weights) : null;
  }
}

function sumsOf(weights: Float64Array): Float64Array {
  let sum = 0;
  return weights.map((weight) => {
    sum += weight;
    return sum;
  });
}
