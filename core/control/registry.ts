import { type Clock, type Log, messageOf, type Timer } from "../base/mod.ts";
import type { Registration } from "../compile/mod.ts";
import type { WorkloadClaim } from "../discovery/mod.ts";
import type { Records } from "./record.ts";

/** One instance of a workload, as its proxy announced it. */
export interface Registered {
  /** `<namespace>/<name>/<proxy id>` */
  readonly key: string;
  readonly claim: WorkloadClaim;
  readonly identity: string;
}

interface Entry {
  readonly registered: Registered;
  /** The stream that renews the lease; null while it runs out. */
  holder: object | null;
  lease: Timer | null;
  drains: boolean;
  confirmedAt: number;
}

/** A registered instance, for people. */
export interface RegistryRow extends Registered {
  readonly connected: boolean;
  /** Milliseconds since the epoch. */
  readonly confirmedAt: number;
}

export interface RegistryOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly leaseMs: number;
  readonly records: Pick<Records<Registered>, "list" | "put" | "delete">;
  /** Endpoints came, went or changed. */
  readonly changed: () => void;
}

/**
 * Who is there. A registration lives as long as its stream, and for one lease
 * after the stream is gone.
 *
 * Records are kept without their leases: a control plane that comes back after
 * an hour gives every workload a whole lease to return, instead of telling the
 * first proxies that reach it that nobody else exists.
 */
export class Registry {
  readonly #options: RegistryOptions;
  readonly #entries = new Map<string, Entry>();

  private constructor(options: RegistryOptions) {
    this.#options = options;
  }

  static async load(options: RegistryOptions): Promise<Registry> {
    const registry = new Registry(options);
    for (const registered of await options.records.list()) {
      registry.#enter(registered, null);
      registry.#lend(registered.key);
    }
    return registry;
  }

  get size(): number {
    return this.#entries.size;
  }

  list(): readonly Registration[] {
    return [...this.#entries.values()].map(({ registered: { claim, identity }, confirmedAt }) => ({
      ...claim,
      identity,
      confirmedAt,
    }));
  }

  rows(): readonly RegistryRow[] {
    return [...this.#entries.values()].map((entry) => ({
      ...entry.registered,
      connected: entry.holder !== null,
      confirmedAt: this.#confirmedAt(entry),
    }));
  }

  /** Enters a workload, or takes up its registration where an earlier stream left it. */
  async register(registered: Registered, holder: object): Promise<void> {
    const { key } = registered;
    const before = this.#entries.get(key);
    before?.lease?.cancel();
    if (before !== undefined && Bun.deepEquals(before.registered, registered)) {
      before.drains = false;
      before.holder = holder;
      before.lease = null;
      return;
    }
    await this.#evictOthersAt(registered);
    this.#enter(registered, holder);
    await this.#options.records.put(key, registered);
    this.#options.changed();
  }

  /** The stream is gone: the lease begins to run out, unless another stream has taken over. */
  release(key: string, holder: object): void {
    const entry = this.#entries.get(key);
    if (entry?.holder !== holder) return;
    entry.holder = null;
    entry.confirmedAt = this.#options.clock.now();
    if (entry.drains) this.#forget(key);
    else this.#lend(key);
  }

  /** Lets nobody call a workload any more that drains; it goes when its stream does, without a lease. */
  async silence(key: string): Promise<void> {
    const entry = this.#entries.get(key);
    if (entry === undefined || entry.holder === null) return;
    const { registered, holder } = entry;
    await this.register({ ...registered, claim: { ...registered.claim, weight: 0 } }, holder);
    const silenced = this.#entries.get(key);
    if (silenced !== undefined) silenced.drains = true;
  }

  /** Takes a workload out at once. */
  async withdraw(key: string): Promise<void> {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    entry.lease?.cancel();
    this.#entries.delete(key);
    await this.#options.records.delete(key);
    this.#options.changed();
  }

  close(): void {
    for (const entry of this.#entries.values()) entry.lease?.cancel();
  }

  #enter(registered: Registered, holder: object | null): void {
    const confirmedAt = this.#options.clock.now();
    this.#entries.set(registered.key, { registered, holder, lease: null, drains: false, confirmedAt });
  }

  #lend(key: string): void {
    const entry = this.#entries.get(key)!;
    entry.lease = this.#options.clock.after(this.#options.leaseMs, () => this.#expire(key));
  }

  #expire(key: string): void {
    const { log } = this.#options;
    log.info("a workload did not come back within its lease", { workload: key });
    this.#forget(key);
  }

  #forget(key: string): void {
    const { log } = this.#options;
    this.withdraw(key).catch((error) => log.error(`Cannot forget ${key}: ${messageOf(error)}`));
  }

  /** A proxy that lost its name comes back under another one: what it left behind is itself, not a replica. */
  async #evictOthersAt({ key, claim, identity }: Registered): Promise<void> {
    for (const [other, entry] of this.#entries) {
      if (other === key || entry.holder !== null || entry.registered.identity !== identity) continue;
      if (samePlace(entry.registered.claim, claim)) await this.withdraw(other);
    }
  }

  #confirmedAt(entry: Entry): number {
    return entry.holder === null ? entry.confirmedAt : this.#options.clock.now();
  }
}

function samePlace(a: WorkloadClaim, b: WorkloadClaim): boolean {
  const ports = (claim: WorkloadClaim): string => claim.ports.map((port) => port.inboundPort).join();
  return a.address === b.address && ports(a) === ports(b);
}
