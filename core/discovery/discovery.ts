import type { Clock, Log, Timer } from "../base/mod.ts";
import { messageOf } from "../base/mod.ts";
import { parseSpiffeId, Rotation, type RotationState, type SignedCertificate, type Svid } from "../identity/mod.ts";
import { Backoff, type BackoffOptions } from "./backoff.ts";
import { Blobs } from "./blobs.ts";
import { type ControlAddress, ControlUnreachable } from "./dial.ts";
import { Disk, type LastGood } from "./disk.ts";
import { Enrol, JoinRefused } from "./enrol.ts";
import { Hosts, type HostTiming } from "./hosts.ts";
import type { DataPlane, Source } from "./model.ts";
import type { GatewayReport, Measure, Subscribe, WorkloadClaim } from "./protocol.ts";
import { type Held, reasonsOf, Serving } from "./serving.ts";
import { type Change, ControlStream } from "./stream.ts";
import { parseJoinToken } from "./token.ts";
import { Offline, Uplink } from "./uplink.ts";
import { isOfAnotherMesh, whoAmI } from "./who.ts";

export interface DiscoveryTiming extends HostTiming {
  /** TCP and TLS handshakes. */
  readonly connectMs: number;
  /** Every answer of the control plane. */
  readonly answerMs: number;
  /** The data plane may take so long for a snapshot; then it is refused. */
  readonly applyMs: number;
  /** Between tries to connect. */
  readonly backoff: BackoffOptions;
  /** Requests do not wait for a stream that has been gone for so long. */
  readonly offlineMs: number;
  /** Between looks for hosts that are not used any more. */
  readonly sweepMs: number;
  /** Snapshots that follow each other faster are kept once. */
  readonly saveMs: number;
}

export const DISCOVERY_TIMING: DiscoveryTiming = {
  connectMs: 5000,
  answerMs: 10_000,
  applyMs: 30_000,
  backoff: { minMs: 100, maxMs: 10_000 },
  offlineMs: 1000,
  wantMs: 5000,
  idleMs: 600_000,
  absentMs: 60_000,
  refusedMs: 10_000,
  sweepMs: 15_000,
  saveMs: 500,
};

export interface DiscoveryOptions {
  /** Control planes to try, in order; any of them will do. */
  readonly control: readonly ControlAddress[];
  /** Where identity and last good snapshot are kept; null: nowhere. */
  readonly directory: string | null;
  /** The join token's text; null for a proxy that was here before. */
  readonly token: string | null;
  /** The workload beside this proxy; null for a proxy that only calls others. */
  readonly workload: WorkloadClaim | null;
  /** False: nobody is told of the workload before `announce()`, once the app takes connections. @default true */
  readonly announced?: boolean;
  /** Hosts that are always wanted, e.g. of explicit listeners. */
  readonly pinned: readonly string[];
  /** `<namespace>/<name>` of the Gateways this proxy serves; "*" for all. @default none */
  readonly gateways?: readonly string[];
  readonly dataPlane: DataPlane;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  /** Version of this build. */
  readonly software: string;
  readonly timing?: Partial<DiscoveryTiming>;
  /** Without a snapshot by then, `ready` rejects. @default 0: it waits for as long as it takes */
  readonly startMs?: number;
}

/** What can be seen of discovery from outside; plain data, no secrets. */
export interface DiscoveryState {
  readonly proxy: string;
  readonly connected: boolean;
  /** Address of the control plane that is, or was last, connected. */
  readonly control: string | null;
  /** Since when it is connected, or not; milliseconds since the epoch. */
  readonly since: number;
  /** Revision that serves, and where it came from. */
  readonly revision: string | null;
  readonly from: "disk" | "control" | null;
  readonly hosts: readonly string[];
  /** The last revision that was refused and why, until one is taken. */
  readonly refused: { readonly revision: string; readonly reasons: readonly string[] } | null;
  readonly lastError: string | null;
  readonly identity: RotationState | null;
}

export interface Discovery extends Source {
  /**
   * Resolves when the first snapshot serves and an identity is in hand: from the
   * disk or from the control plane.
   *
   * Rejects with `JoinRefused` or `BadToken` when no control plane will have this
   * proxy and nothing on the disk can serve, with `ControlUnreachable` after `startMs`.
   */
  readonly ready: Promise<"disk" | "control">;
  state(): DiscoveryState;
  /** Tells the control plane what is bound of the gateways, now and whenever it is another one. */
  report(gateways: readonly GatewayReport[]): void;
  /** Lets others call the workload that was held back by `announced: false`. */
  announce(): void;
  /**
   * Takes the workload's endpoint out, so that nobody sends more; resolves with
   * those who had not confirmed by the deadline. It stays out.
   */
  withdraw(deadlineMs: number): Promise<readonly string[]>;
  close(): Promise<void>;
}

/** Starts the proxy's end of the stream. It goes on by itself until `close`. */
export function startDiscovery(options: DiscoveryOptions): Discovery {
  const discovery = new ProxyDiscovery(options);
  discovery.start();
  return discovery;
}

/** Parts that exist once the disk has been read. */
interface Parts {
  readonly proxy: string;
  readonly blobs: Blobs;
  readonly serving: Serving;
  readonly enrol: Enrol;
  readonly rotation: Rotation;
  readonly disk: Disk | null;
}

class ProxyDiscovery implements Discovery {
  readonly #options: DiscoveryOptions;
  readonly #timing: DiscoveryTiming;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #ready = Promise.withResolvers<"disk" | "control">();
  readonly #started = Promise.withResolvers<Parts>();
  readonly #uplink: Uplink;
  readonly #timers: Timer[] = [];
  #parts: Parts | null = null;
  #disk: Disk | null = null;
  #hosts: Hosts;
  #refused: DiscoveryState["refused"] = null;
  #lastError: string | null = null;
  #gateways: readonly GatewayReport[] = [];
  #measuring: Timer | null = null;
  #withdrawn = false;
  #announced: boolean;
  #closed = false;

  constructor(options: DiscoveryOptions) {
    this.#options = options;
    this.#announced = options.announced ?? true;
    this.#timing = { ...DISCOVERY_TIMING, ...options.timing };
    this.#clock = options.clock;
    this.#log = options.log;
    this.#hosts = new Hosts(this.#clock, this.#timing, options.pinned, []);
    this.#uplink = new Uplink({
      addresses: options.control,
      clock: this.#clock,
      log: this.#log,
      backoff: new Backoff(this.#timing.backoff, options.random),
      open: (address, closed) => this.#open(address, closed),
    });
    // Whoever starts discovery may look at these later, or never.
    this.#ready.promise.catch(() => {});
    this.#started.promise.catch(() => {});
  }

  get ready(): Promise<"disk" | "control"> {
    return this.#ready.promise;
  }

  start(): void {
    const { startMs = 0 } = this.#options;
    if (startMs > 0) this.#timers.push(this.#clock.after(startMs, () => this.#tooLate(startMs)));
    this.#timers.push(this.#clock.every(this.#timing.sweepMs, () => this.#sweep()));
    this.#run().catch((error) => {
      this.#lastError = messageOf(error);
      this.#started.reject(error);
      this.#ready.reject(error);
    });
  }

  want(host: string): Promise<void> {
    const answer = this.#hosts.want(host, (fresh, forget) => {
      if (forget.length > 0) this.#uplink.stream?.drop(forget);
      this.#uplink.stream?.want([fresh]);
    });
    // The subscription stays, and is answered once the control plane is back.
    if (this.#uplink.offlineMs >= this.#timing.offlineMs) this.#hosts.giveUp("the control plane is away");
    return answer;
  }

  async blob(sha256: string): Promise<Uint8Array> {
    return await (this.#parts ?? (await this.#started.promise)).blobs.get(sha256);
  }

  state(): DiscoveryState {
    const serving = this.#parts?.serving;
    const uplink = this.#uplink;
    return {
      proxy: this.#parts?.proxy ?? "",
      connected: uplink.stream !== null,
      control: uplink.address,
      since: uplink.since,
      revision: serving?.revision ?? null,
      from: serving?.from ?? null,
      hosts: this.#hosts.list(),
      refused: this.#refused,
      lastError: uplink.lastError ?? this.#lastError,
      identity: this.#parts?.rotation.state ?? null,
    };
  }

  report(gateways: readonly GatewayReport[]): void {
    this.#gateways = gateways;
    this.#uplink.stream?.gateways(gateways);
  }

  announce(): void {
    const { workload } = this.#options;
    if (this.#announced || workload === null) return;
    this.#announced = true;
    this.#uplink.stream?.register(workload);
  }

  async withdraw(deadlineMs: number): Promise<readonly string[]> {
    this.#withdrawn = true;
    const { stream } = this.#uplink;
    if (stream === null || this.#options.workload === null) return [];
    return await stream.withdraw(deadlineMs, this.#timing.answerMs);
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const timer of this.#timers) timer.cancel();
    this.#measuring?.cancel();
    this.#parts?.rotation.stop();
    this.#uplink.close();
    this.#hosts.giveUp("this proxy is stopping");
    this.#ready.reject(new Offline("Cannot become ready: this proxy is stopping"));
    await this.#parts?.serving.close();
    await this.#disk?.close();
  }

  async #run(): Promise<void> {
    const { directory, token } = this.#options;
    const disk = directory === null ? null : await Disk.open(directory, (message) => this.#log.warn(message));
    this.#disk = disk;
    if (this.#closed) return await disk?.close();
    const keptSvid = (await disk?.loadSvid()) ?? null;
    const parsed = token === null ? null : parseJoinToken(token);
    const spiffeId = whoAmI(parsed, keptSvid, this.#options.workload);
    const elsewhere = keptSvid !== null && parsed !== null && isOfAnotherMesh(keptSvid, parsed);
    if (elsewhere) this.#log.warn("the identity on disk is of another mesh than the join token, and is not used");
    const kept = keptSvid?.spiffeId === spiffeId && !elsewhere ? keptSvid : null;
    const good = elsewhere ? null : ((await disk?.loadSnapshot()) ?? null);
    if (good !== null) this.#hosts = this.#hostsOf(good);
    const parts = await this.#build(disk, spiffeId, kept);
    if (this.#closed) return;
    this.#parts = parts;
    this.#started.resolve(parts);
    parts.rotation.start();
    if (good !== null && (await parts.serving.restore(good.model))) this.#hosts.answer(good.hosts);
    await parts.rotation.first;
    this.#checkReady();
    await this.#uplink.run();
  }

  #hostsOf(good: LastGood): Hosts {
    return new Hosts(this.#clock, this.#timing, this.#options.pinned, Object.keys(good.hosts));
  }

  async #build(disk: Disk | null, spiffeId: string, kept: Svid | null): Promise<Parts> {
    const { clock, log, random, software, control: addresses, token: text, dataPlane } = this.#options;
    const { connectMs, answerMs, applyMs, saveMs } = this.#timing;
    const proxy = randomName(random);
    const token = text === null ? null : parseJoinToken(text);
    const { trustDomain } = parseSpiffeId(spiffeId);
    const rotation = new Rotation({
      ...{ spiffeId, clock, random, log, ...(kept === null ? {} : { kept }) },
      request: (csr) => this.#request(csr, kept),
      onSvid: (svid) => this.#identified(svid),
    });
    return {
      proxy: disk === null ? proxy : await disk.proxyId(proxy),
      blobs: new Blobs(disk, async (sha256) => (await this.#uplink.opened(answerMs)).fetch(sha256)),
      serving: new Serving({ dataPlane, disk, clock, log, applyMs, saveMs, answers: () => this.#hosts.answers() }),
      enrol: new Enrol({ addresses, trustDomain, token, clock, software, connectMs, answerMs }),
      ...{ rotation, disk },
    };
  }

  /** Has a certificate signed: over the stream while there is one, apart from it otherwise. */
  async #request(csr: string, kept: Svid | null): Promise<SignedCertificate> {
    const { enrol, rotation } = this.#parts!;
    try {
      if (this.#uplink.stream !== null) return await this.#uplink.stream.renew(csr);
      return await enrol.request(csr, rotation.svid ?? kept);
    } catch (error) {
      this.#lastError = messageOf(error);
      if (error instanceof JoinRefused) this.#ready.reject(error);
      throw error;
    }
  }

  #identified(svid: Svid): void {
    const { disk } = this.#parts!;
    this.#options.dataPlane.identify(svid);
    disk?.saveSvid(svid).catch((error) => this.#log.error(`Cannot keep the identity: ${messageOf(error)}`));
  }

  /** One stream: says what is held and wanted, and takes changes until it ends. */
  async #open(address: ControlAddress, closed: (reason: Error) => void): Promise<ControlStream> {
    const { enrol, rotation, serving, proxy } = this.#parts!;
    const { clock, software, workload, gateways = [] } = this.#options;
    const { connectMs, answerMs } = this.#timing;
    await serving.idle();
    let base: Held = serving.held;
    const subscribe: Subscribe = {
      proxy,
      workload: workload === null || this.#isCallable ? workload : { ...workload, weight: 0 },
      hosts: this.#hosts.list(),
      ...(gateways.length === 0 ? {} : { gateways }),
      held: Object.fromEntries([...base].map(([key, resource]) => [key, resource.version])),
      revision: serving.revision ?? "",
    };
    const stream: ControlStream = await ControlStream.open(
      {
        ...{ address, clock, software, answerMs, check: enrol.check, deadlineMs: connectMs },
        tls: enrol.tls(rotation.svid!),
      },
      subscribe,
      {
        closed: (reason) => {
          this.#measure(null, { clusters: [], everyMs: 0 });
          closed(reason);
        },
        measure: (wanted) => this.#measure(stream, wanted),
        change: (change) => {
          void this.#take(stream, base, change).then((held) => {
            base = held;
          });
        },
      },
    );
    if (this.#gateways.length > 0) stream.gateways(this.#gateways);
    return stream;
  }

  /** Counts for whom the control plane asks, and tells it for as long as the stream lasts. */
  #measure(stream: ControlStream | null, { clusters, everyMs }: Measure): void {
    const { dataPlane } = this.#options;
    this.#measuring?.cancel();
    this.#measuring = null;
    dataPlane.measure?.(clusters);
    if (stream === null || clusters.length === 0 || dataPlane.measured === undefined) return;
    this.#measuring = this.#clock.every(everyMs, () => stream.measured(dataPlane.measured!()));
  }

  /** Swaps or keeps, and says which. Returns what is held afterwards. */
  async #take(stream: ControlStream, base: Held, change: Change): Promise<Held> {
    const { serving, rotation } = this.#parts!;
    try {
      const held = await serving.change(base, change);
      this.#refused = null;
      this.#hosts.answer(change.hosts);
      stream.ack(change.id);
      this.#checkReady();
      // It failed while the control plane was away: no need to wait for its next try.
      if (rotation.state.failures > 0) rotation.renew();
      return held;
    } catch (error) {
      const reasons = reasonsOf(error);
      this.#refused = { revision: change.revision, reasons };
      this.#log.warn(`Refused revision ${change.revision}: ${reasons.join("; ")}`);
      stream.nack(change.id, reasons);
      const dropped = this.#hosts.refuse(change.hosts, reasons.join("; "));
      if (dropped.length > 0) stream.drop(dropped);
      return base;
    }
  }

  #checkReady(): void {
    const { serving, rotation } = this.#parts!;
    const { workload } = this.#options;
    if (serving.from === null || rotation.svid === null || !this.#hosts.pinnedAnswered) return;
    if (!serving.held.has("mesh/")) return;
    if (workload !== null && !serving.held.has(`workload/${workload.namespace}/${workload.name}`)) return;
    this.#ready.resolve(serving.from);
  }

  get #isCallable(): boolean {
    return this.#announced && !this.#withdrawn;
  }

  #sweep(): void {
    const { used } = this.#options.dataPlane;
    if (used !== undefined) this.#hosts.touch(this.#options.dataPlane.used!());
    const idle = this.#hosts.sweep(used === undefined);
    if (idle.length > 0) this.#uplink.stream?.drop(idle);
  }

  #tooLate(startMs: number): void {
    const why = this.#uplink.lastError ?? this.#lastError ?? "it has not answered yet";
    this.#ready.reject(new ControlUnreachable(`Cannot start: nothing from the control plane in ${startMs} ms: ${why}`));
  }
}

/** Tells proxies of one identity apart. */
function randomName(random: () => number): string {
  return Array.from({ length: 12 }, () => Math.floor(random() * 16).toString(16)).join("");
}
