import { Deadline } from "../base/mod.ts";
import type { Endpoint } from "../cluster/mod.ts";
import type { ClientConnection } from "../http/mod.ts";
import type { Permitted } from "../policy/mod.ts";
import { Pool, type PoolSettings, type Waiter } from "./pool.ts";

/**
 * The connections of one worker to all endpoints. A pool belongs to one
 * endpoint, whose key holds address, port and identity: a connection is never
 * shared across identities.
 */
export class Upstream extends Deadline {
  readonly #settings: PoolSettings;
  readonly #pools = new Map<Endpoint, Pool>();
  /** Pools of endpoints that no snapshot names any more, until their last exchange is over. */
  readonly #leaving = new Set<Pool>();

  constructor(settings: PoolSettings) {
    super();
    this.#settings = settings;
  }

  /**
   * A connection for an exchange that every policy let through; null when the
   * waiter is told later.
   */
  connect(_permitted: Permitted, endpoint: Endpoint, waiter: Waiter): ClientConnection | null | "overflow" {
    return this.#poolOf(endpoint).take(waiter);
  }

  cancel(endpoint: Endpoint, waiter: Waiter): void {
    this.#pools.get(endpoint)?.cancel(waiter);
  }

  openConnections(endpoint: Endpoint): number {
    return this.#pools.get(endpoint)?.open ?? 0;
  }

  #poolOf(endpoint: Endpoint): Pool {
    let pool = this.#pools.get(endpoint);
    if (pool === undefined) {
      pool = new Pool(endpoint, this.#settings);
      this.#pools.set(endpoint, pool);
      if (!this.isSet) this.#settings.deadlines.set(this, this.#settings.idleTimeoutMs / 2);
    }
    return pool;
  }

  /** Keeps the pools of these endpoints; the others close behind what they carry. */
  retain(endpoints: ReadonlySet<Endpoint>): void {
    for (const [endpoint, pool] of this.#pools) {
      if (endpoints.has(endpoint)) continue;
      pool.close();
      this.#pools.delete(endpoint);
      if (!pool.empty) this.#leaving.add(pool);
    }
  }

  close(): void {
    this.retain(new Set());
    this.#settings.deadlines.clear(this);
  }

  /** Sweeps idle connections. */
  override expire(): void {
    const { now } = this.#settings.deadlines;
    for (const pool of this.#pools.values()) pool.sweep(now);
    for (const pool of this.#leaving) if (pool.empty) this.#leaving.delete(pool);
    if (this.#pools.size > 0) this.#settings.deadlines.set(this, this.#settings.idleTimeoutMs / 2);
  }
}
