import type { Deadlines, Log } from "../base/mod.ts";
import {
  DEFAULT_HEAD_LIMITS,
  type Http2Kit,
  type Http2ServerSettings,
  type RequestHandler,
  ServerConnection,
  ServerMux,
  type ServerSettings,
  type Stage,
} from "../http/mod.ts";
import {
  type ConnectionFacts,
  type ConnectionLimit,
  handOver,
  type Listener,
  listen,
  type Wire,
  type WireOwner,
} from "../listener/mod.ts";
import { forwardWay, inboundWay, serviceWay, type Way } from "../proxy/mod.ts";
import type { MeshMetrics } from "../telemetry/mod.ts";
import { leadsTo } from "./own-address.ts";
import type { Bound, ListenerPlan, PlanePlan } from "./plan.ts";
import type { Trust } from "./trust.ts";

const HEAD_TIMEOUT_MS = 10_000;
const IDLE_TIMEOUT_MS = 300_000;
const LINGER_MS = 2_000;
const HANDSHAKE_TIMEOUT_MS = 10_000;
/** Streams of one client connection: of any client, and of a proxy that speaks for many. */
const MAX_STREAMS = 100;
const MAX_MESH_STREAMS = 1_000;
/** What TLS calls HTTP/2, outside and inside the mesh. */
const HTTP2_PROTOCOLS: ReadonlySet<string> = new Set(["h2", "mesh/h2"]);

export interface ListenersOptions {
  readonly plan: PlanePlan;
  readonly trust: Trust;
  readonly deadlines: Deadlines;
  readonly stage: Stage;
  readonly http2: Http2Kit;
  readonly metrics: MeshMetrics;
  readonly log: Log;
  readonly handler: (way: Way) => RequestHandler;
  readonly bug: (error: unknown) => void;
}

/** A connection that came by a listener, whatever it speaks. */
type Served = ServerConnection | ServerMux;

interface Open {
  readonly plan: ListenerPlan;
  listener: Listener;
  /** Plaintext is refused. */
  strict: boolean;
}

/** The listeners of one worker, and the connections that came by them. */
export class Listeners {
  readonly #options: ListenersOptions;
  readonly #open: Open[] = [];
  readonly #connections = new Set<Served>();
  readonly #limit: ConnectionLimit;
  #isDraining = false;

  constructor(options: ListenersOptions) {
    this.#options = options;
    this.#limit = { open: 0, max: options.plan.maxConnections };
  }

  /** @throws {ListenFailed} */
  open(plans: readonly ListenerPlan[], strict: boolean): readonly Bound[] {
    return plans.map((plan) => {
      const listener = this.#listen(plan, plan.port, strict);
      this.#open.push({ plan, listener, strict });
      return { name: plan.name, hostname: listener.hostname, port: listener.port };
    });
  }

  #listen(plan: ListenerPlan, port: number, strict: boolean): Listener {
    const { trust, deadlines, stage, bug } = this.#options;
    const way = wayOf(plan);
    const http2 = this.#http2Settings(way, plan);
    const http1 = this.#settings(way, http2);
    const isMesh = plan.transport === "mesh";
    return listen({
      name: plan.name,
      direction: way.direction,
      hostname: plan.hostname,
      port,
      // A listener whose mTLS mode changes is bound a second time before the first one stops.
      reusePort: this.#options.plan.shared || isMesh,
      transport: plan.transport === "plain" ? "plain" : isMesh && !strict ? "sniff" : "tls",
      tls: plan.transport === "plain" ? null : trust.server(isMesh),
      limit: this.#limit,
      deadlines,
      flush: () => stage.flush(),
      handshakeTimeoutMs: HANDSHAKE_TIMEOUT_MS,
      accept: (wire, facts) => this.#accept(wire, facts, http1, http2),
      refused: (reason, remote) => this.#refused(plan, way, reason, remote),
      bug,
    });
  }

  #http2Settings(way: Way, plan: ListenerPlan): Http2ServerSettings {
    const { handler, http2, metrics } = this.#options;
    return {
      handler: handler(way),
      kit: http2,
      headTimeoutMs: HEAD_TIMEOUT_MS,
      idleTimeoutMs: IDLE_TIMEOUT_MS,
      maxStreams: plan.transport === "mesh" ? MAX_MESH_STREAMS : MAX_STREAMS,
      draining: () => this.#isDraining,
      onClose: (connection) => this.#forget(connection),
      onIdleClose: (_connection, reason) => metrics.idleClosed.with(way.direction, reason).add(),
    };
  }

  #settings(way: Way, http2: Http2ServerSettings): ServerSettings {
    const { handler, stage, deadlines, metrics } = this.#options;
    return {
      handler: handler(way),
      stage,
      deadlines,
      headLimits: DEFAULT_HEAD_LIMITS,
      headTimeoutMs: HEAD_TIMEOUT_MS,
      idleTimeoutMs: IDLE_TIMEOUT_MS,
      lingerMs: LINGER_MS,
      draining: () => this.#isDraining,
      http2: (connection, bytes) => this.#switch(connection, bytes, http2),
      onClose: (connection) => this.#forget(connection),
      onIdleClose: (_connection, reason) => metrics.idleClosed.with(way.direction, reason).add(),
    };
  }

  #accept(wire: Wire, facts: ConnectionFacts, http1: ServerSettings, http2: Http2ServerSettings): WireOwner {
    const { connections, connectionsOpen } = this.#options.metrics;
    const connection = HTTP2_PROTOCOLS.has(facts.protocol)
      ? new ServerMux(wire, facts, http2)
      : new ServerConnection(wire, facts, http1);
    this.#connections.add(connection);
    connections.with(facts.direction).add();
    connectionsOpen.with(facts.direction).add(1);
    return connection;
  }

  /** The client has begun with the preface of HTTP/2. */
  #switch(connection: ServerConnection, bytes: Buffer, http2: Http2ServerSettings): void {
    const mux = new ServerMux(connection.wire, connection.connection, http2);
    this.#connections.delete(connection);
    this.#connections.add(mux);
    handOver(connection.wire, mux);
    mux.received(bytes);
  }

  #forget(connection: Served): void {
    this.#connections.delete(connection);
    this.#options.metrics.connectionsOpen.with(connection.connection.direction).add(-1);
  }

  #refused(plan: ListenerPlan, { direction }: Way, reason: string, remote: string): void {
    this.#options.metrics.handshakesFailed.with(direction, reason).add();
    this.#options.log.warn("connection refused", { listener: plan.name, reason, remote });
  }

  /**
   * Another mTLS mode takes another kind of listener; the port stays. From
   * STRICT on, what came in plaintext before ends behind its exchange at hand.
   *
   * @throws {ListenFailed} and leaves what there was.
   */
  rebind(strict: boolean): void {
    if (this.#isDraining) return;
    for (const entry of this.#open) {
      if (entry.plan.transport !== "mesh" || entry.strict === strict) continue;
      const before = entry.listener;
      entry.listener = this.#listen(entry.plan, before.port, strict);
      entry.strict = strict;
      before.stop();
      if (strict) this.#endPlaintext(entry.plan.name);
    }
  }

  #endPlaintext(listener: string): void {
    for (const one of this.#connections) {
      if (one.connection.listener === listener && !one.connection.secure) one.drain();
    }
  }

  /** Whether a connection to this address would come back to one of ours. */
  isOurs(address: string, port: number): boolean {
    return this.#open.some(({ listener }) => listener.port === port && leadsTo(listener.hostname, address));
  }

  /** Stops accepting, ends idle connections; what is under way goes on and closes its connection behind it. */
  drain(): void {
    this.#isDraining = true;
    for (const { listener } of this.#open) listener.stop();
    for (const connection of this.#connections) connection.drain();
  }

  /** Ends every connection now. */
  destroy(): void {
    for (const connection of this.#connections) connection.destroy();
  }
}

function wayOf(plan: ListenerPlan): Way {
  switch (plan.kind) {
    case "service":
      return serviceWay(plan.host, plan.servicePort);
    case "forward":
      return forwardWay();
    case "inbound":
      return inboundWay(plan.appPort);
  }
}
