import { type Clock, messageOf } from "../../base/mod.ts";
import type { RequestHead } from "../../http/mod.ts";
import type { PluginModel } from "../model.ts";
import type { Plugin, PluginObserver, RequestFacts } from "../plugin.ts";
import { fault, type Verdict, VerdictKind } from "../verdict.ts";
import { AnswerReader } from "./answer.ts";
import { Breaker } from "./breaker.ts";
import type { HostParts } from "./host.ts";
import { Instance, type InstanceTools, isFault } from "./instance.ts";
import { StuckAt } from "./rejected.ts";
import type { RequestJson } from "./request-json.ts";
import { selfTestFacts, selfTestHead } from "./self-test.ts";

/** Fuel for starting a plugin and for its first call: garbage-collected languages set themselves up in them. */
const START_FUEL = 5_000_000;

/** The tank is a signed 32-bit number. */
const MOST_FUEL = 0x7fff_ffff;

const OFF: Verdict = fault("off", "it faulted again and again and is off for a while");

/** What a loaded plugin is made of. */
export interface PluginParts {
  readonly model: PluginModel;
  readonly kernel: WebAssembly.Module;
  readonly guest: WebAssembly.Module;
  readonly host: HostParts;
  readonly json: RequestJson;
  readonly clock: Clock;
  readonly observer: PluginObserver;
}

/** One generation of a plugin: its model, its instance, and what it has done wrong lately. */
export class LoadedPlugin implements Plugin {
  readonly model: PluginModel;
  readonly #parts: PluginParts;
  readonly #tools: InstanceTools;
  readonly #breaker = new Breaker();
  readonly #now: () => number;
  #instance: Instance | null;
  /** Fuel that the next call may use; more for the first of an instance. */
  #fuel: number;
  readonly #firstFuel: number;

  /**
   * Starts the plugin and puts a made-up request to it.
   *
   * @throws {StuckAt} when it does not start, or gives no verdict on that request.
   */
  constructor(parts: PluginParts) {
    this.model = parts.model;
    this.#parts = parts;
    this.#tools = { host: parts.host, json: parts.json, answers: new AnswerReader() };
    this.#now = () => parts.clock.monotonic();
    this.#instance = this.#instantiate();
    const startFuel = this.#begin(this.#instance, START_FUEL);
    const testFuel = this.#selfTest(this.#instance);
    // A later start does what the first did: it gets what that took, twice, and not the whole allowance.
    this.#firstFuel = Math.min(MOST_FUEL, parts.model.limits.fuel + 2 * Math.max(startFuel, testFuel));
    this.#fuel = parts.model.limits.fuel;
  }

  onRequest(head: RequestHead, facts: RequestFacts): Verdict {
    if (this.#breaker.blocks(this.#now)) return this.#faulted(OFF);
    const instance = this.#instance ?? this.#restart();
    if (instance === null) return this.#faulted(fault("start", "it did not start again"));
    const start = this.#now();
    const verdict = instance.onRequest(head, facts, this.#fuel);
    this.#fuel = this.model.limits.fuel;
    this.#parts.observer.called(instance.fuelUsed, this.#now() - start);
    if (verdict.kind === VerdictKind.Fault) return this.#faulted(verdict);
    this.#breaker.succeeded();
    if (verdict.kind === VerdictKind.Respond) this.#parts.observer.responded(verdict.status);
    return verdict;
  }

  #faulted(verdict: Verdict): Verdict {
    this.#parts.observer.faulted(verdict.reason);
    if (verdict === OFF) return verdict;
    if (this.#instance !== null && !this.#instance.isSound) this.#instance = null;
    this.#tell("policy faulted", verdict);
    if (this.#breaker.failed(this.#now())) this.#tell("policy is off for a while", verdict);
    return verdict;
  }

  #tell(message: string, verdict: Verdict): void {
    const { log } = this.#parts.host;
    if (log.admits()) log.write("warn", message, { reason: verdict.reason, detail: verdict.detail });
  }

  #restart(): Instance | null {
    try {
      const instance = this.#instantiate();
      this.#begin(instance, this.#firstFuel);
      this.#fuel = this.#firstFuel;
      this.#instance = instance;
      return instance;
    } catch {
      return null;
    }
  }

  #instantiate(): Instance {
    try {
      return new Instance(this.#parts.kernel, this.#parts.guest, this.#tools);
    } catch (error) {
      throw new StuckAt("instantiate", messageOf(error));
    }
  }

  /** Returns the fuel that the start took. */
  #begin(instance: Instance, fuel: number): number {
    const failure = instance.start(fuel);
    if (failure !== null) throw new StuckAt("configure", failure.detail);
    return instance.fuelUsed;
  }

  #selfTest(instance: Instance): number {
    const verdict = instance.rehearse(selfTestHead(), selfTestFacts, START_FUEL);
    if (isFault(verdict)) throw new StuckAt("self-test", `${verdict.reason}: ${verdict.detail}`);
    return instance.fuelUsed;
  }
}
