import type { Clock } from "../../base/mod.ts";
import type { KernelExports } from "../kernel/mod.ts";
import { KERNEL_IMPORTS } from "../kernel/mod.ts";
import type { SharedCounters } from "../shared-counters.ts";
import type { LimitedLog } from "./log-limit.ts";
import { MAX_LINE_BYTES } from "./log-limit.ts";

/** Modules and names that a guest may import. */
export const ENV = "extism:host/env";
export const USER = "extism:host/user";
const ENV_NAMES = [
  "config_get",
  "var_get",
  "var_set",
  "http_request",
  "http_status_code",
  "http_headers",
  "get_log_level",
  "log_trace",
  "log_debug",
  "log_info",
  "log_warn",
  "log_error",
] as const;
const USER_NAMES = ["mesh_rate", "mesh_counter_add"] as const;
export const ALLOWED_IMPORTS: ReadonlySet<string> = new Set([
  ...[...KERNEL_IMPORTS, ...ENV_NAMES].map((name) => `${ENV}.${name}`),
  ...USER_NAMES.map((name) => `${USER}.${name}`),
]);

/** Fuel for a call out of the sandbox, beside a unit for every 32 bytes it moves. */
const CALL_UNITS = 200;
const MAX_KEY_BYTES = 1024;
/** A counter's key may be any header value. */
const MAX_COUNTER_KEY_BYTES = 65_536;
const MAX_VAR_BYTES = 65_536;
const MAX_VARS = 256;

/** What the host functions of one plugin share with others. */
export interface HostParts {
  readonly config: Readonly<Record<string, string>>;
  readonly counters: SharedCounters;
  /** Keeps the keys of this plugin apart from those of others. */
  readonly scope: number;
  readonly clock: Clock;
  readonly log: LimitedLog;
}

type Imports = NonNullable<ConstructorParameters<typeof WebAssembly.Instance>[1]>;

/** Fuel of the guest that calls. */
export interface Tank {
  readonly get: () => number;
  readonly set: (units: number) => void;
}

/**
 * The functions a guest instance calls out with. Each takes fuel, for its work
 * is not metered. A guest that misuses one loses all its fuel and so traps at
 * its next step: an exception could be caught in the guest, this cannot.
 */
export class Host {
  readonly #kernel: KernelExports;
  readonly #parts: HostParts;
  readonly #vars = new Map<string, Uint8Array>();
  #memory: Buffer;
  #tank: Tank | null = null;
  /** While true, shared counters are read and not changed: a self-test costs nobody a token. */
  rehearsal = false;
  /** What the guest did wrong in this call; "" where nothing. */
  misuse = "";

  constructor(kernel: KernelExports, parts: HostParts) {
    this.#kernel = kernel;
    this.#parts = parts;
    this.#memory = Buffer.from(kernel.memory.buffer);
  }

  attach(tank: Tank): void {
    this.#tank = tank;
  }

  imports(): Imports {
    const kernel: Record<string, unknown> = {};
    for (const name of KERNEL_IMPORTS) kernel[name] = this.#kernel[name];
    const env: Record<(typeof ENV_NAMES)[number], unknown> = {
      config_get: (key: bigint) => this.#configGet(key),
      var_get: (key: bigint) => this.#varGet(key),
      var_set: (key: bigint, value: bigint) => this.#varSet(key, value),
      http_request: () => this.#refuse("http_request is not offered to policies"),
      http_status_code: () => 0,
      http_headers: () => 0n,
      get_log_level: () => 2, // info
      log_trace: () => this.#spend(0),
      log_debug: (line: bigint) => this.#log("debug", line),
      log_info: (line: bigint) => this.#log("info", line),
      log_warn: (line: bigint) => this.#log("warn", line),
      log_error: (line: bigint) => this.#log("error", line),
    };
    const user: Record<(typeof USER_NAMES)[number], unknown> = {
      mesh_rate: (key: bigint, limit: bigint, windowMs: bigint, cost: bigint) => this.#rate(key, limit, windowMs, cost),
      mesh_counter_add: (key: bigint, delta: bigint) => this.#counterAdd(key, delta),
    };
    return { [ENV]: { ...kernel, ...env }, [USER]: user } as Imports;
  }

  #configGet(handle: bigint): bigint {
    const key = this.#key(handle);
    // hasOwn: a config is plain data, and "constructor" is not in it.
    if (key === null || !Object.hasOwn(this.#parts.config, key)) return 0n;
    return this.#give(Buffer.from(this.#parts.config[key]!, "utf8"));
  }

  #varGet(handle: bigint): bigint {
    const key = this.#key(handle);
    const value = key === null ? undefined : this.#vars.get(key);
    return value === undefined ? 0n : this.#give(value);
  }

  #varSet(handle: bigint, value: bigint): void {
    const key = this.#key(handle);
    if (key === null) return;
    if (value === 0n) {
      this.#vars.delete(key);
      return;
    }
    const bytes = this.#block(value, MAX_VAR_BYTES);
    if (bytes === null || (this.#vars.size >= MAX_VARS && !this.#vars.has(key))) {
      this.#refuse(`a var holds at most ${MAX_VAR_BYTES} bytes, and there are at most ${MAX_VARS}`);
      return;
    }
    this.#vars.set(key, Uint8Array.prototype.slice.call(bytes));
  }

  #log(level: "debug" | "info" | "warn" | "error", handle: bigint): void {
    const line = this.#block(handle, Number.POSITIVE_INFINITY);
    if (line === null || !this.#parts.log.admits()) return;
    const end = line.byteOffset + Math.min(line.length, MAX_LINE_BYTES);
    this.#parts.log.write(level, this.#view().utf8Slice(line.byteOffset, end));
  }

  #rate(handle: bigint, limit: bigint, windowMs: bigint, cost: bigint): bigint {
    const key = this.#block(handle, MAX_COUNTER_KEY_BYTES);
    if (key === null) return this.#refuse("mesh_rate needs a key");
    const { counters, scope, clock } = this.#parts;
    const taken = this.rehearsal ? 0 : Number(cost);
    return BigInt(counters.take(scope, key, Number(limit), Number(windowMs), taken, clock.now()));
  }

  #counterAdd(handle: bigint, delta: bigint): bigint {
    const key = this.#block(handle, MAX_COUNTER_KEY_BYTES);
    if (key === null) return this.#refuse("mesh_counter_add needs a key");
    return this.#parts.counters.add(this.#parts.scope, key, this.rehearsal ? 0n : delta, this.#parts.clock.now());
  }

  #key(handle: bigint): string | null {
    const bytes = this.#block(handle, MAX_KEY_BYTES);
    return bytes === null ? null : this.#view().utf8Slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
  }

  /** The bytes of a block, valid until the kernel grows; null where there is none or it is too long. */
  #block(handle: bigint, most: number): Uint8Array | null {
    const start = Number(handle);
    const length = start <= 0xffff_ffff && start > 0 ? this.#kernel.size(start) : 0;
    this.#spend(length);
    return length === 0 || length > most ? null : this.#view().subarray(start, start + length);
  }

  /** Hands bytes to the guest as a block of its own. */
  #give(bytes: Uint8Array): bigint {
    this.#spend(bytes.length);
    const block = this.#kernel.alloc(BigInt(bytes.length));
    if (block !== 0n) this.#view().set(bytes, Number(block));
    return block;
  }

  #spend(bytes: number): void {
    if (this.#tank === null) return;
    this.#tank.set(Math.max(-1, this.#tank.get() - CALL_UNITS - (bytes >>> 5)));
  }

  #refuse(misuse: string): bigint {
    this.misuse = misuse;
    this.#tank?.set(-1);
    return 0n;
  }

  #view(): Buffer {
    // A memory that has grown leaves an empty buffer behind.
    if (this.#memory.length === 0) this.#memory = Buffer.from(this.#kernel.memory.buffer);
    return this.#memory;
  }
}
