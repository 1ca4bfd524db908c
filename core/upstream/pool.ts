import type { Endpoint } from "../cluster/mod.ts";
import { ClientConnection, type ClientStream, type ConnectionKeeper, type Http2Kit } from "../http/mod.ts";
import type { Wire } from "../listener/mod.ts";
import { type Dial, DialFailure, type DialSettings, dial } from "./dial.ts";

/** Who waits for a connection. */
export interface Waiter {
  /** The request is one that only HTTP/2 carries whole. */
  readonly needsHttp2: boolean;
  connected(connection: ClientStream): void;
  connectFailed(failure: DialFailure, problem: string): void;
}

export interface PoolSettings extends DialSettings {
  /** What HTTP/2 connections of the worker share. */
  readonly http2: Http2Kit;
  // What holds where the endpoint's cluster says nothing.
  /** An unused connection is closed after this long: keep it below what servers grant. */
  readonly idleTimeoutMs: number;
  /** Connections to one endpoint, per worker. */
  readonly maxConnections: number;
  /** Requests that wait for one of them, per worker. */
  readonly maxWaiting: number;
}

/**
 * The HTTP/1 connections to one endpoint with one identity. The one used last
 * is used next, so that the rest grow old and are closed.
 */
export class Pool implements ConnectionKeeper {
  readonly endpoint: Endpoint;
  readonly #settings: PoolSettings;
  readonly #idle: ClientConnection[] = [];
  /** Tunnels that are over, with bytes that the upstream has not taken. */
  readonly #lingering: ClientConnection[] = [];
  readonly #waiting: Waiter[] = [];
  readonly #dials = new Set<Dial>();
  /** Open ones, idle or not. */
  #open = 0;
  /** Dials given up whose sockets the kernel still tries to connect: they hold descriptors. */
  #stuck = 0;
  #closing = false;
  /** Those that were opened before it are not used again. */
  #renewedAt = Number.NEGATIVE_INFINITY;

  constructor(endpoint: Endpoint, settings: PoolSettings) {
    this.endpoint = endpoint;
    this.#settings = settings;
  }

  get open(): number {
    return this.#open;
  }

  /** Nothing is lost with it. */
  get empty(): boolean {
    return this.#open + this.#dials.size + this.#stuck + this.#waiting.length === 0;
  }

  /** A connection that is at hand, or null: then the waiter is told later. */
  take(waiter: Waiter): ClientConnection | null | "overflow" {
    for (let connection = this.#idle.pop(); connection !== undefined; connection = this.#idle.pop()) {
      if (connection.dropped) continue;
      if (!this.#isSpent(connection)) return connection;
      connection.close();
    }
    if (this.#isFull) return "overflow";
    this.#waiting.push(waiter);
    this.#replenish();
    return null;
  }

  /** Whoever may have a dial of his own waits in no queue. */
  get #isFull(): boolean {
    const { pending } = this.endpoint.home.limits;
    const queued = this.#waiting.length;
    return pending === undefined ? queued >= this.#settings.maxWaiting : queued >= pending + Math.max(0, this.#room);
  }

  /** Connections that may still be opened. */
  get #room(): number {
    const most = this.endpoint.home.limits.connectionsPerEndpoint ?? this.#settings.maxConnections;
    return most - this.#open - this.#stuck;
  }

  /** It has carried as much, or is as old, as the cluster allows. */
  #isSpent({ uses, openedAt }: ClientConnection): boolean {
    const { limits, timeouts } = this.endpoint.home;
    if (uses >= (limits.requestsPerConnection ?? Number.POSITIVE_INFINITY) || openedAt < this.#renewedAt) return true;
    const age = timeouts.connectionAgeMs;
    return age !== undefined && this.#settings.deadlines.recent - openedAt >= age;
  }

  /** The waiter wants none any more; a dial under way serves the next. */
  cancel(waiter: Waiter): void {
    const i = this.#waiting.indexOf(waiter);
    if (i >= 0) this.#waiting.splice(i, 1);
  }

  /** One dial for each that waits, as far as the limit goes. */
  #replenish(): void {
    while (this.#dials.size < this.#waiting.length && this.#dials.size < this.#room) this.#dial();
  }

  #dial(): void {
    const attempt = dial(this.endpoint, "http1", this.#settings, {
      opened: (wire) => {
        this.#dials.delete(attempt);
        return this.adopt(wire, null);
      },
      failed: (failure, problem) => {
        this.#dials.delete(attempt);
        if (failure === DialFailure.Timeout) this.#awaitEnd(attempt);
        this.#waiting.shift()?.connectFailed(failure, problem);
        this.#replenish();
      },
    });
    this.#dials.add(attempt);
  }

  #awaitEnd(attempt: Dial): void {
    this.#stuck++;
    void attempt.settled.then(() => {
      this.#stuck--;
      this.#replenish();
    });
  }

  /** Takes in a connection that was opened, for `waiter` or whoever waits here. */
  adopt(wire: Wire, waiter: Waiter | null): ClientConnection {
    const connection = new ClientConnection(wire, this.#settings.client, this);
    connection.openedAt = this.#settings.deadlines.recent;
    this.#open++;
    if (waiter === null) this.#offer(connection);
    else waiter.connected(connection);
    return connection;
  }

  #offer(connection: ClientConnection): void {
    if (connection.uses > 0 && this.#isSpent(connection)) {
      connection.close();
      return;
    }
    const waiter = this.#waiting.shift();
    if (waiter !== undefined) {
      waiter.connected(connection);
      return;
    }
    if (this.#closing) {
      connection.close();
      return;
    }
    connection.idleSince = this.#settings.deadlines.recent;
    this.#idle.push(connection);
  }

  release(connection: ClientConnection): void {
    this.#offer(connection);
  }

  lost(connection: ClientConnection): void {
    this.#open--;
    for (const kept of [this.#idle, this.#lingering]) {
      const i = kept.indexOf(connection);
      if (i >= 0) kept.splice(i, 1);
    }
    this.#replenish();
  }

  lingers(connection: ClientConnection): void {
    connection.idleSince = this.#settings.deadlines.now;
    this.#lingering.push(connection);
  }

  /** Closes what has been idle too long, and ends what lingers as long; the oldest lie in front. */
  sweep(now: number): void {
    const before = now - this.idleTimeoutMs;
    while (this.#lingering.length > 0 && this.#lingering[0]!.idleSince <= before) this.#lingering.shift()!.abort();
    while (this.#idle.length > 0 && this.#idle[0]!.idleSince <= before) this.#idle.shift()!.close();
  }

  get idleTimeoutMs(): number {
    return this.endpoint.home.timeouts.idleMs ?? this.#settings.idleTimeoutMs;
  }

  /** What its connections have proved is not the newest any more: those that are open carry what they carry, and no more. */
  renew(): void {
    this.#renewedAt = this.#settings.deadlines.now;
    for (const connection of this.#idle.splice(0)) connection.close();
  }

  /** The endpoint is gone: idle connections close now, busy ones behind their exchange. */
  close(): void {
    this.#closing = true;
    for (const connection of this.#idle.splice(0)) connection.close();
  }
}
