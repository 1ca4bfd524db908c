import type { Deadlines, Log } from "../base/mod.ts";
import {
  DEFAULT_HEAD_LIMITS,
  type RequestHandler,
  ServerConnection,
  type ServerSettings,
  type Stage,
} from "../http/mod.ts";
import { type ConnectionLimit, type Listener, listen } from "../listener/mod.ts";
import { forwardWay, inboundWay, serviceWay, type Way } from "../proxy/mod.ts";
import type { MeshMetrics } from "../telemetry/mod.ts";
import { leadsTo } from "./own-address.ts";
import type { Bound, ListenerPlan, PlanePlan } from "./plan.ts";
import type { Trust } from "./trust.ts";

const HEAD_TIMEOUT_MS = 10_000;
const IDLE_TIMEOUT_MS = 300_000;
const LINGER_MS = 2_000;
const HANDSHAKE_TIMEOUT_MS = 10_000;

export interface ListenersOptions {
  readonly plan: PlanePlan;
  readonly trust: Trust;
  readonly deadlines: Deadlines;
  readonly stage: Stage;
  readonly metrics: MeshMetrics;
  readonly log: Log;
  readonly handler: (way: Way) => RequestHandler;
  readonly bug: (error: unknown) => void;
}

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
  readonly #connections = new Set<ServerConnection>();
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
    const settings = this.#settings(way);
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
      accept: (wire, facts) => this.#keep(new ServerConnection(wire, facts, settings)),
      refused: (reason, remote) => this.#refused(plan, way, reason, remote),
      bug,
    });
  }

  #settings(way: Way): ServerSettings {
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
      onClose: (connection) => {
        this.#connections.delete(connection);
        metrics.connectionsOpen.with(way.direction).add(-1);
      },
      onIdleClose: (_connection, reason) => metrics.idleClosed.with(way.direction, reason).add(),
    };
  }

  #keep(connection: ServerConnection): ServerConnection {
    const { connections, connectionsOpen } = this.#options.metrics;
    const { direction } = connection.connection;
    this.#connections.add(connection);
    connections.with(direction).add();
    connectionsOpen.with(direction).add(1);
    return connection;
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
