import type { ClusterCounts, Measured } from "../../discovery/mod.ts";
import { CLUSTER_MS_BOUNDS } from "../../telemetry/mod.ts";
import type { Observation } from "./model.ts";

/** What all proxies have counted of some clusters, up to a moment. */
export interface Counted {
  readonly successes: number;
  readonly failures: number;
  readonly durations: Float64Array;
}

const BUCKETS = CLUSTER_MS_BOUNDS.length + 1;

/** Sums what proxies tell: each counts up for as long as its stream lasts, and what it told stays when it goes. */
export class Measurements {
  #wanted: ReadonlySet<string> = new Set();
  #last = new WeakMap<object, Map<string, ClusterCounts>>();
  readonly #sums = new Map<string, { successes: number; failures: number; durations: Float64Array }>();

  /** Counts these clusters from now on, and forgets all others. */
  want(clusters: readonly string[]): void {
    this.#wanted = new Set(clusters);
    for (const name of this.#sums.keys()) if (!this.#wanted.has(name)) this.#sums.delete(name);
    this.#last = new WeakMap();
  }

  /** Takes what a stream told of the clusters that are wanted: a proxy may name any others, without end. */
  add(stream: object, { clusters }: Measured): void {
    const before = this.#last.get(stream) ?? new Map<string, ClusterCounts>();
    this.#last.set(stream, before);
    for (const name of this.#wanted) {
      const counts = clusters[name];
      if (counts === undefined) continue;
      const last = before.get(name);
      before.set(name, counts);
      // What it had counted before anybody asked belongs to no step.
      if (last !== undefined) this.#grow(name, last, counts);
    }
  }

  #grow(name: string, last: ClusterCounts, now: ClusterCounts): void {
    const sum = this.#sums.get(name) ?? { successes: 0, failures: 0, durations: new Float64Array(BUCKETS) };
    this.#sums.set(name, sum);
    sum.successes += Math.max(0, now.successes - last.successes);
    sum.failures += Math.max(0, now.failures - last.failures);
    for (let i = 0; i < BUCKETS; i++)
      sum.durations[i]! += Math.max(0, (now.durations[i] ?? 0) - (last.durations[i] ?? 0));
  }

  /** The sum over clusters at this moment; its parts change no more. */
  of(clusters: readonly string[]): Counted {
    const durations = new Float64Array(BUCKETS);
    let [successes, failures] = [0, 0];
    for (const name of clusters) {
      const sum = this.#sums.get(name);
      if (sum === undefined) continue;
      successes += sum.successes;
      failures += sum.failures;
      for (let i = 0; i < BUCKETS; i++) durations[i]! += sum.durations[i]!;
    }
    return { successes, failures, durations };
  }
}

/** What came in between two moments. */
export function observed(from: Counted, to: Counted): Observation {
  const durations = to.durations.map((count, i) => count - from.durations[i]!);
  const failures = to.failures - from.failures;
  const requests = to.successes - from.successes + failures;
  const at = (share: number): number | null => (requests === 0 ? null : quantile(durations, share));
  return { requests, failures, p50Ms: at(0.5), p90Ms: at(0.9), p99Ms: at(0.99) };
}

/** A quantile of a histogram, in between the bounds of its bucket as if values were spread evenly there. */
function quantile(counts: Float64Array, share: number): number {
  const total = counts.reduce((sum, count) => sum + count, 0);
  let below = 0;
  for (let i = 0; i < CLUSTER_MS_BOUNDS.length; i++) {
    const count = counts[i]!;
    if (count > 0 && below + count >= total * share) {
      const low = i === 0 ? 0 : CLUSTER_MS_BOUNDS[i - 1]!;
      return low + ((total * share - below) / count) * (CLUSTER_MS_BOUNDS[i]! - low);
    }
    below += count;
  }
  return CLUSTER_MS_BOUNDS.at(-1)!;
}
