import type { Clock } from "../base/mod.ts";
import { assertFree } from "../listener/mod.ts";
import type { SnapshotModel } from "../snapshot/mod.ts";
import type { ClusterReport } from "./cluster-report.ts";
import type { Bound, Credentials, ListenerPlan, PlanePlan } from "./plan.ts";
import { type PlaneHost, WorkerPlane } from "./worker-plane.ts";

/** The data plane as the main thread drives it: in this thread, or in workers. */
export interface Planes {
  /** Binds listeners in every worker; ports that were 0 are the same in all of them. */
  open(plans: readonly ListenerPlan[]): Promise<readonly Bound[]>;
  /** Closes listeners in every worker; what came by them goes on. */
  shut(plans: readonly ListenerPlan[]): Promise<void>;
  apply(model: SnapshotModel): Promise<void>;
  identify(credentials: Credentials): void;
  /** Stops accepting; resolves when nothing is under way, or at the deadline with what still is. */
  drain(deadlineMs: number): Promise<number>;
  close(): Promise<void>;
  reopenLogs(): void;
  /** Counts the requests to these clusters from now on, and no others. */
  measure(clusters: readonly string[]): void;
  /** Names of the services that were called since the last time it was asked. */
  used(): Iterable<string>;
  /** What the clusters look like from the workers, for the admin port. */
  clusters(): Promise<readonly ClusterReport[]>;
  readonly workers: number;
}

/** How often a drain looks whether it is done. */
const DRAIN_LOOK_MS = 20;

/** The data plane on the main thread: least memory, one core. */
export function localPlanes(plan: PlanePlan, host: PlaneHost, clock: Clock): Planes {
  const plane = new WorkerPlane(plan, host, clock);
  return {
    workers: 1,
    open: async (plans) => {
      plans.forEach(assertFree);
      return plane.open(plans);
    },
    shut: async (plans) => plane.shut(plans),
    apply: (model) => plane.apply(model),
    identify: (credentials) => plane.identify(credentials),
    drain: (deadlineMs) => drained(plane, clock, deadlineMs),
    close: async () => plane.close(),
    measure: (clusters) => plane.measure(clusters),
    reopenLogs: () => plane.reopenLog(),
    used: () => plane.takeUsed(),
    clusters: async () => plane.clusters(),
  };
}

/** Drains a plane; resolves with the exchanges that were left at the deadline. */
export function drained(plane: WorkerPlane, clock: Clock, deadlineMs: number): Promise<number> {
  plane.drain();
  const until = clock.monotonic() + deadlineMs;
  const { promise, resolve } = Promise.withResolvers<number>();
  const look = clock.every(DRAIN_LOOK_MS, () => {
    if (plane.active > 0 && clock.monotonic() < until) return;
    look.cancel();
    resolve(plane.active);
  });
  return promise;
}
