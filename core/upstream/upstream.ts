import { Deadline } from "../base/mod.ts";
import type { Endpoint } from "../cluster/mod.ts";
import type { ClientStream } from "../http/mod.ts";
import type { Permitted } from "../policy/mod.ts";
import { MuxPool } from "./mux-pool.ts";
import { Pool, type PoolSettings, type Waiter } from "./pool.ts";

/** The connections to one endpoint, by what they speak. */
interface Pools {
  readonly http1: Pool;
  /** Made with the first request that goes by HTTP/2. */
  http2: MuxPool | null;
}

/**
 * The connections of one worker to all endpoints. A pool belongs to one
 * endpoint, whose key holds address, port and identity: a connection is never
 * shared across identities.
 */
export class Upstream extends Deadline {
  readonly #settings: PoolSettings;
  readonly #pools = new Map<Endpoint, Pools>();
  /** Pools of endpoints that no snapshot names any more, until their last exchange is over. */
  readonly #leaving = new Set<Pools>();

  constructor(settings: PoolSettings) {
    super();
    this.#settings = settings;
  }

  /**
   * A connection for an exchange that every policy let through; null when the
   * waiter is told later.
   */
  connect(_permitted: Permitted, endpoint: Endpoint, waiter: Waiter): ClientStream | null | "overflow" {
    const pools = this.#poolsOf(endpoint);
    // A proxy of the mesh takes HTTP/1.1 requests by HTTP/2 too: many then share one TLS record and one write.
    const shared = endpoint.http2 || endpoint.identity !== null || waiter.needsHttp2;
    return shared ? this.#shared(endpoint, pools).take(waiter) : pools.http1.take(waiter);
  }

  cancel(endpoint: Endpoint, waiter: Waiter): void {
    const pools = this.#pools.get(endpoint);
    if (pools?.http2 != null) pools.http2.cancel(waiter);
    else pools?.http1.cancel(waiter);
  }

  openConnections(endpoint: Endpoint): number {
    const pools = this.#pools.get(endpoint);
    return pools === undefined ? 0 : pools.http1.open + (pools.http2?.open ?? 0);
  }

  #poolsOf(endpoint: Endpoint): Pools {
    let pools = this.#pools.get(endpoint);
    if (pools === undefined) {
      pools = { http1: new Pool(endpoint, this.#settings), http2: null };
      this.#pools.set(endpoint, pools);
      if (!this.isSet) this.#settings.deadlines.set(this, this.#settings.idleTimeoutMs / 2);
    }
    return pools;
  }

  #shared(endpoint: Endpoint, pools: Pools): MuxPool {
    pools.http2 ??= new MuxPool(endpoint, this.#settings, pools.http1);
    return pools.http2;
  }

  /** Keeps the pools of these endpoints; the others close behind what they carry. */
  retain(endpoints: ReadonlySet<Endpoint>): void {
    for (const [endpoint, pools] of this.#pools) {
      if (endpoints.has(endpoint)) continue;
      pools.http1.close();
      pools.http2?.close();
      this.#pools.delete(endpoint);
      if (!isEmpty(pools)) this.#leaving.add(pools);
    }
  }

  close(): void {
    this.retain(new Set());
    this.#settings.deadlines.clear(this);
  }

  /** Sweeps idle connections. */
  override expire(): void {
    const { now } = this.#settings.deadlines;
    for (const { http1, http2 } of this.#pools.values()) {
      http1.sweep(now);
      http2?.sweep(now);
    }
    for (const pools of this.#leaving) if (isEmpty(pools)) this.#leaving.delete(pools);
    if (this.#pools.size > 0) this.#settings.deadlines.set(this, this.#settings.idleTimeoutMs / 2);
  }
}

function isEmpty({ http1, http2 }: Pools): boolean {
  return http1.empty && (http2 === null || http2.empty);
}
