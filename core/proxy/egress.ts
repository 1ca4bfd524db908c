import { type Clock, messageOf } from "../base/mod.ts";
import { Cluster, type ClusterEvents, type ClusterModel, ClusterState, type EndpointModel } from "../cluster/mod.ts";
import { EgressRefused, UnknownHost } from "./failure.ts";

/** How long an address found by name is used. The system's resolver tells no TTL. */
const FRESH_MS = 30_000;
/** Destinations remembered at once, per worker: an app may name any host. */
const MAX_DESTINATIONS = 1_000;

interface Destination {
  readonly cluster: Cluster;
  readonly until: number;
}

/** Looks a name up: IP literals, in the order to try them. */
export type Resolve = (host: string) => Promise<readonly string[]>;

/** Destinations outside the mesh, each a cluster of what its name resolves to. */
export class Egress {
  readonly #clock: Clock;
  readonly #resolve: Resolve;
  readonly #events: ClusterEvents;
  readonly #isOurs: (address: string, port: number) => boolean;
  /** In the order of their last lookup. */
  readonly #known = new Map<string, Destination>();
  /** Lookups under way: an address that has grown old is asked for once, not by everyone. */
  readonly #asked = new Map<string, Promise<Cluster>>();

  /** @param isOurs whether an address leads back to this proxy. */
  constructor(
    clock: Clock,
    resolve: Resolve,
    events: ClusterEvents,
    isOurs: (address: string, port: number) => boolean,
  ) {
    this.#isOurs = isOurs;
    this.#clock = clock;
    this.#resolve = resolve;
    this.#events = events;
  }

  /** The cluster of a destination, where it is known and fresh. */
  find(host: string, port: number, like: Cluster | null = null): Cluster | null {
    const found = this.#known.get(keyOf(host, port, like));
    return found === undefined || found.until < this.#clock.monotonic() ? null : found.cluster;
  }

  /**
   * @param like what is said of all destinations of a wildcard: TLS, timeouts, limits.
   * @throws {UnknownHost} and {EgressRefused}
   */
  lookup(host: string, port: number, like: Cluster | null = null): Promise<Cluster> {
    const key = keyOf(host, port, like);
    let asked = this.#asked.get(key);
    if (asked === undefined) {
      asked = this.#lookup(key, host, port, like).finally(() => this.#asked.delete(key));
      this.#asked.set(key, asked);
    }
    return asked;
  }

  async #lookup(key: string, host: string, port: number, like: Cluster | null): Promise<Cluster> {
    const cluster = await this.#build(key, host, port, like);
    this.#known.delete(key);
    if (this.#known.size >= MAX_DESTINATIONS) this.#known.delete(this.#known.keys().next().value!);
    this.#known.set(key, { cluster, until: this.#clock.monotonic() + FRESH_MS });
    return cluster;
  }

  async #build(key: string, host: string, port: number, like: Cluster | null): Promise<Cluster> {
    const addresses = await this.#addresses(host);
    if (addresses.some((address) => this.#isOurs(address, port))) {
      throw new EgressRefused(`Cannot call "${key}": it is this proxy itself`);
    }
    const state = this.#known.get(key)?.cluster.state ?? new ClusterState(`outside/${key}`, this.#events);
    const workload = { name: "", namespace: "", app: "", version: "" };
    const endpoints = addresses.map((address) => ({ address, port, weight: 1, workload }));
    const name = `outside/${key}`;
    const cluster = new Cluster(like?.modelFor(name, host, endpoints) ?? this.#plain(name, endpoints), state, "");
    cluster.adopt();
    return cluster;
  }

  #plain(name: string, endpoints: readonly EndpointModel[]): ClusterModel {
    return {
      name,
      // Labels of metrics: a host would be a series for whatever an app calls.
      service: { namespace: "unknown", name: "PassthroughCluster", host: "unknown" },
      balancer: "RoundRobin",
      endpoints,
      confirmedAt: this.#clock.now(),
    };
  }

  async #addresses(host: string): Promise<readonly string[]> {
    if (/^[0-9.]+$/.test(host)) return [host];
    if (host.startsWith("[")) return [host.slice(1, -1)];
    let found: readonly string[] = [];
    try {
      found = await this.#resolve(host);
    } catch (cause) {
      throw new UnknownHost(`Cannot find an address of "${host}": ${messageOf(cause)}`, { cause });
    }
    if (found.length === 0) throw new UnknownHost(`Cannot find an address of "${host}": its name has none`);
    return found;
  }

  /** Endpoints whose pools are to be kept. */
  *endpoints() {
    for (const { cluster } of this.#known.values()) yield* cluster.endpoints;
  }
}

function keyOf(host: string, port: number, like: Cluster | null): string {
  return like === null ? `${host}:${port}` : `${host}:${port} ${like.name} ${like.version}`;
}
