import { type Clock, type Log, MeshError, messageOf, type Timer } from "../base/mod.ts";
import type { Resource, ResourceKey, SnapshotModel } from "../snapshot/mod.ts";
import type { Disk } from "./disk.ts";
import type { DataPlane } from "./model.ts";
import type { Change } from "./stream.ts";

/** The data plane did not say in time whether it can run a snapshot. */
export class ApplyTimeout extends MeshError {
  override readonly name = "ApplyTimeout";
  readonly code = "MESH_APPLY_TIMEOUT";
  readonly source = "mesh";
}

export type Held = ReadonlyMap<ResourceKey, Resource>;

export interface ServingOptions {
  readonly dataPlane: DataPlane;
  readonly disk: Disk | null;
  readonly clock: Clock;
  readonly log: Log;
  readonly applyMs: number;
  readonly saveMs: number;
  /** What the hosts mean that are worth remembering. */
  readonly answers: () => Readonly<Record<string, string | null>>;
}

/** What the data plane runs, and keeping it for the next start. */
export class Serving {
  readonly #options: ServingOptions;
  #held: Held = new Map();
  #revision: string | null = null;
  #from: "disk" | "control" | null = null;
  #last: Promise<unknown> = Promise.resolve();
  #saveTimer: Timer | null = null;
  #saving: Promise<void> = Promise.resolve();

  constructor(options: ServingOptions) {
    this.#options = options;
  }

  get held(): Held {
    return this.#held;
  }

  get revision(): string | null {
    return this.#revision;
  }

  get from(): "disk" | "control" | null {
    return this.#from;
  }

  /** Resolves when nothing is being applied. */
  async idle(): Promise<void> {
    await this.#last;
  }

  /** Runs what an earlier process kept; false when there is nothing, or it does not run. */
  async restore(model: SnapshotModel): Promise<boolean> {
    try {
      await this.#apply(model, "disk");
      return true;
    } catch (error) {
      this.#options.log.warn(`Cannot run the kept snapshot: ${messageOf(error)}`, { revision: model.revision });
      return false;
    }
  }

  /**
   * Runs a change of what its stream knows us to hold. One at a time: a stream
   * that is gone may have left one behind.
   *
   * Rejects with the data plane's reasons; what ran before goes on.
   */
  change(base: Held, change: Change): Promise<Held> {
    const turn = this.#last.then(() => this.#change(base, change));
    this.#last = turn.catch(() => {});
    return turn;
  }

  /** Writes what is not written yet. */
  async close(): Promise<void> {
    if (this.#saveTimer !== null) this.#save();
    await this.#saving;
  }

  async #change(base: Held, { revision, resources, removed }: Change): Promise<Held> {
    const next = new Map(base);
    for (const key of removed) next.delete(key);
    for (const resource of resources) next.set(`${resource.kind}/${resource.name}`, resource);
    await this.#apply({ revision, resources: inOrder(next) }, "control");
    this.#saveTimer ??= this.#options.clock.after(this.#options.saveMs, () => this.#save());
    return next;
  }

  async #apply(model: SnapshotModel, from: "disk" | "control"): Promise<void> {
    const { clock, dataPlane, applyMs } = this.#options;
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = clock.after(applyMs, () =>
      reject(
        new ApplyTimeout(`Cannot apply revision ${model.revision}: the data plane did not answer in ${applyMs} ms`),
      ),
    );
    try {
      await Promise.race([dataPlane.apply(model), late]);
    } finally {
      timer.cancel();
    }
    this.#held = new Map(model.resources.map((resource) => [`${resource.kind}/${resource.name}`, resource]));
    this.#revision = model.revision;
    this.#from = from;
  }

  #save(): void {
    const { disk, log, answers } = this.#options;
    this.#saveTimer?.cancel();
    this.#saveTimer = null;
    if (disk === null || this.#revision === null) return;
    const good = { model: { revision: this.#revision, resources: inOrder(this.#held) }, hosts: answers() };
    this.#saving = this.#saving
      .then(() => disk.saveSnapshot(good))
      .catch((error) => log.error(`Cannot keep the snapshot: ${messageOf(error)}`));
  }
}

/** The order is the same for the same content, whatever came first. */
function inOrder(held: Held): readonly Resource[] {
  return [...held.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, resource]) => resource);
}

/** The reasons in a rejection: a list where it carries one, else its message. */
export function reasonsOf(error: unknown): readonly string[] {
  if (typeof error === "object" && error !== null && "reasons" in error && Array.isArray(error.reasons))
    return error.reasons.map(String);
  return [messageOf(error)];
}
