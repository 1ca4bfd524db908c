import type { Endpoint } from "../cluster/mod.ts";
import { ClientMux, type ClientStream, type MuxKeeper } from "../http/mod.ts";
import type { Wire, WireOwner } from "../listener/mod.ts";
import { type Dial, DialFailure, dial } from "./dial.ts";
import type { Pool, PoolSettings, Waiter } from "./pool.ts";

/** What TLS calls HTTP/2, inside and outside the mesh. */
const MESH = "mesh/h2";
const HTTP2: ReadonlySet<string> = new Set(["h2", MESH]);
/** Connections to one endpoint, per worker: another is opened where the ones there are full. */
const MAX_CONNECTIONS = 8;
/** For a peer whose certificate is proven once and does not last: half of what it lasts by default. */
const MAX_AGE_MS = 30 * 60_000;
/** A peer that knew no HTTP/2 is asked again after this long: it may have been upgraded. */
const LEGACY_MS = 60_000;

/**
 * The HTTP/2 connections to one endpoint with one identity: few, each shared
 * by many requests. Where TLS agrees on HTTP/1.1 only, those of the HTTP/1
 * pool take over.
 */
export class MuxPool implements MuxKeeper {
  readonly #endpoint: Endpoint;
  readonly #settings: PoolSettings;
  readonly #legacy: () => Pool;
  readonly #connections: ClientMux[] = [];
  /** Those that take no new requests. */
  readonly #leaving = new Set<ClientMux>();
  readonly #waiting: Waiter[] = [];
  readonly #dials = new Set<Dial>();
  #legacyUntil = 0;
  /** They have proved what is not the newest any more, and go when another has taken their place. */
  readonly #stale = new Set<ClientMux>();
  #closing = false;

  constructor(endpoint: Endpoint, settings: PoolSettings, legacy: () => Pool) {
    this.#endpoint = endpoint;
    this.#settings = settings;
    this.#legacy = legacy;
  }

  get open(): number {
    return this.#connections.length + this.#leaving.size;
  }
  /** Nothing is lost with it. */
  get empty(): boolean {
    return this.open + this.#dials.size + this.#waiting.length === 0;
  }

  /** A stream on a connection that is at hand, or null: then the waiter is told later. */
  take(waiter: Waiter): ClientStream | null | "overflow" {
    if (this.#legacyUntil > this.#settings.deadlines.now) return this.#legacy().take(waiter);
    const connection = this.#free();
    if (connection !== null) return connection.open();
    if (this.#waiting.length >= this.#maxWaiting) return "overflow";
    this.#waiting.push(waiter);
    this.#dialMore();
    return null;
  }

  #free(): ClientMux | null {
    const most = this.#endpoint.home.limits.requestsPerConnection ?? Number.POSITIVE_INFINITY;
    for (let i = 0; i < this.#connections.length; i++) {
      const connection = this.#connections[i]!;
      if (!connection.canOpen) continue;
      if (connection.uses < most) return connection;
      // It leaves the list with that: the next has its place.
      connection.retire();
      i--;
    }
    return null;
  }

  get #maxConnections(): number {
    return Math.min(MAX_CONNECTIONS, this.#endpoint.home.limits.connectionsPerEndpoint ?? MAX_CONNECTIONS);
  }

  /** Whoever waits for the first connection waits in no queue. */
  get #maxWaiting(): number {
    const { pending } = this.#endpoint.home.limits;
    return pending === undefined || this.#connections.length === 0 ? this.#settings.maxWaiting : pending;
  }

  /** One dial at a time: whoever waits may well fit on one connection. */
  #dialMore(): void {
    if (this.#dials.size > 0 || this.#connections.length >= this.#maxConnections) return;
    if (this.#connections.every(({ isSettled }) => isSettled)) this.#dial();
  }

  cancel(waiter: Waiter): void {
    const i = this.#waiting.indexOf(waiter);
    if (i >= 0) this.#waiting.splice(i, 1);
  }

  #dial(): void {
    const attempt = dial(this.#endpoint, "http2", this.#settings, {
      opened: (wire, protocol) => {
        this.#dials.delete(attempt);
        return protocol === null || HTTP2.has(protocol) ? this.#opened(wire, protocol) : this.#fallBack(wire);
      },
      failed: (failure, problem) => {
        this.#dials.delete(attempt);
        this.#refused(failure, problem);
      },
    });
    this.#dials.add(attempt);
  }

  #opened(wire: Wire, protocol: string | null): WireOwner {
    const { client, http2 } = this.#settings;
    const [secure, isMesh] = [protocol !== null, protocol === MESH];
    const connection = new ClientMux(wire, { handler: client.handler, kit: http2, secure, isMesh, keeper: this });
    this.#connections.push(connection);
    if (this.#closing && this.#waiting.length === 0) connection.retire();
    return connection;
  }

  /** An older proxy, or a server that knows HTTP/1.1 only. */
  #fallBack(wire: Wire): WireOwner {
    this.#legacyUntil = this.#settings.deadlines.now + LEGACY_MS;
    this.#replace();
    const [first, ...rest] = this.#waiting.splice(0);
    const connection = this.#legacy().adopt(wire, first ?? null);
    for (const waiter of rest) this.#passOn(waiter);
    return connection;
  }

  /** The HTTP/1 pool may have a connection at hand, from when the peer was asked before. */
  #passOn(waiter: Waiter): void {
    const taken = this.#legacy().take(waiter);
    if (taken === "overflow") waiter.connectFailed(DialFailure.Refused, "too many requests wait for it");
    else if (taken !== null) waiter.connected(taken);
  }

  /** All wait for this one dial: none of them would fare better. */
  #refused(failure: DialFailure, problem: string): void {
    for (const waiter of this.#waiting.splice(0)) waiter.connectFailed(failure, problem);
  }

  /** Lets those that wait go on, as far as there is room. */
  #serve(): void {
    while (this.#waiting.length > 0) {
      const connection = this.#free();
      if (connection === null) {
        this.#dialMore();
        return;
      }
      this.#waiting.shift()!.connected(connection.open());
    }
  }

  /** Also where the peer has said for the first time how many it takes: nobody is served before. */
  freed(connection: ClientMux): void {
    if (this.#stale.size > 0 && !this.#stale.has(connection) && connection.canOpen) this.#replace();
    if (this.#waiting.length > 0) this.#serve();
  }

  /**
   * What its connections have proved is not the newest any more. Idle ones end
   * now; where one is busy another is opened first, so that nobody waits.
   */
  renew(): void {
    for (const connection of [...this.#connections])
      if (connection.idle) connection.retire();
      else this.#stale.add(connection);
    if (this.#stale.size > 0 && this.#dials.size === 0) this.#dial();
  }

  #replace(): void {
    for (const connection of [...this.#stale]) connection.retire();
    this.#stale.clear();
  }

  leaving(connection: ClientMux): void {
    this.#stale.delete(connection);
    const i = this.#connections.indexOf(connection);
    if (i >= 0) this.#connections.splice(i, 1);
    this.#leaving.add(connection);
    if (this.#waiting.length > 0 && connection.isSettled) this.#dialMore();
  }

  gone(connection: ClientMux): void {
    this.leaving(connection);
    this.#leaving.delete(connection);
    if (!connection.isSettled) this.#refused(DialFailure.Refused, "no HTTP/2 is spoken there");
  }

  get idleTimeoutMs(): number {
    return this.#endpoint.home.timeouts.idleMs ?? this.#settings.idleTimeoutMs;
  }

  /** Ends what is idle, and behind its streams what is old: a certificate is proven once, and does not last. */
  sweep(now: number): void {
    const idleBefore = now - this.idleTimeoutMs;
    const openedBefore = now - (this.#endpoint.home.timeouts.connectionAgeMs ?? MAX_AGE_MS);
    for (const connection of [...this.#connections]) {
      const isIdle = connection.idle && connection.idleSince <= idleBefore;
      if (isIdle || connection.openedAt <= openedBefore) connection.retire();
    }
    // The dial for its successor has failed.
    if (this.#stale.size > 0 && this.#dials.size === 0) this.#dial();
  }

  close(): void {
    this.#closing = true;
    for (const connection of [...this.#connections]) connection.retire();
  }
}
