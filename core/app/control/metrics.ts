import type { ControlCounts, ControlObserver } from "../../control/mod.ts";
import { Aggregate, type Counter, exposition, type GaugeReading, Region } from "../../telemetry/mod.ts";

/** From the change that travels in one turn of the loop to the one that waited for a slow proxy. */
const CONVERGENCE_SECONDS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

const COUNTERS = [
  ["pushes", "mesh_control_pushes_total", "Updates sent to proxies."],
  ["acks", "mesh_control_acks_total", "Updates that proxies confirmed."],
  ["nacks", "mesh_control_nacks_total", "Updates that proxies refused."],
  ["certificatesIssued", "mesh_control_certificates_issued_total", "Certificates signed."],
  ["refusals", "mesh_control_refusals_total", "Joins and streams that were refused."],
  ["revisions", "mesh_control_revisions_total", "Revisions that replaced another."],
] as const satisfies readonly (readonly [keyof ControlCounts, string, string])[];

const GAUGES = [
  ["streamsOpen", "mesh_control_streams_open", "Streams of proxies that are open."],
  ["configProblems", "mesh_control_config_problems", "Errors in the configuration that was tried last."],
  ["registrations", "mesh_control_registrations", "Workloads in the registry."],
] as const satisfies readonly (readonly [keyof ControlCounts, string, string])[];

/** A counter of the exposition, and how much of a plain number it has counted so far. */
interface Followed {
  readonly counter: Counter;
  readonly name: keyof ControlCounts;
  seen: number;
}

/** The control plane's numbers in the Prometheus text format. */
export class ControlMetrics {
  /** Given to the control plane before it starts. */
  readonly observer: ControlObserver;
  readonly #aggregate = new Aggregate();
  readonly #followed: readonly Followed[];
  #counts: Readonly<ControlCounts> | null = null;

  constructor() {
    const region = new Region((message) => this.#aggregate.receive(0, message));
    const [name, help] = ["mesh_control_convergence_seconds", "From publishing a revision to a proxy's confirmation."];
    const convergence = region.histogram(name, help, [], CONVERGENCE_SECONDS).with();
    this.observer = { converged: (ms) => convergence.observe(ms / 1000) };
    this.#followed = COUNTERS.map(([count, name, help]) => {
      return { counter: region.counter(name, help, []).with(), name: count, seen: 0 };
    });
  }

  /** Shows these numbers from now on. */
  watch(counts: Readonly<ControlCounts>, revision: () => string): void {
    this.#counts = counts;
    for (const [count, name, help] of GAUGES) this.#aggregate.gauge(name, help, [], () => reading(counts[count]));
    const help = "The newest revision.";
    this.#aggregate.gauge("mesh_control_revision_info", help, ["revision"], () => reading(1, { revision: revision() }));
  }

  text(): Promise<string> {
    for (const followed of this.#followed) {
      const now = this.#counts?.[followed.name] ?? 0;
      followed.counter.add(now - followed.seen);
      followed.seen = now;
    }
    return exposition(this.#aggregate);
  }
}

function reading(value: number, labels: GaugeReading["labels"] = {}): readonly GaugeReading[] {
  return [{ labels, value }];
}
