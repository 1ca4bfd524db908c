import type { Tally } from "../cluster/mod.ts";
import type { Measured } from "../discovery/mod.ts";
import type { Snapshot } from "../snapshot/mod.ts";
import { type Aggregate, CLUSTER_MS, CLUSTER_REQUESTS, type MeshMetrics, type TotalSeries } from "../telemetry/mod.ts";

/** The clusters of one worker whose requests are counted. */
export class Tallies {
  readonly #metrics: MeshMetrics;
  #clusters: ReadonlySet<string> = new Set();

  constructor(metrics: MeshMetrics) {
    this.#metrics = metrics;
  }

  /** Counts these from now on, and no others. */
  measure(clusters: readonly string[], snapshot: Snapshot): void {
    for (const name of this.#clusters) {
      const cluster = snapshot.clusterNamed(name);
      if (cluster !== null) cluster.state.tally = null;
    }
    this.#clusters = new Set(clusters);
    this.review(snapshot);
  }

  /** Another snapshot serves: a cluster may have come back. */
  review(snapshot: Snapshot): void {
    for (const name of this.#clusters) {
      const cluster = snapshot.clusterNamed(name);
      if (cluster !== null) cluster.state.tally ??= this.#tallyOf(name);
    }
  }

  #tallyOf(name: string): Tally {
    const { clusterRequests, clusterMs } = this.#metrics;
    const successes = clusterRequests.with(name, "success");
    const failures = clusterRequests.with(name, "failure");
    const durations = clusterMs.with(name);
    return {
      count(isFailure, durationMs) {
        if (isFailure) failures.add();
        else successes.add();
        durations.observe(durationMs);
      },
    };
  }
}

/** What all workers of a process have counted of these clusters. */
export function measuredOf(aggregate: Aggregate, clusters: readonly string[]): Measured {
  const totals = aggregate.totals();
  const seriesOf = (metric: string): readonly TotalSeries[] =>
    totals.find(({ definition }) => definition.name === metric)?.series ?? [];
  const [requests, durations] = [seriesOf(CLUSTER_REQUESTS), seriesOf(CLUSTER_MS)];
  return { clusters: Object.fromEntries(clusters.map((name) => [name, countsOf(name, requests, durations)])) };
}

function countsOf(name: string, requests: readonly TotalSeries[], durations: readonly TotalSeries[]) {
  const ofName = (all: readonly TotalSeries[], outcome?: string): Float64Array | null =>
    all.find(({ labels }) => labels["cluster"] === name && labels["outcome"] === outcome)?.values ?? null;
  return {
    successes: ofName(requests, "success")?.[0] ?? 0,
    failures: ofName(requests, "failure")?.[0] ?? 0,
    // Without the sum, which stands behind the buckets.
    durations: [...(ofName(durations)?.subarray(0, -1) ?? [])],
  };
}
