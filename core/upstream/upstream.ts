import { Deadline } from "../base/mod.ts";
import type { Endpoint } from "../cluster/mod.ts";
import type { ClientStream } from "../http/mod.ts";
import type { Permitted } from "../policy/mod.ts";
import { type Dial, type DialOutcome, dial } from "./dial.ts";
import { MuxPool } from "./mux-pool.ts";
import { Pool, type PoolSettings, type Waiter } from "./pool.ts";

type Pools = Map<Endpoint, Pool>;
type AnyPool = Pool | MuxPool;

/**
 * The connections of one worker to all endpoints. A pool belongs to one
 * endpoint, whose key holds address, port and identity: a connection is never
 * shared across identities.
 */
export class Upstream extends Deadline {
  readonly #settings: PoolSettings;
  readonly #plain: PoolSettings;
  readonly #pools: Pools = new Map();
  /** Connections that become tunnels: each is dialled for its one exchange. */
  readonly #passages: Pools = new Map();
  /** Connections that many requests share. */
  readonly #shared = new Map<Endpoint, MuxPool>();
  /** Pools of endpoints that no snapshot names any more, until their last exchange is over. */
  readonly #leaving = new Set<AnyPool>();

  constructor(settings: PoolSettings) {
    super();
    this.#settings = settings;
    this.#plain = { ...settings, tls: () => null };
  }

  /**
   * A connection for an exchange that every policy let through; null when the
   * waiter is told later. `fresh`: one that has carried nothing yet.
   */
  connect(_permitted: Permitted, endpoint: Endpoint, waiter: Waiter, fresh: boolean): ClientStream | null | "overflow" {
    if (fresh) return this.#poolOf(this.#passages, endpoint).take(waiter);
    // A proxy of the mesh takes HTTP/1.1 requests by HTTP/2 too: many then share one TLS record and one write.
    const shared = endpoint.http2 || endpoint.identity !== null || waiter.needsHttp2;
    return shared ? this.#sharedOf(endpoint).take(waiter) : this.#poolOf(this.#pools, endpoint).take(waiter);
  }

  /**
   * Opens a connection for bytes that nobody reads: it belongs to one
   * downstream connection, and to no pool. Bytes that are TLS already get none
   * around them but the mesh's own: the client and its server are at both ends.
   */
  open(endpoint: Endpoint, isTls: boolean, outcome: DialOutcome): Dial {
    return dial(endpoint, "bytes", isTls && endpoint.identity === null ? this.#plain : this.#settings, outcome);
  }

  /** The waiter wants no connection any more. It may wait in a pool that is leaving. */
  cancel(endpoint: Endpoint, waiter: Waiter): void {
    this.#pools.get(endpoint)?.cancel(waiter);
    this.#passages.get(endpoint)?.cancel(waiter);
    this.#shared.get(endpoint)?.cancel(waiter);
    for (const pool of this.#leaving) pool.cancel(waiter);
  }

  #poolOf(pools: Pools, endpoint: Endpoint): Pool {
    let pool = pools.get(endpoint);
    if (pool === undefined) {
      pool = new Pool(endpoint, this.#settings);
      pools.set(endpoint, pool);
      this.#watch(endpoint);
    }
    return pool;
  }

  #sharedOf(endpoint: Endpoint): MuxPool {
    let pool = this.#shared.get(endpoint);
    if (pool === undefined) {
      pool = new MuxPool(endpoint, this.#settings, () => this.#poolOf(this.#pools, endpoint));
      this.#shared.set(endpoint, pool);
      this.#watch(endpoint);
    }
    return pool;
  }

  /** The next sweep comes in time for the connections of an endpoint. */
  #watch({ home }: Endpoint): void {
    const { deadlines, idleTimeoutMs } = this.#settings;
    const { idleMs = idleTimeoutMs, connectionAgeMs = idleTimeoutMs } = home.timeouts;
    const ms = Math.min(idleMs, connectionAgeMs) / 2;
    if (!this.isSet || this.deadlineAt > deadlines.recent + ms) deadlines.set(this, ms);
  }

  /** This proxy has another certificate: connections that have proved the old one are replaced. */
  renew(): void {
    for (const pools of this.#all()) for (const [endpoint, pool] of pools) if (endpoint.identity !== null) pool.renew();
  }

  /** Keeps the pools of these endpoints; the others close behind what they carry. */
  retain(endpoints: ReadonlySet<Endpoint>): void {
    for (const pools of this.#all()) {
      for (const [endpoint, pool] of pools) {
        if (endpoints.has(endpoint)) continue;
        pool.close();
        pools.delete(endpoint);
        if (!pool.empty) this.#leaving.add(pool);
      }
    }
  }

  close(): void {
    this.retain(new Set());
    this.#settings.deadlines.clear(this);
  }

  /** Sweeps idle connections, and pools without any: destinations outside the mesh come and go without a snapshot. */
  override expire(): void {
    const { now } = this.#settings.deadlines;
    for (const pools of this.#all()) {
      for (const [endpoint, pool] of pools) {
        pool.sweep(now);
        if (pool.empty) pools.delete(endpoint);
        else this.#watch(endpoint);
      }
    }
    for (const pool of this.#leaving) {
      pool.sweep(now);
      if (pool.empty) this.#leaving.delete(pool);
    }
    if (this.#leaving.size > 0 && !this.isSet) this.#settings.deadlines.set(this, this.#settings.idleTimeoutMs / 2);
  }

  #all(): readonly Map<Endpoint, AnyPool>[] {
    return [this.#pools, this.#passages, this.#shared] as readonly Map<Endpoint, AnyPool>[];
  }
}
