import { type Clock, type Log, messageOf } from "../../base/mod.ts";
import { compileKernel } from "../kernel/mod.ts";
import type { PluginModel } from "../model.ts";
import type { Plugin, PluginObserver } from "../plugin.ts";
import type { SharedCounters } from "../shared-counters.ts";
import { type BlobSource, loadModule } from "./load.ts";
import { LoadedPlugin } from "./loaded-plugin.ts";
import { LimitedLog } from "./log-limit.ts";
import { type PluginProblem, PluginRejected, StuckAt } from "./rejected.ts";
import { RequestJson } from "./request-json.ts";

export interface EngineOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** The same memory in every worker. */
  readonly counters: SharedCounters;
  /** Counts what a plugin does, by its id. Default: nobody counts. */
  readonly observe?: (plugin: string) => PluginObserver;
}

/**
 * Loads the plugins of one worker and keeps what did not change. A new set
 * replaces the old one only when all of it works; whoever holds a plugin of an
 * older set may go on calling it.
 */
export class PluginEngine {
  readonly #options: EngineOptions;
  readonly #kernel: WebAssembly.Module;
  readonly #json = new RequestJson();
  /** The set in force: by id, and rewritten modules by hash and memory limit. */
  #plugins: ReadonlyMap<string, LoadedPlugin> = new Map();
  #modules: ReadonlyMap<string, WebAssembly.Module> = new Map();

  constructor(options: EngineOptions) {
    this.#options = options;
    this.#kernel = compileKernel();
  }

  /**
   * Makes ready what the models ask for, by their ids. A model like the one in
   * force gives the same `Plugin`; a changed one a new generation.
   *
   * @throws {PluginRejected} with every problem found; nothing has changed then.
   */
  async prepare(models: readonly PluginModel[], blob: BlobSource): Promise<ReadonlyMap<string, Plugin>> {
    const modules = new Map<string, WebAssembly.Module>();
    const plugins = new Map<string, LoadedPlugin>();
    const problems: PluginProblem[] = [];
    for (const model of models) {
      try {
        plugins.set(model.id, await this.#ready(model, blob, modules));
      } catch (error) {
        const step = error instanceof StuckAt ? error.step : "instantiate";
        problems.push({ plugin: model.id, step, reason: messageOf(error) });
      }
    }
    if (problems.length > 0) throw new PluginRejected(problems);
    this.#plugins = plugins;
    this.#modules = modules;
    return plugins;
  }

  /** Forgets everything; plugins that somebody holds go on working. */
  close(): void {
    this.#plugins = new Map();
    this.#modules = new Map();
  }

  async #ready(model: PluginModel, blob: BlobSource, modules: Map<string, WebAssembly.Module>): Promise<LoadedPlugin> {
    const key = `${model.sha256}/${model.limits.memoryPages}`;
    const known = modules.get(key) ?? this.#modules.get(key);
    const guest = known ?? (await loadModule(model, blob, this.#options.clock));
    modules.set(key, guest);
    const running = this.#plugins.get(model.id);
    if (running !== undefined && sameModel(running.model, model)) return running;
    return new LoadedPlugin({ model, guest, ...this.#tools(model) });
  }

  #tools(model: PluginModel) {
    const { clock, log, counters, observe } = this.#options;
    const limited = new LimitedLog(log.with({ plugin: model.id }), clock);
    const host = { config: model.config, counters, scope: counters.scope(model.id), clock, log: limited };
    return { kernel: this.#kernel, json: this.#json, clock, host, observer: observe?.(model.id) ?? NOBODY };
  }
}

const NOBODY: PluginObserver = { called() {}, responded() {}, faulted() {} };

/** Models are plain data, and key order is no difference. */
function sameModel(a: PluginModel, b: PluginModel): boolean {
  return Bun.deepEquals(a, b);
}
