import type { Clock, Log } from "../base/mod.ts";
import type { PluginEngine } from "../plugin/engine/mod.ts";
import { type Plugin, type PluginObserver, SharedCounters } from "../plugin/mod.ts";
import type { SnapshotModel } from "../snapshot/mod.ts";
import type { MeshMetrics } from "../telemetry/mod.ts";

export interface PoliciesOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Shared by the plugins of all workers. */
  readonly counters: SharedArrayBuffer;
  readonly metrics: MeshMetrics;
  readonly blob: (sha256: string) => Promise<Uint8Array>;
}

const NO_PLUGINS: ReadonlyMap<string, Plugin> = new Map();

/** The plugins of one worker. The engine is loaded with the first of them: most proxies have none. */
export class Policies {
  readonly #options: PoliciesOptions;
  #engine: PluginEngine | null = null;

  constructor(options: PoliciesOptions) {
    this.#options = options;
  }

  /** Every plugin of a model, by id. @throws {PluginRejected} */
  async prepare({ resources }: SnapshotModel): Promise<ReadonlyMap<string, Plugin>> {
    const models = resources.filter((resource) => resource.kind === "plugin").map((resource) => resource.model);
    if (models.length === 0 && this.#engine === null) return NO_PLUGINS;
    this.#engine ??= await this.#load();
    return await this.#engine.prepare(models, this.#options.blob);
  }

  async #load(): Promise<PluginEngine> {
    const { clock, log, counters, metrics } = this.#options;
    const { PluginEngine } = await import("../plugin/engine/mod.ts");
    const observe = (id: string): PluginObserver => observer(metrics, id);
    return new PluginEngine({ clock, log, counters: new SharedCounters(counters), observe });
  }

  close(): void {
    this.#engine?.close();
  }
}

function observer({ policyCalls, policySeconds }: MeshMetrics, id: string): PluginObserver {
  const called = policyCalls.with(id, "called");
  const seconds = policySeconds.with(id);
  return {
    called: (_fuel, ms) => {
      called.add();
      seconds.observe(ms / 1000);
    },
    responded: (status) => policyCalls.with(id, `responded_${status}`).add(),
    faulted: (reason) => policyCalls.with(id, `fault_${reason}`).add(),
  };
}
