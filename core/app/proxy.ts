import type { AdminSources, CertificateFacts } from "../admin/mod.ts";
import { type Clock, type Log, MeshError, messageOf } from "../base/mod.ts";
import type { Locality } from "../cluster/mod.ts";
import type { Address } from "../config/mod.ts";
import type { DataPlane, Discovery, DiscoveryOptions, Measured } from "../discovery/mod.ts";
import { SharedCounters } from "../plugin/mod.ts";
import type { SnapshotModel } from "../snapshot/mod.ts";
import { Aggregate, type EdgePeer, exposition, Region } from "../telemetry/mod.ts";
import type { DirectoryCompiler } from "./compiler/model.ts";
import { openDoors } from "./doors.ts";
import { type FileSource, fileSource } from "./files.ts";
import {
  chosenGateways,
  type GatewayChoice,
  GatewayPorts,
  type GatewayProblem,
  type GatewayState,
} from "./gateways.ts";
import { measuredOf } from "./measured.ts";
import { Names } from "./names.ts";
import type { Bound, Credentials, ListenerPlan, PlanePlan } from "./plan.ts";
import { localPlanes, type Planes } from "./planes.ts";
import { nameResolver } from "./resolver.ts";
import { Threads } from "./threads.ts";
import { ownMemory, startTrim, type Trim } from "./trim.ts";

/** Where a proxy's configuration comes from. */
export type ProxySource =
  | { readonly kind: "files"; readonly directory: string; readonly compile: DirectoryCompiler }
  | {
      readonly kind: "control";
      /** Everything discovery needs but what this room gives it. */
      readonly discovery: Omit<DiscoveryOptions, "dataPlane" | "clock" | "log" | "random" | "workload">;
      /** Made when the inbound ports are bound: by app port, the port that was bound for it. */
      readonly workload: (inbound: ReadonlyMap<number, number>) => DiscoveryOptions["workload"];
    };

export interface ProxyOptions {
  readonly source: ProxySource;
  readonly listeners: readonly ListenerPlan[];
  /** Null for a proxy that is no gateway. @default null */
  readonly gateways?: GatewayChoice | null;
  /** The workload is registered by `announce()` only, once the app is up. */
  readonly heldBack?: boolean;
  /** Names of listeners that take another port where theirs is taken. */
  readonly mayMove?: readonly string[];
  /** Threads that serve. 1: the main thread does. */
  readonly concurrency: number;
  readonly self: EdgePeer | null;
  readonly accessLog: PlanePlan["accessLog"];
  /** Certificate and key from files; null where discovery gets one, or none is needed. */
  readonly credentials: Credentials | null;
  readonly upstreamTls: boolean;
  /** Where the proxy is. @default null: where its workload says */
  readonly locality?: Locality | null;
  readonly maxConnections: number;
  /** Servers that are asked for names outside the mesh; empty: the system's. */
  readonly dns: readonly Address[];
  /** Gives pages of the executable back that are not in use. */
  readonly trim: boolean;
  /** Side doors: null leaves one shut. `free`: another port is taken where this one is. */
  readonly doors: { readonly admin: Door | null; readonly health: Door | null; readonly metrics: Door | null };
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
}

export interface Door {
  readonly address: Address;
  readonly free: boolean;
}

export interface RunningProxy {
  /** Everything that is bound now; the ports of gateways come and go. */
  readonly bound: readonly Bound[];
  /** Ports of gateways that could not be bound, and why. */
  readonly gatewayProblems: readonly GatewayProblem[];
  readonly doors: { readonly admin: Address | null; readonly health: Address | null; readonly metrics: Address | null };
  /** Resolves when it serves with a configuration and, beside a control plane, an identity. */
  readonly ready: Promise<void>;
  readonly revision: string;
  readonly identity: string | null;
  /** Registers the workload: peers may call it from now on. A proxy that was told not to wait has done so. */
  announce(): void;
  /** Withdraws the workload, stops accepting and finishes what is under way within the deadline. Resolves with the exchanges left. */
  drain(deadlineMs: number): Promise<number>;
  /** Drains and ends. */
  stop(deadlineMs: number): Promise<number>;
  /** Ends now. */
  close(): Promise<void>;
  reopenLogs(): void;
  /** Someone asked for the drain by the admin port. */
  onDrainAsked: (() => void) | null;
}

/** An explicit listener names a service that the manifests do not have. */
export class NoSuchService extends MeshError {
  override readonly name = "NoSuchService";
  readonly code = "MESH_NO_SUCH_SERVICE";
  readonly source = "mesh";

  constructor(service: string, directory: string, known: readonly string[]) {
    super(`Cannot serve "${service}": "${directory}" has no such Service; it has ${known.join(", ") || "none"}`);
  }
}

/** No manifest has the Gateway that is to be run. */
export class NoSuchGateway extends MeshError {
  override readonly name = "NoSuchGateway";
  readonly code = "MESH_NO_SUCH_GATEWAY";
  readonly source = "mesh";

  constructor(gateway: string, directory: string, known: readonly string[]) {
    super(`Cannot run "${gateway}": "${directory}" has no such Gateway; it has ${known.join(", ") || "none"}`);
  }
}

/** Builds a proxy, in order: data plane, listeners, side doors, configuration. */
export async function startProxy(options: ProxyOptions): Promise<RunningProxy> {
  const proxy = new MeshProxy(options);
  try {
    await proxy.start();
  } catch (error) {
    await proxy.close();
    throw error;
  }
  return proxy;
}

/** Token buckets that all plugins of a proxy share. */
const COUNTER_KEYS = 16_384;

class MeshProxy implements RunningProxy, DataPlane {
  onDrainAsked: (() => void) | null = null;
  readonly #options: ProxyOptions;
  readonly #aggregate = new Aggregate();
  readonly #planes: Planes;
  readonly #gateways: GatewayPorts | null;
  #explicit: readonly Bound[] = [];
  readonly #ready = Promise.withResolvers<void>();
  readonly #applied: ReturnType<typeof appliedCounters>;
  #admin: Awaited<ReturnType<typeof openDoors>> | null = null;
  #files: FileSource | null = null;
  #discovery: Discovery | null = null;
  #trim: Trim | null = null;
  readonly #names: Names;
  #model: SnapshotModel | null = null;
  #credentials: Credentials | null;
  #notAfter = 0;
  #measured: readonly string[] = [];
  #isReady = false;
  #isDraining = false;

  constructor(options: ProxyOptions) {
    this.#options = options;
    this.#credentials = options.credentials;
    this.#ready.promise.catch(() => {});
    this.#applied = appliedCounters(this.#aggregate);
    this.#planes = this.#makePlanes();
    const { clock, log, dns } = options;
    this.#names = new Names({ clock, log, resolver: () => nameResolver(dns), changed: () => void this.#refill() });
    const { gateways = null } = options;
    this.#gateways = gateways === null ? null : this.#gatewayPorts(gateways);
    this.#gauges();
  }

  #gatewayPorts(choice: GatewayChoice): GatewayPorts {
    const { clock, log } = this.#options;
    const changed = (state: readonly GatewayState[]): void => this.#discovery?.report(state);
    return new GatewayPorts({ choice, planes: this.#planes, clock, log, changed });
  }

  get ready(): Promise<void> {
    return this.#ready.promise;
  }
  get bound(): readonly Bound[] {
    return [...this.#explicit, ...(this.#gateways?.bound ?? [])];
  }
  get gatewayProblems(): readonly GatewayProblem[] {
    return this.#gateways?.problems ?? [];
  }
  get doors() {
    return this.#admin?.addresses ?? { admin: null, health: null, metrics: null };
  }
  get revision(): string {
    return this.#model?.revision ?? "";
  }
  get identity(): string | null {
    return this.#credentials?.spiffeId ?? null;
  }

  #makePlanes(): Planes {
    const { options, plan } = { options: this.#options, plan: this.#plan() };
    const aggregate = this.#aggregate;
    const shared = {
      want: (host: string) => this.#want(host),
      blob: (sha256: string) => this.#blob(sha256),
      log: options.log,
    };
    if (options.concurrency === 1) {
      return localPlanes(plan, { ...shared, telemetry: (message) => aggregate.receive(0, message) }, options.clock);
    }
    const telemetry = { telemetry: aggregate.receive.bind(aggregate), retire: aggregate.retire.bind(aggregate) };
    return new Threads(plan, options.concurrency, { ...shared, ...telemetry }, options.clock);
  }

  #plan(): PlanePlan {
    const {
      self,
      accessLog,
      upstreamTls,
      dns,
      maxConnections,
      concurrency,
      clock,
      random,
      locality = null,
    } = this.#options;
    const seed = Math.floor(random() * 2 ** 32);
    const counters = SharedCounters.allocate(COUNTER_KEYS, clock.now(), Math.floor(random() * 2 ** 32));
    return { self, accessLog, upstreamTls, dns, maxConnections, seed, counters, locality, shared: concurrency > 1 };
  }

  async start(): Promise<void> {
    const { credentials, source } = this.#options;
    if (credentials !== null) this.#planes.identify(credentials);
    // Explicit listeners answer for services; before there is any, a connection would only be refused.
    if (source.kind === "files") {
      await this.#startFiles(source);
      this.#checkServices(source.directory);
      this.#checkGateways(source.directory);
    }
    this.#explicit = await this.#open();
    this.#admin = await openDoors(this.#options.doors, this.#sources(), this.#options.log);
    this.#startTrim();
    if (source.kind === "control") await this.#startDiscovery(source);
    else this.#becomeReady();
  }

  /** Without a control plane nobody can add the service later but the author of the files, who is here. */
  #checkServices(directory: string): void {
    const services = (this.#model?.resources ?? []).filter((resource) => resource.kind === "service");
    const hosts = new Set(services.flatMap(({ model }) => model.hosts));
    const wrong = this.#options.listeners.find((plan) => plan.kind === "service" && !hosts.has(plan.host));
    if (wrong !== undefined)
      throw new NoSuchService(
        wrong.name,
        directory,
        services.map(({ name }) => name),
      );
  }

  #checkGateways(directory: string): void {
    const { gateways = null } = this.#options;
    if (gateways === null || this.#model === null) return;
    const known = chosenGateways(this.#model, { ...gateways, names: ["*"] }).map(({ name }) => name);
    const wrong = gateways.names.find((name) => name !== "*" && !known.includes(name));
    if (wrong !== undefined) throw new NoSuchGateway(wrong, directory, known);
  }

  /** One after the other, so that the name of a taken address is known. */
  async #open(): Promise<readonly Bound[]> {
    const { listeners, mayMove = [] } = this.#options;
    const bound: Bound[] = [];
    for (const plan of listeners) {
      const opened = this.#planes.open([plan]).catch((error) => {
        if (!mayMove.includes(plan.name)) throw error;
        return this.#planes.open([{ ...plan, port: 0 }]);
      });
      bound.push(...(await opened));
    }
    return bound;
  }

  async #startFiles({ directory, compile }: Extract<ProxySource, { kind: "files" }>): Promise<void> {
    const { clock, log } = this.#options;
    this.#files = fileSource({ directory, compile, clock, log, apply: (model) => this.apply(model) });
    await this.#files.start();
  }

  async #startDiscovery(source: Extract<ProxySource, { kind: "control" }>): Promise<void> {
    const { clock, log, random, listeners, gateways = null } = this.#options;
    const inbound = new Map<number, number>();
    listeners.forEach((plan, i) => {
      if (plan.kind === "inbound") inbound.set(plan.appPort, this.#explicit[i]!.port);
    });
    const { startDiscovery } = await import("../discovery/mod.ts");
    this.#discovery = startDiscovery({
      ...source.discovery,
      ...(gateways !== null && { gateways: gateways.names }),
      workload: source.workload(inbound),
      announced: this.#options.heldBack !== true,
      dataPlane: this,
      clock,
      log,
      random,
    });
    this.#discovery.ready.then(
      () => this.#becomeReady(),
      (error) => this.#ready.reject(error),
    );
  }

  #startTrim(): void {
    const { trim, clock, log } = this.#options;
    const memory = trim ? ownMemory() : null;
    if (memory !== null) this.#trim = startTrim(memory, clock, log);
  }

  #becomeReady(): void {
    this.#isReady = true;
    this.#ready.resolve();
  }

  // ---- DataPlane ----

  async apply(model: SnapshotModel): Promise<void> {
    try {
      await this.#names.follow(model);
      await this.#planes.apply(this.#names.fill(model));
      this.#applied.ok.add();
      this.#model = model;
    } catch (error) {
      this.#applied.refused.add();
      throw error;
    }
    await this.#gateways?.follow(model);
  }

  /** A name has other addresses: the revision stays, its endpoints change. */
  async #refill(): Promise<void> {
    const model = this.#model;
    if (model === null) return;
    try {
      await this.#planes.apply(this.#names.fill(model));
    } catch (error) {
      this.#options.log.error("other addresses of a name cannot be applied", { reason: messageOf(error) });
    }
  }

  identify(svid: {
    spiffeId: string;
    certificate: string;
    privateKey: string;
    bundle: string;
    notAfter: number;
  }): void {
    const { spiffeId, certificate, privateKey, bundle, notAfter } = svid;
    this.#credentials = { spiffeId, certificate, privateKey, bundle };
    this.#notAfter = notAfter;
    this.#planes.identify(this.#credentials);
    this.#options.log.info("identity", { spiffeId, notAfter: new Date(notAfter).toISOString() });
  }

  used(): Iterable<string> {
    return this.#planes.used();
  }

  measure(clusters: readonly string[]): void {
    this.#measured = clusters;
    this.#planes.measure(clusters);
  }

  measured(): Measured {
    return measuredOf(this.#aggregate, this.#measured);
  }

  async #want(host: string): Promise<void> {
    if (this.#discovery !== null) await this.#discovery.want(host);
  }

  async #blob(sha256: string): Promise<Uint8Array> {
    const from = this.#discovery ?? this.#files;
    if (from === null) throw new Error(`no source has started that could have module ${sha256}`);
    return await from.blob(sha256);
  }

  // ---- what can be seen ----

  #gauges(): void {
    const aggregate = this.#aggregate;
    aggregate.gauge("mesh_config_revision_info", "The revision that serves.", ["revision"], () => [
      { labels: { revision: this.revision }, value: 1 },
    ]);
    aggregate.gauge("mesh_certificate_expiry_timestamp_seconds", "When the certificate ends.", [], () => [
      { labels: {}, value: this.#notAfter / 1000 },
    ]);
    aggregate.gauge("mesh_workers", "Threads that serve.", [], () => [{ labels: {}, value: this.#planes.workers }]);
  }

  #sources(): AdminSources {
    return {
      config: () => this.#shownConfig(),
      clusters: () => this.#planes.clusters(),
      certificates: () => this.#certificates(),
      notReady: () => (this.#isReady ? [] : [this.#discovery?.state().lastError ?? "no configuration yet"]),
      isDraining: () => this.#isDraining,
      drain: () => this.onDrainAsked?.(),
      log: this.#options.log,
      metrics: () => exposition(this.#aggregate),
    };
  }

  async #shownConfig() {
    const { redacted } = await import("../snapshot/mod.ts");
    return {
      revision: this.revision,
      resources: this.#model?.resources.map(redacted) ?? [],
      discovery: this.#discovery?.state() ?? null,
    };
  }

  #certificates(): readonly CertificateFacts[] {
    const state = this.#discovery?.state().identity;
    if (state?.notBefore == null || state.notAfter === null) return [];
    const { spiffeId, notBefore, notAfter, nextRenewal } = state;
    return [{ spiffeId, notBefore, notAfter, nextRenewalAt: nextRenewal }];
  }

  // ---- the end ----

  announce(): void {
    this.#discovery?.announce();
  }

  async drain(deadlineMs: number): Promise<number> {
    this.#isDraining = true;
    // A change, or a port that comes free, opens nothing that is to be drained again.
    this.#gateways?.close();
    const { log } = this.#options;
    const late = (await this.#discovery?.withdraw(deadlineMs / 2).catch(() => [])) ?? [];
    if (late.length > 0) log.warn("some proxies have not confirmed the withdrawal", { proxies: late.join(",") });
    const left = await this.#planes.drain(deadlineMs);
    if (left > 0) log.warn("exchanges are cut off at the drain deadline", { exchanges: left });
    return left;
  }

  async stop(deadlineMs: number): Promise<number> {
    const left = await this.drain(deadlineMs);
    await this.close();
    return left;
  }

  async close(): Promise<void> {
    this.#ready.reject(new Error("the proxy is stopping"));
    this.#trim?.close();
    this.#names.close();
    this.#gateways?.close();
    this.#files?.close();
    await this.#discovery?.close();
    await this.#planes.close();
    await this.#admin?.close();
  }

  reopenLogs(): void {
    this.#planes.reopenLogs();
  }
}

/** Counted on the main thread: its region is the one before the first worker's. */
function appliedCounters(aggregate: Aggregate) {
  const region = new Region((message) => aggregate.receive(-1, message));
  const family = region.counter("mesh_snapshots_total", "Snapshots given to the data plane.", ["outcome"]);
  return { ok: family.with("applied"), refused: family.with("refused") };
}
