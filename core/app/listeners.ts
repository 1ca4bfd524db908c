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
  type Direction,
  handOver,
  type Listener,
  listen,
  listenDatagrams,
  type Wire,
  type WireOwner,
} from "../listener/mod.ts";
import {
  CONNECT_WORDS,
  Connection,
  type ConnectionRecorder,
  type Connections,
  Datagrams,
  type DatagramWay,
  forwardWay,
  gatewayDatagrams,
  gatewayWay,
  inboundWay,
  type Mesh,
  type MeshExchange,
  MethodRefused,
  NO_WORDS,
  serviceDatagrams,
  serviceWay,
  type Way,
  type Words,
} from "../proxy/mod.ts";
import type { Snapshot } from "../snapshot/mod.ts";
import type { MeshMetrics } from "../telemetry/mod.ts";
import { GatewayDoor } from "./gateway-door.ts";
import { leadsTo } from "./own-address.ts";
import { type Bound, isSamePlace, type ListenerPlan, type PlanePlan } from "./plan.ts";
import { Takings } from "./takings.ts";
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
  readonly snapshot: () => Snapshot;
  readonly handler: (way: Way) => RequestHandler;
  readonly mesh: Mesh;
  readonly connections: Connections;
  readonly recorder: ConnectionRecorder;
  /** Forgets a request whose connection is served as something else from here on. */
  readonly leave: (exchange: MeshExchange) => void;
  readonly bug: (error: unknown) => void;
}

/** A connection that came by a listener, whatever it speaks. */
type Served = ServerConnection | ServerMux | Connection;

interface Open {
  readonly plan: ListenerPlan;
  /** Of a gateway's port. */
  readonly door: GatewayDoor | null;
  listener: Listener;
  /** Plaintext is refused. */
  strict: boolean;
}

/** What the connections of one way have in common. */
interface Codecs {
  readonly http1: ServerSettings;
  readonly http2: Http2ServerSettings;
}

/** How a connection came, and what it is told where its protocol has words for it. */
interface Entrance {
  readonly way: Way;
  readonly plan: ListenerPlan;
  readonly codecs: Codecs;
  readonly words: Words;
}

/** The listeners of one worker, and the connections that came by them. */
export class Listeners {
  readonly #options: ListenersOptions;
  readonly #open: Open[] = [];
  /** With the plan of the listener each came by. */
  readonly #connections = new Map<Served, ListenerPlan>();
  readonly #limit: ConnectionLimit;
  readonly #takings: Takings;
  #isDraining = false;

  constructor(options: ListenersOptions) {
    this.#options = options;
    this.#limit = { open: 0, max: options.plan.maxConnections };
    this.#takings = new Takings({
      ...options,
      flush: () => options.stage.flush(),
      helloTimeoutMs: HANDSHAKE_TIMEOUT_MS,
      forget: (connection) => this.#forget(connection),
    });
  }

  /** @throws {ListenFailed} */
  open(plans: readonly ListenerPlan[], strict: boolean): readonly Bound[] {
    return plans.map((plan) => {
      if (plan.datagrams) return this.#openDatagrams(plan);
      const door = plan.kind === "gateway" ? this.#gatewayDoor(plan) : null;
      const listener = this.#listen(plan, plan.port, strict, door);
      this.#open.push({ plan, door, listener, strict });
      return { name: plan.name, hostname: listener.hostname, port: listener.port };
    });
  }

  #openDatagrams(plan: ListenerPlan): Bound {
    const { mesh, recorder, bug } = this.#options;
    const way = datagramWayOf(plan);
    const datagrams = new Datagrams({ mesh, recorder, way, limit: this.#limit, bug });
    const { name, hostname } = plan;
    const listener = listenDatagrams({
      ...{ name, hostname, port: plan.port, bug, reusePort: this.#options.plan.shared },
      received: (bytes, port, address) => datagrams.received(bytes, port, address),
    });
    datagrams.attach(listener);
    const { port } = listener;
    this.#open.push({
      plan,
      door: null,
      strict: false,
      listener: { name, hostname, port, stop: () => datagrams.stop() },
    });
    return { name, hostname, port };
  }

  /** Stops accepting at these; what came by them goes on, and closes its connection behind it. */
  shut(plans: readonly ListenerPlan[]): void {
    for (const plan of plans) {
      const i = this.#open.findIndex((entry) => isSamePlace(entry.plan, plan));
      if (i < 0) continue;
      const [entry] = this.#open.splice(i, 1);
      entry!.listener.stop();
      this.#drain((_, of) => of === entry!.plan);
    }
  }

  #gatewayDoor(plan: Extract<ListenerPlan, { kind: "gateway" }>): GatewayDoor {
    const { snapshot, deadlines, stage, bug } = this.#options;
    const codecs = new WeakMap<Way, Codecs>();
    return new GatewayDoor({
      ...{ plan, snapshot, deadlines, bug, seed: this.#options.plan.seed, handshakeTimeoutMs: HANDSHAKE_TIMEOUT_MS },
      serve: (wire, facts, way) => {
        let settings = codecs.get(way);
        if (settings === undefined) {
          settings = this.#codecs(way, plan);
          codecs.set(way, settings);
        }
        return this.#accept(wire, facts, { way, plan, codecs: settings, words: NO_WORDS });
      },
      refused: (reason, remote) => this.#refused(plan, "gateway", reason, remote),
      flush: () => stage.flush(),
    });
  }

  #listen(plan: ListenerPlan, port: number, strict: boolean, door: GatewayDoor | null): Listener {
    const { trust, deadlines, stage, bug } = this.#options;
    const isMesh = plan.transport === "mesh";
    const isPlain = plan.transport === "plain" || plan.transport === "gateway";
    const direction = directionOf(plan);
    return listen({
      name: plan.name,
      direction,
      hostname: plan.hostname,
      port,
      // A listener whose mTLS mode changes is bound a second time before the first one stops.
      reusePort: this.#options.plan.shared || isMesh,
      transport: isPlain ? "plain" : isMesh && !strict ? "sniff" : "tls",
      tls: isPlain ? null : trust.server(isMesh),
      ...(plan.kind === "inbound" ? { speaksFirst: () => this.#takesBytes(plan.appPort) } : {}),
      limit: this.#limit,
      deadlines,
      flush: () => stage.flush(),
      handshakeTimeoutMs: HANDSHAKE_TIMEOUT_MS,
      accept: door === null ? this.#acceptor(plan) : (wire, facts) => door.accept(wire, facts),
      refused: (reason, remote) => this.#refused(plan, direction, reason, remote),
      bug,
    });
  }

  #takesBytes(appPort: number): boolean {
    return this.#options.snapshot().workload?.port(appPort)?.protocol === "tcp";
  }

  #acceptor(plan: ListenerPlan): (wire: Wire, facts: ConnectionFacts) => WireOwner {
    const way = wayOf(plan);
    const by = { way, plan, codecs: this.#codecs(way, plan), words: NO_WORDS };
    return (wire, facts) => this.#accept(wire, facts, by);
  }

  #codecs(way: Way, plan: ListenerPlan): Codecs {
    const http2 = this.#http2Settings(way, plan);
    return { http1: this.#settings(way, plan, http2), http2 };
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

  #settings(way: Way, plan: ListenerPlan, http2: Http2ServerSettings): ServerSettings {
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
      http2: (connection, bytes) => this.#switch(connection, bytes, plan, http2),
      onClose: (connection) => this.#forget(connection),
      onIdleClose: (_connection, reason) => metrics.idleClosed.with(way.direction, reason).add(),
    };
  }

  #accept(wire: Wire, facts: ConnectionFacts, { way, plan, codecs, words }: Entrance): WireOwner {
    const requests = (): WireOwner => {
      const connection = HTTP2_PROTOCOLS.has(facts.protocol)
        ? new ServerMux(wire, facts, codecs.http2)
        : new ServerConnection(wire, facts, codecs.http1);
      this.#add(connection, plan);
      return connection;
    };
    return this.#takings.serve({
      ...{ wire, facts, way, words, requests },
      add: (connection) => this.#add(connection, plan),
      refused: (reason) => this.#refused(plan, facts.direction, reason, facts.remoteHost),
    });
  }

  #add(connection: Served, plan: ListenerPlan): void {
    const { connections, connectionsOpen } = this.#options.metrics;
    const { direction } = connection.connection;
    this.#connections.set(connection, plan);
    connections.with(direction).add();
    connectionsOpen.with(direction).add(1);
  }

  /**
   * Serves what is inside of a CONNECT. Always false: there is no exchange any more.
   *
   * @throws {MethodRefused}
   */
  tunnel(exchange: MeshExchange, inside: Way): false {
    const { downstream } = exchange;
    const plan = downstream instanceof ServerConnection ? this.#connections.get(downstream) : undefined;
    if (!(downstream instanceof ServerConnection) || plan === undefined)
      throw new MethodRefused("Cannot take CONNECT: a Service of the mesh is reached by it over HTTP/1.1 only");
    const { wire, connection } = downstream;
    this.#options.leave(exchange);
    this.#forget(downstream);
    const by = { way: inside, plan, codecs: this.#codecs(inside, plan), words: CONNECT_WORDS };
    downstream.handOver(this.#accept(wire, connection, by));
    return false;
  }

  /** The client has begun with the preface of HTTP/2. */
  #switch(connection: ServerConnection, bytes: Buffer, plan: ListenerPlan, http2: Http2ServerSettings): void {
    const mux = new ServerMux(connection.wire, connection.connection, http2);
    this.#connections.delete(connection);
    this.#connections.set(mux, plan);
    handOver(connection.wire, mux);
    mux.received(bytes);
  }

  #forget(connection: Served): void {
    this.#connections.delete(connection);
    this.#options.metrics.connectionsOpen.with(connection.connection.direction).add(-1);
  }

  #refused(plan: ListenerPlan, direction: Direction, reason: string, remote: string): void {
    this.#options.metrics.handshakesFailed.with(direction, reason).add();
    // At the edge of a mesh anybody knocks, at any hour: the metric tells how often.
    const level = direction === "gateway" ? "debug" : "warn";
    this.#options.log[level]("connection refused", { listener: plan.name, reason, remote });
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
      entry.listener = this.#listen(entry.plan, before.port, strict, null);
      entry.strict = strict;
      before.stop();
      if (strict) this.#endPlaintext(entry.plan.name);
    }
  }

  /** Bytes have no place where one request is over and the next has not begun: their connections end at once. */
  #endPlaintext(listener: string): void {
    for (const [one, { name }] of [...this.#connections]) {
      if (name !== listener || one.connection.secure) continue;
      if (one instanceof Connection) one.destroy();
      else one.drain();
    }
  }

  /** A newer snapshot serves: connections to listeners of gateways that it does not have end behind what is under way. */
  review(): void {
    for (const { plan, door } of this.#open) {
      door?.review();
      if (door !== null) this.#drain((one, of) => of === plan && !door.stillServes(one.connection));
    }
  }

  #drain(isMeant: (connection: Served, plan: ListenerPlan) => boolean): void {
    for (const [connection, plan] of [...this.#connections]) if (isMeant(connection, plan)) connection.drain();
  }

  /** Whether a connection to this address would come back to one of ours. */
  isOurs(address: string, port: number): boolean {
    return this.#open.some(
      ({ listener, plan }) => !plan.datagrams && listener.port === port && leadsTo(listener.hostname, address),
    );
  }

  /** Stops accepting, ends idle connections; what is under way goes on and closes its connection behind it. */
  drain(): void {
    this.#isDraining = true;
    for (const { listener } of this.#open) listener.stop();
    this.#drain(() => true);
  }

  /** Ends every connection now. */
  destroy(): void {
    for (const connection of this.#connections.keys()) connection.destroy();
  }
}

function datagramWayOf(plan: ListenerPlan): DatagramWay {
  return plan.kind === "gateway"
    ? gatewayDatagrams(plan.gateway, plan.gatewayPort)
    : serviceDatagrams(plan.kind === "service" ? plan.host : plan.name, plan.kind === "service" ? plan.servicePort : 0);
}

function directionOf({ kind }: ListenerPlan): Direction {
  return kind === "gateway" || kind === "inbound" ? kind : "outbound";
}

function wayOf(plan: ListenerPlan): Way {
  switch (plan.kind) {
    case "gateway":
      return gatewayWay(plan.gateway, plan.gatewayPort, null);
    case "service":
      return serviceWay(plan.host, plan.servicePort);
    case "forward":
      return forwardWay();
    case "inbound":
      return inboundWay(plan.appPort);
  }
}
