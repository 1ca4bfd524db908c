import type { Clock, Log, Timer } from "../base/mod.ts";
import { messageOf } from "../base/mod.ts";
import {
  type Ack,
  CHUNK_BYTES,
  CHUNK_HEAD_BYTES,
  type Fetch,
  Frame,
  type GatewayReport,
  type GatewaysMessage,
  type HostsMessage,
  type Link,
  type LinkReader,
  MAX_HOSTS,
  type Measure,
  type Measured,
  type Nack,
  type Register,
  type RenewMessage,
  readJson,
  type Subscribe,
  type SvidMessage,
  UPDATE_PART_BYTES,
  type Withdraw,
  type WorkloadClaim,
} from "../discovery/mod.ts";
import type { Resource } from "../snapshot/mod.ts";
import { readGateways, readHosts, readMeasured, readReasons, readWorkload } from "./claim.ts";
import { Delivery, type Plan } from "./delivery.ts";
import type { ControlCounts, ControlObserver } from "./metrics.ts";
import { ALL_GATEWAYS, needOf } from "./need.ts";
import type { Published } from "./published.ts";
import { Refused } from "./session.ts";

export interface StreamTiming {
  /** A proxy that has not answered an update by then is cut off. */
  readonly ackMs: number;
  /** Refused content is tried again after this time. */
  readonly retryMs: number;
}

/** What a stream asks of the control plane. */
export interface StreamHost {
  readonly clock: Clock;
  readonly log: Log;
  readonly counts: ControlCounts;
  readonly observer: ControlObserver;
  readonly timing: StreamTiming;
  /** The newest revision; null until there is one. */
  newest(): Published | null;
  /** Bytes of a plugin. */
  blob(sha256: string): Uint8Array | null;
  /** Signs for an identity that its owner has just proved again. */
  renew(identity: string, csr: string): Promise<Omit<SvidMessage, "id">>;
  /** The workload as it is now. @throws {Refused} when it is not the stream's own. */
  register(stream: ProxyStream, claim: WorkloadClaim): Promise<void>;
  /** Takes the endpoint out; resolves with the proxies that had not confirmed by the deadline. */
  withdraw(stream: ProxyStream, deadlineMs: number): Promise<readonly string[]>;
  /** What a proxy has counted of the clusters that are measured. */
  measured(stream: ProxyStream, counts: Measured): void;
  /** What a proxy has bound of its gateways is another one: `stream.gateways`. */
  reported(stream: ProxyStream): void;
  /** A confirmed or refused update, or the end. */
  answered(stream: ProxyStream): void;
  ended(stream: ProxyStream): void;
}

/** Who is at the other end. */
export interface StreamPeer {
  /** `<namespace>/<service account>/<proxy id>` */
  readonly key: string;
  readonly identity: string;
  readonly namespace: string;
  readonly software: string;
  readonly subscribe: Subscribe;
  /** Name of its workload resource; null without one. */
  readonly workload: string | null;
}

/**
 * A revision that changes nothing for a proxy is told at most so often: a
 * thousand proxies that start together must not send each other a million.
 */
const QUIET_MS = 200;

/** The stream from the control plane's end: one proxy, what it wants and what it has. */
export class ProxyStream implements LinkReader {
  readonly peer: StreamPeer;
  readonly connectedAt: number;
  readonly delivery: Delivery;
  /** What it serves of Gateways, as it says. */
  gateways: readonly GatewayReport[] = [];
  readonly #link: Link;
  readonly #host: StreamHost;
  readonly #hosts: Set<string>;
  #ackTimer: Timer | null = null;
  #retryTimer: Timer | null = null;
  #quietTimer: Timer | null = null;
  #publishedAt = 0;
  #pushedAt = Number.NEGATIVE_INFINITY;
  #open = true;

  constructor(link: Link, peer: StreamPeer, host: StreamHost) {
    this.#link = link;
    this.peer = peer;
    this.#host = host;
    this.#hosts = new Set(peer.subscribe.hosts);
    this.delivery = new Delivery(peer.subscribe.held, peer.subscribe.revision);
    this.connectedAt = host.clock.now();
  }

  /** Sends what the newest revision changes for this proxy, unless it is still busy with an older one. */
  push(): void {
    const published = this.#host.newest();
    if (published === null || !this.#open) return;
    const { workload, namespace, subscribe } = this.peer;
    const untilQuiet = this.#pushedAt + QUIET_MS - this.#host.clock.monotonic();
    const need = needOf(published, { workload, namespace, hosts: this.#hosts, gateways: subscribe.gateways ?? [] });
    const plan = this.delivery.next(need, untilQuiet > 0);
    if (plan === null) {
      if (untilQuiet > 0) this.#pushLater(untilQuiet);
      return;
    }
    this.#host.counts.pushes++;
    this.#pushedAt = this.#host.clock.monotonic();
    this.#publishedAt = published.at;
    this.#send(plan);
    this.#ackTimer = this.#host.clock.after(this.#host.timing.ackMs, () => this.#late(plan));
  }

  #pushLater(ms: number): void {
    this.#quietTimer ??= this.#host.clock.after(ms, () => {
      this.#quietTimer = null;
      this.push();
    });
  }

  /** Asks the proxy to count these clusters, and no others. */
  measure(wanted: Measure): void {
    if (this.#open) this.#link.send(Frame.Measure, wanted);
  }

  end(message: string): void {
    this.#link.fail("going", message);
  }

  frame(type: number, payload: Buffer): void {
    switch (type) {
      case Frame.Ack:
        this.#ack(readJson<Ack>(payload).id);
        return;
      case Frame.Nack:
        this.#nack(readJson<Nack>(payload));
        return;
      case Frame.Gateways:
        this.#report(readGateways(readJson<Partial<GatewaysMessage>>(payload)));
        return;
      case Frame.Want:
        this.#want(readHosts(readJson<HostsMessage>(payload).hosts));
        return;
      case Frame.Drop:
        this.#drop(readHosts(readJson<HostsMessage>(payload).hosts));
        return;
      case Frame.Fetch:
        this.#chunk(readJson<Fetch>(payload));
        return;
      case Frame.Renew:
        this.#run(this.#renew(readJson<RenewMessage>(payload)));
        return;
      case Frame.Register:
        this.#run(this.#host.register(this, readWorkload(readJson<Partial<Register>>(payload).workload)));
        return;
      case Frame.Measured:
        this.#host.measured(this, readMeasured(readJson<Partial<Measured>>(payload)));
        return;
      case Frame.Withdraw:
        this.#run(this.#withdraw(readJson<Withdraw>(payload)));
        return;
      default:
        throw new Refused("malformed", `Cannot read frame ${type} on a stream`);
    }
  }

  closed(reason: Error): void {
    if (!this.#open) return;
    this.#open = false;
    this.#ackTimer?.cancel();
    this.#retryTimer?.cancel();
    this.#quietTimer?.cancel();
    this.#host.log.info("stream ended", { proxy: this.peer.key, reason: reason.message });
    this.#host.ended(this);
  }

  #send(plan: Plan): void {
    const parts = partsOf(plan.resources);
    for (const [i, resources] of parts.entries()) {
      const first = i === 0;
      const head = JSON.stringify({
        id: plan.id,
        revision: plan.revision,
        last: i === parts.length - 1,
        removed: first ? plan.removed : [],
        hosts: first ? plan.hosts : {},
      });
      this.#link.sendText(Frame.Update, `${head.slice(0, -1)},"resources":[${resources.join(",")}]}`);
    }
  }

  #late(plan: Plan): void {
    this.#link.fail("unavailable", `Cannot wait longer than ${this.#host.timing.ackMs} ms for update ${plan.id}`);
  }

  #ack(id: number): void {
    if (!this.delivery.ack(id)) return;
    this.#ackTimer?.cancel();
    this.#host.counts.acks++;
    this.#host.observer.converged?.(this.#host.clock.monotonic() - this.#publishedAt);
    this.#host.answered(this);
    this.push();
  }

  #nack({ id, reasons }: Nack): void {
    const words = readReasons(reasons);
    if (!this.delivery.nack(id, words)) return;
    this.#ackTimer?.cancel();
    this.#host.counts.nacks++;
    this.#host.log.warn(`A proxy refused revision ${this.delivery.sent}: ${words.join("; ")}`, {
      proxy: this.peer.key,
    });
    this.#retryTimer?.cancel();
    this.#retryTimer = this.#host.clock.after(this.#host.timing.retryMs, () => {
      this.delivery.retry();
      this.push();
    });
    this.#host.answered(this);
    this.push();
  }

  /** All that runs is compiled for another report: the same one again is none. */
  #report(told: readonly GatewayReport[]): void {
    const own = told.filter(({ name }) => this.#serves(name));
    if (Bun.deepEquals(own, this.gateways)) return;
    this.gateways = own;
    this.#host.reported(this);
  }

  /** Of Gateways that it was not let in to serve a proxy has nothing to say. */
  #serves(gateway: string): boolean {
    const { gateways = [] } = this.peer.subscribe;
    return gateways.includes(gateway) || gateways.includes(ALL_GATEWAYS);
  }

  #want(hosts: readonly string[]): void {
    if (this.#hosts.size + hosts.length > MAX_HOSTS)
      throw new Refused("malformed", `Cannot subscribe to more than ${MAX_HOSTS} hosts`);
    for (const host of hosts) this.#hosts.add(host);
    this.push();
  }

  #drop(hosts: readonly string[]): void {
    for (const host of hosts) {
      this.#hosts.delete(host);
      this.delivery.forget(host);
    }
    this.push();
  }

  /** A piece of a plugin that this proxy was sent; of any other it learns nothing, not even its size. */
  #chunk({ sha256, offset }: Fetch): void {
    const bytes = this.#mayRead(sha256) ? this.#host.blob(sha256) : null;
    const start = Number.isInteger(offset) && offset >= 0 ? Math.min(offset, bytes?.length ?? 0) : 0;
    const piece = bytes?.subarray(start, start + CHUNK_BYTES) ?? new Uint8Array(0);
    const chunk = Buffer.allocUnsafe(CHUNK_HEAD_BYTES + piece.length);
    chunk.writeUInt32BE(bytes?.length ?? 0, 0);
    chunk.writeUInt32BE(start, 4);
    chunk.set(piece, CHUNK_HEAD_BYTES);
    this.#link.sendBytes(Frame.Chunk, chunk);
  }

  #mayRead(sha256: string): boolean {
    return this.delivery.plugins().has(sha256);
  }

  async #renew({ id, csr }: RenewMessage): Promise<void> {
    const issued = await this.#host.renew(this.peer.identity, String(csr));
    this.#link.send(Frame.Svid, { id, ...issued } satisfies SvidMessage);
  }

  async #withdraw({ deadlineMs }: Withdraw): Promise<void> {
    const wait = typeof deadlineMs === "number" ? Math.min(Math.max(deadlineMs, 0), 60_000) : 0;
    const laggards = await this.#host.withdraw(this, wait);
    this.#link.send(Frame.Withdrawn, { laggards });
  }

  #run(work: Promise<void>): void {
    work.catch((error: unknown) => {
      const refused = error instanceof Refused;
      this.#host.log.warn(`Cannot serve a proxy: ${messageOf(error)}`, { proxy: this.peer.key });
      this.#link.fail(refused ? error.failure : "unavailable", refused ? error.message : "Cannot do this now");
    });
  }
}

/** Resources as JSON, in parts of a size that lets pings pass; one empty part when there is nothing. */
function partsOf(resources: readonly Resource[]): string[][] {
  const parts: string[][] = [[]];
  let bytes = 0;
  for (const resource of resources) {
    const json = JSON.stringify(resource);
    if (bytes > 0 && bytes + json.length > UPDATE_PART_BYTES) {
      parts.push([]);
      bytes = 0;
    }
    parts.at(-1)!.push(json);
    bytes += json.length;
  }
  return parts;
}
