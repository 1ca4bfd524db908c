import { type Clock, Deadlines, type Log, messageOf, systemRandom } from "../base/mod.ts";
import { type Cluster, type Endpoint, latencyAt } from "../cluster/mod.ts";
import { DEFAULT_HEAD_LIMITS, ServerConnection, type ServerSettings, Stage } from "../http/mod.ts";
import { type ConnectionLimit, type Listener, listen } from "../listener/mod.ts";
import type { PluginEngine } from "../plugin/engine/mod.ts";
import { type Plugin, type PluginObserver, SharedCounters } from "../plugin/mod.ts";
import {
  AddedLines,
  DEFAULT_WAITS,
  DiscoveryUnavailable,
  Egress,
  forwardWay,
  inboundWay,
  type Mesh,
  type MeshExchange,
  Recorder,
  RequestIds,
  Serving,
  serviceWay,
  type Way,
} from "../proxy/mod.ts";
import { PathScan } from "../route/mod.ts";
import { buildSnapshot, emptySnapshot, type Snapshot, type SnapshotModel } from "../snapshot/mod.ts";
import {
  IstioMetrics,
  LogWriter,
  type MeshMetrics,
  meshMetrics,
  openLogSink,
  Region,
  type RegionMessage,
} from "../telemetry/mod.ts";
import { Upstream } from "../upstream/mod.ts";
import { leadsTo } from "./own-address.ts";
import type { Bound, Credentials, ListenerPlan, PlanePlan } from "./plan.ts";
import type { ClusterReport } from "./planes.ts";
import { Trust } from "./trust.ts";

/** What a worker asks of the main thread. */
export interface PlaneHost {
  want(host: string): Promise<void>;
  blob(sha256: string): Promise<Uint8Array>;
  telemetry(message: RegionMessage): void;
  readonly log: Log;
}

const HEAD_TIMEOUT_MS = 10_000;
const IDLE_TIMEOUT_MS = 300_000;
const LINGER_MS = 2_000;
const HANDSHAKE_TIMEOUT_MS = 10_000;
const CONNECT_TIMEOUT_MS = 5_000;
const UPSTREAM_IDLE_MS = 60_000;
const MAX_CONNECTIONS_PER_ENDPOINT = 1_024;
const MAX_WAITING_PER_ENDPOINT = 1_024;
/** Hosts remembered as outside the mesh. */
const MAX_ABSENT = 10_000;

/** The data plane of one worker: everything that serves, built once, in order. */
export class WorkerPlane {
  readonly #plan: PlanePlan;
  readonly #host: PlaneHost;
  readonly #clock: Clock;
  readonly #deadlines: Deadlines;
  readonly #stage = new Stage();
  readonly #scan: PathScan;
  readonly #metrics: MeshMetrics;
  readonly #trust: Trust;
  readonly #upstream: Upstream;
  readonly #egress: Egress;
  readonly #serving: Serving;
  readonly #logWriter: LogWriter | null;
  readonly #connections = new Set<ServerConnection>();
  readonly #limit: ConnectionLimit;
  readonly #listeners: { plan: ListenerPlan; listener: Listener; strict: boolean }[] = [];
  readonly #absent = new Set<string>();
  readonly #mesh: { -readonly [K in keyof Mesh]: Mesh[K] };
  #engine: PluginEngine | null = null;
  #draining = false;
  #bugs = 0;

  constructor(plan: PlanePlan, host: PlaneHost, clock: Clock) {
    this.#plan = plan;
    this.#host = host;
    this.#clock = clock;
    this.#deadlines = new Deadlines(clock);
    this.#scan = new PathScan(plan.seed);
    this.#limit = { open: 0, max: plan.maxConnections };
    const region = new Region((message) => host.telemetry(message));
    this.#metrics = meshMetrics(region);
    this.#logWriter =
      plan.accessLog === null ? null : new LogWriter(openLogSink(plan.accessLog.target), clock, plan.accessLog.format);
    this.#trust = new Trust(() => this.#mesh.snapshot.mesh);
    const self = { workload: plan.self, principal: null as string | null };
    this.#egress = new Egress(clock, resolveHost, this.#clusterEvents(), (address, port) =>
      this.#isOurs(address, port),
    );
    this.#mesh = {
      snapshot: emptySnapshot(),
      upstream: null as unknown as Upstream,
      egress: this.#egress,
      recorder: new Recorder(clock, new IstioMetrics(region), this.#metrics, this.#logWriter, self),
      added: new AddedLines(new RequestIds((bytes) => crypto.getRandomValues(bytes as Uint8Array<ArrayBuffer>))),
      self,
      metrics: this.#metrics,
      used: new Set(),
      deadlines: this.#deadlines,
      stage: this.#stage,
      clock,
      log: host.log,
      waits: DEFAULT_WAITS,
      random: systemRandom,
      bugId: () => `${(plan.seed >>> 0).toString(16)}-${++this.#bugs}`,
      isKnownAbsent: (name) => this.#absent.has(name),
      want: (exchange, name) => this.#want(exchange, name),
      leave: (exchange, name, port) => this.#leave(exchange, name, port),
    };
    this.#serving = new Serving(this.#mesh);
    this.#upstream = new Upstream({
      client: { handler: this.#serving, stage: this.#stage, headLimits: DEFAULT_HEAD_LIMITS },
      deadlines: this.#deadlines,
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
      idleTimeoutMs: UPSTREAM_IDLE_MS,
      maxConnections: MAX_CONNECTIONS_PER_ENDPOINT,
      maxWaiting: MAX_WAITING_PER_ENDPOINT,
      tls: (endpoint) => (this.#isSecure(endpoint) ? this.#trust.client() : null),
      bug: (error) => this.#bug(error),
    });
    this.#mesh.upstream = this.#upstream;
  }

  get snapshot(): Snapshot {
    return this.#mesh.snapshot;
  }

  /** Exchanges under way. */
  get active(): number {
    return this.#serving.active;
  }

  // ---- listeners ----

  /** @throws {ListenFailed} */
  open(plans: readonly ListenerPlan[]): readonly Bound[] {
    return plans.map((plan) => {
      const strict = this.#mesh.snapshot.mesh.mtls !== "PERMISSIVE";
      const listener = this.#listen(plan, plan.port, strict);
      this.#listeners.push({ plan, listener, strict });
      return { name: plan.name, hostname: listener.hostname, port: listener.port };
    });
  }

  #listen(plan: ListenerPlan, port: number, strict: boolean): Listener {
    const settings = this.#settings(wayOf(plan));
    const mesh = plan.transport === "mesh";
    return listen({
      name: plan.name,
      direction: plan.kind === "inbound" ? "inbound" : "outbound",
      hostname: plan.hostname,
      port,
      // A listener whose mTLS mode changes is bound a second time before the first one stops.
      reusePort: this.#plan.shared || mesh,
      transport: plan.transport === "plain" ? "plain" : mesh && !strict ? "sniff" : "tls",
      tls: plan.transport === "plain" ? null : this.#trust.server(mesh),
      limit: this.#limit,
      deadlines: this.#deadlines,
      flush: () => this.#stage.flush(),
      handshakeTimeoutMs: HANDSHAKE_TIMEOUT_MS,
      accept: (wire, facts) => {
        const connection = new ServerConnection(wire, facts, settings);
        this.#connections.add(connection);
        this.#metrics.connections.with(facts.direction).add();
        this.#metrics.connectionsOpen.with(facts.direction).add(1);
        return connection;
      },
      refused: (reason, remote) => this.#refusedConnection(plan, reason, remote),
      bug: (error) => this.#bug(error),
    });
  }

  #settings(way: Way): ServerSettings {
    return {
      handler: this.#serving.handler(way),
      stage: this.#stage,
      deadlines: this.#deadlines,
      headLimits: DEFAULT_HEAD_LIMITS,
      headTimeoutMs: HEAD_TIMEOUT_MS,
      idleTimeoutMs: IDLE_TIMEOUT_MS,
      lingerMs: LINGER_MS,
      draining: () => this.#draining,
      onClose: (connection) => {
        this.#connections.delete(connection);
        this.#metrics.connectionsOpen.with(way.direction).add(-1);
      },
      onIdleClose: (_connection, reason) => this.#metrics.idleClosed.with(way.direction, reason).add(),
    };
  }

  #refusedConnection(plan: ListenerPlan, reason: string, remote: string): void {
    const direction = plan.kind === "inbound" ? "inbound" : "outbound";
    this.#metrics.handshakesFailed.with(direction, reason).add();
    this.#host.log.warn("connection refused", { listener: plan.name, reason, remote });
  }

  // ---- what the main thread tells ----

  /**
   * Makes a model the snapshot that requests read from now on.
   *
   * @throws {SnapshotRejected} and {PluginRejected}; the one before goes on serving.
   */
  async apply(model: SnapshotModel): Promise<void> {
    const plugins = await this.#plugins(model);
    const snapshot = buildSnapshot(model, this.#mesh.snapshot, {
      plugins,
      scan: this.#scan,
      events: this.#clusterEvents(),
    });
    this.#mesh.snapshot = snapshot;
    this.#upstream.retain(new Set<Endpoint>([...snapshot.endpoints(), ...this.#egress.endpoints()]));
    this.#rebind(snapshot.mesh.mtls !== "PERMISSIVE");
  }

  /** The engine is loaded with the first plugin. */
  async #plugins(model: SnapshotModel): Promise<ReadonlyMap<string, Plugin>> {
    const models = model.resources.filter((resource) => resource.kind === "plugin").map((resource) => resource.model);
    if (models.length === 0 && this.#engine === null) return new Map();
    if (this.#engine === null) {
      const { PluginEngine } = await import("../plugin/engine/mod.ts");
      this.#engine = new PluginEngine({
        clock: this.#clock,
        log: this.#host.log,
        counters: new SharedCounters(this.#plan.counters),
        observe: (id) => this.#pluginObserver(id),
      });
    }
    return this.#engine.prepare(models, (sha256) => this.#host.blob(sha256));
  }

  #pluginObserver(id: string): PluginObserver {
    const { policyCalls, policySeconds } = this.#metrics;
    const called = policyCalls.with(id, "called");
    const seconds = policySeconds.with(id);
    return {
      called: (_fuel, ms) => {
        called.add();
        seconds.observe(ms / 1000);
      },
      responded: (status) => policyCalls.with(id, `responded_${status}`).add(),
      faulted: (reason) => policyCalls.with(id, `fault_${reason}`).add(),
    };
  }

  /** Another mTLS mode takes another kind of listener; the port stays. */
  #rebind(strict: boolean): void {
    for (const entry of this.#listeners) {
      if (entry.plan.transport !== "mesh" || entry.strict === strict) continue;
      const before = entry.listener;
      entry.listener = this.#listen(entry.plan, before.port, strict);
      entry.strict = strict;
      before.stop();
    }
  }

  identify(credentials: Credentials): void {
    this.#trust.identify(credentials);
    this.#mesh.self.principal = credentials.spiffeId;
  }

  /** Stops accepting, ends idle connections; what is under way goes on and closes its connection behind it. */
  drain(): void {
    this.#draining = true;
    for (const { listener } of this.#listeners) listener.stop();
    for (const connection of this.#connections) connection.drain();
    this.#stage.flush();
  }

  /** Ends everything now. */
  close(): void {
    this.drain();
    for (const connection of this.#connections) connection.destroy();
    this.#upstream.close();
    this.#engine?.close();
    this.#logWriter?.close();
  }

  /** Names of the services that were called since the last time. */
  takeUsed(): readonly string[] {
    const names = [...this.#mesh.used];
    this.#mesh.used.clear();
    return names;
  }

  /** Endpoints with their health, as this worker sees them. */
  clusters(): readonly ClusterReport[] {
    const { now } = this.#deadlines;
    return Array.from(this.#mesh.snapshot.clusters.values(), (cluster) => ({
      name: cluster.name,
      balancer: cluster.balancer,
      endpoints: cluster.endpoints.map((endpoint) => this.#report(cluster, endpoint, now)),
    }));
  }

  #report(cluster: Cluster, endpoint: Endpoint, now: number): ClusterReport["endpoints"][number] {
    const { ejectedUntil, ejectReason } = endpoint;
    const latency = latencyAt(endpoint, now);
    return {
      address: endpoint.authority,
      weight: cluster.weights[cluster.targets.indexOf(endpoint)] ?? 0,
      identity: endpoint.identity,
      isHealthy: ejectedUntil === 0,
      ejection:
        ejectedUntil === 0
          ? null
          : { reason: ejectReason ?? "unknown", untilMs: this.#clock.now() + ejectedUntil - now },
      inFlight: endpoint.inflight,
      ewmaMs: latency < 0 ? null : latency,
    };
  }

  /** New access log files after a rotation. */
  reopenLog(): void {
    this.#logWriter?.reopen();
  }

  // ---- what an exchange asks ----

  #want(exchange: MeshExchange, host: string): boolean {
    const { generation } = exchange;
    this.#host.want(host).then(
      () => {
        this.#learn(host);
        this.#serving.resume(exchange, generation);
        this.#stage.flush();
      },
      (cause) => {
        const failure = new DiscoveryUnavailable(`Cannot find out about "${host}": ${messageOf(cause)}`, { cause });
        this.#serving.giveUp(exchange, generation, failure);
        this.#stage.flush();
      },
    );
    return false;
  }

  /** Discovery has answered: what the snapshot does not hold now is not in the mesh. */
  #learn(host: string): void {
    const name = Buffer.from(host, "latin1");
    if (this.#mesh.snapshot.lookupHost(name, 0, name.length) !== null) return;
    if (this.#absent.size >= MAX_ABSENT) this.#absent.delete(this.#absent.values().next().value!);
    this.#absent.add(host);
  }

  #leave(exchange: MeshExchange, host: string, port: number): boolean {
    const known = this.#egress.find(host, port);
    if (known !== null) {
      exchange.cluster = known;
      return true;
    }
    const { generation } = exchange;
    this.#egress.lookup(host, port).then(
      () => {
        this.#serving.resume(exchange, generation);
        this.#stage.flush();
      },
      (error) => {
        this.#serving.giveUp(exchange, generation, error);
        this.#stage.flush();
      },
    );
    return false;
  }

  /** A destination outside of the mesh that is this very proxy: each request would make the next. */
  #isOurs(address: string, port: number): boolean {
    return this.#listeners.some(({ listener }) => listener.port === port && leadsTo(listener.hostname, address));
  }

  #isSecure(endpoint: Endpoint): boolean {
    return endpoint.identity !== null || (this.#plan.upstreamTls && !/^(inbound:|outside\/)/.test(endpoint.home.name));
  }

  #clusterEvents() {
    const { ejections } = this.#metrics;
    const { log } = this.#host;
    return {
      ejected: (endpoint: Endpoint, reason: string, forMs: number) => {
        ejections.with(endpoint.home.name, reason).add();
        log.warn("endpoint ejected", { cluster: endpoint.home.name, endpoint: endpoint.authority, reason, forMs });
      },
      returned: (endpoint: Endpoint) =>
        log.info("endpoint returned", { cluster: endpoint.home.name, endpoint: endpoint.authority }),
    };
  }

  #bug(error: unknown): void {
    this.#host.log.error("bug", { stack: error instanceof Error ? (error.stack ?? error.message) : messageOf(error) });
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

async function resolveHost(host: string): Promise<readonly string[]> {
  const found = await Bun.dns.lookup(host, {});
  return [...new Set(found.map(({ address }) => address))];
}
