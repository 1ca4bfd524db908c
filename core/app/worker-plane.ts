import { atRoundEnd, type Clock, Deadlines, type Log, messageOf, systemRandom } from "../base/mod.ts";
import type { ClusterEvents, Endpoint } from "../cluster/mod.ts";
import { DEFAULT_HEAD_LIMITS, Http2Kit, Stage } from "../http/mod.ts";
import {
  AddedLines,
  ConnectionRecorder,
  Connections,
  DEFAULT_WAITS,
  Egress,
  type Mesh,
  Recorder,
  RequestIds,
  Serving,
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
import { type CheckEvents, HealthChecker, Upstream } from "../upstream/mod.ts";
import { type ClusterReport, reportOf } from "./cluster-report.ts";
import { Listeners } from "./listeners.ts";
import { Tallies } from "./measured.ts";
import { Parked } from "./parked.ts";
import type { Bound, Credentials, ListenerPlan, PlanePlan } from "./plan.ts";
import { Policies } from "./policies.ts";
import { hostResolver } from "./resolver.ts";
import { Trust } from "./trust.ts";

/** What a worker asks of the main thread. */
export interface PlaneHost {
  want(host: string): Promise<void>;
  blob(sha256: string): Promise<Uint8Array>;
  telemetry(message: RegionMessage): void;
  readonly log: Log;
}

const CONNECT_TIMEOUT_MS = 5_000;
const UPSTREAM_IDLE_MS = 60_000;
const MAX_CONNECTIONS_PER_ENDPOINT = 1_024;
const MAX_WAITING_PER_ENDPOINT = 1_024;

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
  readonly #checker: HealthChecker;
  readonly #egress: Egress;
  readonly #serving: Serving;
  readonly #connectionRecorder: ConnectionRecorder;
  readonly #connections: Connections;
  readonly #logWriter: LogWriter | null;
  readonly #http2: Http2Kit;
  readonly #listeners: Listeners;
  readonly #parked: Parked;
  readonly #policies: Policies;
  readonly #tallies: Tallies;
  readonly #mesh: { -readonly [K in keyof Mesh]: Mesh[K] };
  /** Models are applied one after the other: loading a plugin may take longer than what comes behind it. */
  #applying: Promise<void> = Promise.resolve();
  #bugs = 0;

  constructor(plan: PlanePlan, host: PlaneHost, clock: Clock) {
    this.#plan = plan;
    this.#host = host;
    this.#clock = clock;
    this.#deadlines = new Deadlines(clock);
    this.#scan = new PathScan(plan.seed);
    const region = new Region((message) => host.telemetry(message));
    this.#metrics = meshMetrics(region);
    this.#tallies = new Tallies(this.#metrics);
    this.#logWriter =
      plan.accessLog === null ? null : new LogWriter(openLogSink(plan.accessLog.target), clock, plan.accessLog.format);
    this.#http2 = new Http2Kit({
      deadlines: this.#deadlines,
      schedule: atRoundEnd,
      abused: (abuse) => this.#metrics.http2Abuse.with(abuse).add(),
    });
    this.#trust = new Trust(() => this.#mesh.snapshot.mesh);
    const self = { workload: plan.self, principal: null as string | null };
    const isOurs = (address: string, port: number): boolean => this.#listeners.isOurs(address, port);
    this.#egress = new Egress(clock, hostResolver(plan.dns), this.#clusterEvents(), isOurs);
    const istio = new IstioMetrics(region);
    this.#mesh = {
      snapshot: emptySnapshot(),
      upstream: null as unknown as Upstream,
      recorder: new Recorder(clock, istio, this.#metrics, this.#logWriter, self),
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
      isKnownAbsent: (name) => this.#parked.isKnownAbsent(name),
      want: (exchange, name) => this.#parked.want(exchange, name),
      leave: (exchange, name, port, like) => this.#parked.leave(exchange, name, port, like),
      ask: (name) => this.#parked.ask(name),
      tunnel: (exchange, inside) => this.#listeners.tunnel(exchange, inside),
    };
    this.#serving = new Serving(this.#mesh);
    const parts = { clock, deadlines: this.#deadlines, istio, metrics: this.#metrics, log: this.#logWriter, self };
    this.#connectionRecorder = new ConnectionRecorder(parts);
    this.#connections = new Connections(this.#mesh, this.#connectionRecorder);
    const dialing = {
      http2: this.#http2,
      client: { handler: this.#serving, stage: this.#stage, headLimits: DEFAULT_HEAD_LIMITS },
      deadlines: this.#deadlines,
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
      idleTimeoutMs: UPSTREAM_IDLE_MS,
      maxConnections: MAX_CONNECTIONS_PER_ENDPOINT,
      maxWaiting: MAX_WAITING_PER_ENDPOINT,
      tls: (endpoint: Endpoint) => (this.#isSecure(endpoint) ? this.#trust.client() : null),
      bug: (error: unknown) => this.#bug(error),
    };
    this.#upstream = new Upstream(dialing);
    this.#checker = new HealthChecker({ ...dialing, random: systemRandom, events: this.#checkEvents() });
    this.#mesh.upstream = this.#upstream;
    this.#parked = this.#makeParked();
    this.#policies = this.#makePolicies();
    this.#listeners = this.#makeListeners();
  }

  #makeParked(): Parked {
    return new Parked({
      clock: this.#clock,
      egress: this.#egress,
      snapshot: () => this.#mesh.snapshot,
      want: (host) => this.#host.want(host),
      resume: (exchange, generation) => this.#serving.resume(exchange, generation),
      giveUp: (exchange, generation, failure) => this.#serving.giveUp(exchange, generation, failure),
      flush: () => this.#stage.flush(),
    });
  }

  #makePolicies(): Policies {
    return new Policies({
      clock: this.#clock,
      log: this.#host.log,
      counters: this.#plan.counters,
      metrics: this.#metrics,
      blob: (sha256) => this.#host.blob(sha256),
    });
  }

  #makeListeners(): Listeners {
    return new Listeners({
      plan: this.#plan,
      trust: this.#trust,
      deadlines: this.#deadlines,
      stage: this.#stage,
      http2: this.#http2,
      metrics: this.#metrics,
      log: this.#host.log,
      snapshot: () => this.#mesh.snapshot,
      handler: (way) => this.#serving.handler(way),
      mesh: this.#mesh,
      connections: this.#connections,
      recorder: this.#connectionRecorder,
      leave: (exchange) => this.#serving.leave(exchange),
      bug: (error) => this.#bug(error),
    });
  }

  get snapshot(): Snapshot {
    return this.#mesh.snapshot;
  }

  /** Exchanges under way, and connections whose content is not read. */
  get active(): number {
    return this.#serving.active + this.#connections.active;
  }

  // ---- what the main thread tells ----

  /** @throws {ListenFailed} */
  open(plans: readonly ListenerPlan[]): readonly Bound[] {
    return this.#listeners.open(plans, isStrict(this.#mesh.snapshot));
  }

  /** Stops accepting at listeners that were opened; what came by them goes on. */
  shut(plans: readonly ListenerPlan[]): void {
    this.#listeners.shut(plans);
    this.#stage.flush();
  }

  /**
   * Makes a model the snapshot that requests read from now on.
   *
   * @throws {SnapshotRejected} and {PluginRejected}; the one before goes on serving.
   */
  apply(model: SnapshotModel): Promise<void> {
    const applied = this.#applying.then(() => this.#apply(model));
    this.#applying = applied.catch(() => {});
    return applied;
  }

  async #apply(model: SnapshotModel): Promise<void> {
    const plugins = await this.#policies.prepare(model);
    const snapshot = buildSnapshot(model, this.#mesh.snapshot, {
      plugins,
      scan: this.#scan,
      events: this.#clusterEvents(),
      locality: this.#plan.locality ?? null,
    });
    // In front of the swap: where plaintext cannot be refused, nothing is as the model says.
    this.#listeners.rebind(isStrict(snapshot));
    this.#mesh.snapshot = snapshot;
    this.#listeners.review();
    this.#parked.review();
    this.#tallies.review(snapshot);
    this.#checker.review(snapshot.clusters.values());
    this.#upstream.retain(new Set<Endpoint>([...snapshot.endpoints(), ...this.#egress.endpoints()]));
    this.#stage.flush();
  }

  identify(credentials: Credentials): void {
    this.#trust.identify(credentials);
    this.#mesh.self.principal = credentials.spiffeId;
    this.#upstream.renew();
  }

  /** Counts the requests to these clusters from now on, and no others. */
  measure(clusters: readonly string[]): void {
    this.#tallies.measure(clusters, this.#mesh.snapshot);
  }

  /** Stops accepting, ends idle connections; what is under way goes on and closes its connection behind it. */
  drain(): void {
    this.#listeners.drain();
    this.#stage.flush();
  }

  /** Ends everything now. */
  close(): void {
    this.drain();
    this.#listeners.destroy();
    this.#upstream.close();
    this.#checker.close();
    this.#policies.close();
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
    const [now, wall] = [this.#deadlines.now, this.#clock.now()];
    return Array.from(this.#mesh.snapshot.clusters.values(), (cluster) => reportOf(cluster, now, wall));
  }

  /** New access log files after a rotation. */
  reopenLog(): void {
    this.#logWriter?.reopen();
  }

  #isSecure(endpoint: Endpoint): boolean {
    if (endpoint.identity !== null || endpoint.tls !== null) return true;
    return this.#plan.upstreamTls && !/^(inbound:|outside\/)/.test(endpoint.home.name);
  }

  #checkEvents(): CheckEvents {
    const { healthChecks } = this.#metrics;
    const { log } = this.#host;
    const about = ({ home, authority }: Endpoint) => ({ cluster: home.name, endpoint: authority });
    return {
      checked: ({ home }, isFine) => healthChecks.with(home.name, isFine ? "passed" : "failed").add(),
      down: (endpoint, problem) => log.warn("endpoint fails its checks", { ...about(endpoint), problem }),
      up: (endpoint) => log.info("endpoint passes its checks again", about(endpoint)),
    };
  }

  #clusterEvents(): ClusterEvents {
    const { ejections } = this.#metrics;
    const { log } = this.#host;
    return {
      ejected: (endpoint: Endpoint, reason: string, forMs: number) => {
        ejections.with(endpoint.home.name, reason).add();
        const { home, authority, ejectDetail: detail } = endpoint;
        log.warn("endpoint ejected", { cluster: home.name, endpoint: authority, reason, detail, forMs });
      },
      returned: (endpoint: Endpoint) =>
        log.info("endpoint returned", { cluster: endpoint.home.name, endpoint: endpoint.authority }),
    };
  }

  #bug(error: unknown): void {
    this.#host.log.error("bug", { stack: error instanceof Error ? (error.stack ?? error.message) : messageOf(error) });
  }
}

function isStrict(snapshot: Snapshot): boolean {
  return snapshot.mesh.mtls !== "PERMISSIVE";
}
