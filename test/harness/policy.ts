import { type Clock, silentLog } from "../../core/base/mod.ts";
import { PluginEngine } from "../../core/plugin/engine/mod.ts";
import { assemble } from "../../core/plugin/kernel/build.ts";
import {
  DEFAULT_PLUGIN_LIMITS,
  type FAULT_REASONS,
  type Plugin,
  type PluginModel,
  type PluginObserver,
  type RequestFacts,
  SharedCounters,
} from "../../core/plugin/mod.ts";
import { fakeClock } from "./fake-clock.ts";

/** A caller with an identity, at a rule. */
export const FACTS: RequestFacts = {
  peer: "spiffe://example.org/ns/shop/sa/cart",
  address: "10.0.0.7",
  service: "shop/web",
  route: "HTTPRoute/shop/web/0",
  changes: null,
};

export function sha256(bytes: Uint8Array): string {
  return new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
}

/** Modules by their hash, as a proxy fetches them. */
export class Shelf {
  readonly #modules = new Map<string, Uint8Array>();
  /** Hashes that were asked for. */
  readonly fetched: string[] = [];

  /** A model of this module. */
  put(bytes: Uint8Array, model: Partial<PluginModel> = {}): PluginModel {
    const hash = sha256(bytes);
    this.#modules.set(hash, bytes);
    const defaults = { id: "shop/policy", config: {}, destinations: {}, failureMode: "closed", order: 0 } as const;
    return { ...defaults, sha256: hash, limits: DEFAULT_PLUGIN_LIMITS, ...model };
  }

  /** A model of a module written as text. */
  wat(text: string, model: Partial<PluginModel> = {}): PluginModel {
    return this.put(assemble(text), model);
  }

  readonly blob = async (hash: string): Promise<Uint8Array> => {
    this.fetched.push(hash);
    const bytes = this.#modules.get(hash);
    if (bytes === undefined) throw new Error("Cannot find the module: no such hash");
    return bytes;
  };
}

/** Counts by what happened, e.g. `fault trap`. */
export class Tally implements PluginObserver {
  readonly counts: Record<string, number> = {};
  fuel = 0;

  called(fuel: number): void {
    this.fuel += fuel;
    this.#add("call");
  }
  responded(status: number): void {
    this.#add(`respond ${status}`);
  }
  faulted(reason: (typeof FAULT_REASONS)[number]): void {
    this.#add(`fault ${reason}`);
  }
  #add(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
  }
}

/** An engine with a shelf, on a clock of the test. */
export function policyEngine(clock: Clock = fakeClock()) {
  const shelf = new Shelf();
  const tally = new Tally();
  const lines: string[] = [];
  const log = {
    ...silentLog,
    warn: (message: string) => void lines.push(message),
    info: (m: string) => void lines.push(m),
  };
  log.with = () => log;
  const counters = new SharedCounters(SharedCounters.allocate(256, clock.now(), 11));
  const engine = new PluginEngine({ clock, log, counters, observe: () => tally });
  const load = async (...models: PluginModel[]): Promise<Plugin[]> => {
    const plugins = await engine.prepare(models, shelf.blob);
    return models.map((model) => plugins.get(model.id)!);
  };
  return { engine, shelf, tally, lines, counters, load };
}

/** Text of a policy: imports of Extism, a data segment with the answer, and what to do before it is given. */
export function policyText(answer: string, more: { imports?: string; body?: string; rest?: string } = {}): string {
  const bytes = Buffer.from(answer);
  const data = [...bytes].map((byte) => `\\${byte.toString(16).padStart(2, "0")}`).join("");
  return `(module
    (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
    (import "extism:host/env" "store_u8" (func $store (param i64 i32)))
    (import "extism:host/env" "output_set" (func $output (param i64 i64)))
    ${more.imports ?? ""}
    (memory (export "memory") 1 65536)
    (data (i32.const 1024) "${data}")
    (func $say (local $block i64) (local $i i32)
      (local.set $block (call $alloc (i64.const ${bytes.length})))
      (loop $copy
        (if (i32.lt_u (local.get $i) (i32.const ${bytes.length})) (then
          (call $store (i64.add (local.get $block) (i64.extend_i32_u (local.get $i))) (i32.load8_u offset=1024 (local.get $i)))
          (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (br $copy))))
      (call $output (local.get $block) (i64.const ${bytes.length})))
    ${more.rest ?? ""}
    (func (export "on_request") (result i32)
      ${more.body ?? ""}
      (call $say) (i32.const 0)))`;
}
