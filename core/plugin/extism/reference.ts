import type { CallContext, Plugin as ExtismPlugin } from "@extism/extism";
import { type Clock, messageOf } from "../../base/mod.ts";
import type { RequestHead } from "../../http/mod.ts";
import { parseAnswer } from "../engine/answer.ts";
import { RequestJson } from "../engine/request-json.ts";
import type { RequestFacts } from "../plugin.ts";
import type { SharedCounters } from "../shared-counters.ts";
import { fault, type Verdict } from "../verdict.ts";
import { FUEL_SET, meter, START } from "../wasm/mod.ts";

const FUEL = 50_000_000;
const LIMITS = { maxPages: 256, maxTableEntries: 100_000 };

/** What a reference run needs beside the module. */
export interface ReferenceOptions {
  readonly config: Readonly<Record<string, string>>;
  readonly counters: SharedCounters;
  readonly scope: number;
  readonly clock: Clock;
}

/**
 * A policy in the runtime of the Extism project: the same module, rewritten by
 * the same rewriter, in somebody else's host. Ten times slower than ours, and
 * the judge of what a host function means.
 */
export class ReferencePlugin {
  readonly #plugin: ExtismPlugin;
  readonly #fill: (units: number) => void;
  readonly #json = new RequestJson();

  private constructor(plugin: ExtismPlugin, fill: (units: number) => void) {
    this.#plugin = plugin;
    this.#fill = fill;
  }

  /** @throws {Error} when the policy does not take its config. */
  static async start(bytes: Uint8Array, options: ReferenceOptions): Promise<ReferencePlugin> {
    const { default: createPlugin } = await import("@extism/extism");
    const module = await WebAssembly.compile(meter(bytes, LIMITS) as Uint8Array<ArrayBuffer>);
    const functions = { "extism:host/user": userFunctions(options) };
    const plugin = await createPlugin({ wasm: [{ module }] }, { config: { ...options.config }, functions });
    const { exports } = await plugin.getInstance();
    const reference = new ReferencePlugin(plugin, exports[FUEL_SET] as (units: number) => void);
    for (const name of [START, "configure"])
      if (await plugin.functionExists(name)) await reference.#call(name, new Uint8Array(0));
    return reference;
  }

  async onRequest(head: RequestHead, facts: RequestFacts): Promise<Verdict> {
    const out = Buffer.alloc(this.#json.most(head, facts));
    const input = out.subarray(0, this.#json.write(out, 0, head, facts));
    try {
      return parseAnswer(await this.#call("on_request", input));
    } catch (error) {
      return fault("error", messageOf(error));
    }
  }

  async close(): Promise<void> {
    await this.#plugin.close();
  }

  /** Blocks of a call are given back at its end, else the runtime has none left after 16,383. */
  async #call(name: string, input: Uint8Array): Promise<string> {
    this.#fill(FUEL);
    const output = await this.#plugin.call(name, input);
    const text = output === null ? "" : output.text();
    await this.#plugin.reset();
    return text;
  }
}

function userFunctions({ counters, scope, clock }: ReferenceOptions) {
  const read = (context: CallContext, key: bigint) => context.read(key)?.bytes() ?? new Uint8Array(0);
  return {
    mesh_rate: (context: CallContext, key: bigint, limit: bigint, windowMs: bigint, cost: bigint) =>
      BigInt(counters.take(scope, read(context, key), Number(limit), Number(windowMs), Number(cost), clock.now())),
    mesh_counter_add: (context: CallContext, key: bigint, delta: bigint) =>
      counters.add(scope, read(context, key), delta, clock.now()),
  };
}
