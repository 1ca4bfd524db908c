import type { Clock, Log } from "../base/mod.ts";
import {
  type BundleMessage,
  formatJoinToken,
  type JoinMessage,
  type Link,
  type LinkReader,
  type LinkTiming,
  type Measured,
  type Subscribe,
  type SvidMessage,
  type WorkloadClaim,
} from "../discovery/mod.ts";
import { readSpiffeId, workloadOf } from "../identity/mod.ts";
import type { Configuration } from "./configuration.ts";
import type { GatewayPermits } from "./gateway-permit.ts";
import type { Issuing } from "./identity.ts";
import type { JoinTokenRecord, JoinTokens, NewJoinToken } from "./join-token.ts";
import type { ControlCounts, ControlObserver } from "./metrics.ts";
import { ALL_GATEWAYS } from "./need.ts";
import { ProxyStream, type StreamHost, type StreamPeer, type StreamTiming } from "./proxy-stream.ts";
import type { Published } from "./published.ts";
import type { Publisher } from "./publisher.ts";
import type { Registry } from "./registry.ts";
import type { Rollouts } from "./rollout/mod.ts";
import { type Reception, Refused } from "./session.ts";
import type { StatusKeeper } from "./status-keeper.ts";
import type { Streams } from "./streams.ts";

export interface PlaneParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly counts: ControlCounts;
  readonly observer: ControlObserver;
  readonly software: string;
  readonly linkTiming: LinkTiming;
  readonly timing: StreamTiming;
  readonly configuration: Configuration;
  readonly publisher: Publisher;
  readonly registry: Registry;
  readonly streams: Streams;
  readonly joinTokens: JoinTokens;
  readonly issuing: Issuing;
  readonly rollouts: Rollouts;
  readonly statuses: StatusKeeper;
  readonly gatewayPermits: GatewayPermits;
}

/** What proxies and the API reach of a control plane: its parts, put together. */
export class Plane implements Reception, StreamHost {
  readonly clock: Clock;
  readonly log: Log;
  readonly counts: ControlCounts;
  readonly observer: ControlObserver;
  readonly software: string;
  readonly configuration: Configuration;
  readonly registry: Registry;
  readonly streams: Streams;
  readonly joinTokens: JoinTokens;
  readonly rollouts: Rollouts;
  readonly statuses: StatusKeeper;
  readonly #parts: PlaneParts;

  constructor(parts: PlaneParts) {
    this.#parts = parts;
    this.clock = parts.clock;
    this.log = parts.log;
    this.counts = parts.counts;
    this.observer = parts.observer;
    this.software = parts.software;
    this.configuration = parts.configuration;
    this.registry = parts.registry;
    this.streams = parts.streams;
    this.joinTokens = parts.joinTokens;
    this.rollouts = parts.rollouts;
    this.statuses = parts.statuses;
  }

  /** How links are watched. */
  get linkTiming(): LinkTiming {
    return this.#parts.linkTiming;
  }

  get timing(): StreamTiming {
    return this.#parts.timing;
  }

  /** Newest revision; empty before the first. */
  get revision(): string {
    return this.#parts.publisher.current?.revision ?? "";
  }

  /** Compiles what has changed so far and publishes it. */
  async settle(): Promise<string> {
    await this.#parts.publisher.flush();
    return this.revision;
  }

  /** A revision is out: everybody is told, and the numbers follow. */
  published(): void {
    this.counts.revisions++;
    this.streams.publish();
  }

  newest(): Published | null {
    return this.#parts.publisher.current;
  }

  blob(sha256: string): Uint8Array | null {
    return this.#parts.publisher.blob(sha256);
  }

  bundle(): BundleMessage {
    const { trustDomain, bundle } = this.#parts.issuing;
    return { trustDomain, bundle };
  }

  /** Makes a join token; its text is shown once. */
  async createJoinToken(
    wanted: NewJoinToken,
    createdBy: string,
  ): Promise<{ readonly record: JoinTokenRecord; readonly token: string }> {
    const { issuing } = this.#parts;
    const { record, secret } = await this.joinTokens.create(wanted, createdBy);
    const { id, namespace, name } = record;
    const { trustDomain, fingerprint: root } = issuing;
    return { record, token: formatJoinToken({ id, secret, root, trustDomain, namespace, name }) };
  }

  /** Signs first and counts then: a request that cannot be signed must not use the token up. */
  async join({ tokenId, secret, csr }: JoinMessage): Promise<SvidMessage> {
    const { issuing } = this.#parts;
    const { namespace, name } = await this.joinTokens.check(tokenId, secret);
    const identity = issuing.idOf(namespace, name);
    const svid = await issuing.sign(identity, csr);
    const { gateways = [] } = await this.joinTokens.redeem(tokenId, secret);
    await this.#parts.gatewayPermits.set(identity, gateways);
    this.log.info("a proxy has joined", { identity, token: tokenId });
    return { id: 0, ...svid };
  }

  async renew(identity: string, csr: string): Promise<Omit<SvidMessage, "id">> {
    return await this.#parts.issuing.sign(identity, csr);
  }

  async subscribe(link: Link, identity: string, software: string, subscribe: Subscribe): Promise<LinkReader> {
    const peer = peerOf(identity, software, subscribe);
    await this.#requirePermit(identity, subscribe.gateways ?? []);
    const stream = new ProxyStream(link, peer, this);
    if (subscribe.workload !== null)
      await this.registry.register({ key: peer.key, claim: subscribe.workload, identity }, stream);
    // The workload's own resource has to be in what the proxy is sent first.
    await this.#parts.publisher.settled();
    this.streams.enter(stream);
    this.counts.streamsOpen = this.streams.size;
    this.log.info("stream opened", { proxy: peer.key, identity, software });
    stream.push();
    return stream;
  }

  async register(stream: ProxyStream, claim: WorkloadClaim): Promise<void> {
    const { key, identity, namespace } = stream.peer;
    requireOwn(claim, namespace, key.split("/")[1] ?? "");
    await this.registry.register({ key, claim, identity }, stream);
  }

  /** The workload stays known, with nobody to call it: its proxy serves what has begun. */
  async withdraw(stream: ProxyStream, deadlineMs: number): Promise<readonly string[]> {
    await this.registry.silence(stream.peer.key);
    const revision = await this.settle();
    return await this.streams.confirmed(revision, stream, deadlineMs);
  }

  measured(stream: ProxyStream, counts: Measured): void {
    this.rollouts.measured(stream, counts);
  }

  reported({ peer, gateways }: ProxyStream): void {
    for (const { name, problems } of gateways)
      for (const { port, address, problem } of problems)
        this.log.warn("a gateway port is not served", { proxy: peer.key, gateway: name, port, address, problem });
    // No new revision comes of it, but other statuses.
    this.#parts.publisher.changed();
  }

  answered(): void {
    this.streams.answered();
  }

  ended(stream: ProxyStream): void {
    this.streams.leave(stream);
    if (stream.gateways.length > 0) this.#parts.publisher.changed();
    this.counts.streamsOpen = this.streams.size;
    this.registry.release(stream.peer.key, stream);
  }

  /** @throws {Refused} for a Gateway that the identity may not serve. */
  async #requirePermit(identity: string, gateways: readonly string[]): Promise<void> {
    const refused = await this.#parts.gatewayPermits.firstRefused(identity, gateways);
    if (refused === null) return;
    const flag = refused === ALL_GATEWAYS ? `"${refused}"` : refused;
    const message = `Cannot serve Gateway ${refused}: the token that ${identity} joined with was not for it; join with one of "mesh token create --gateway ${flag}"`;
    throw new Refused("identity", message);
  }

  stop(): void {
    this.streams.end("the control plane is stopping");
    this.#parts.publisher.close();
    this.configuration.close();
    this.rollouts.close();
    this.registry.close();
  }
}

/** @throws {Refused} when the identity may not say this of itself. */
function peerOf(identity: string, software: string, subscribe: Subscribe): StreamPeer {
  const id = readSpiffeId(identity);
  const workload = id === null ? null : workloadOf(id);
  if (workload === null) throw new Refused("identity", `Cannot subscribe: "${identity}" is not a workload's identity`);
  const { namespace, serviceAccount } = workload;
  const claim = subscribe.workload;
  if (claim !== null) requireOwn(claim, namespace, serviceAccount);
  const key = `${namespace}/${serviceAccount}/${subscribe.proxy}`;
  const resource = claim === null ? null : `${namespace}/${serviceAccount}`;
  return { key, identity, namespace, software, subscribe, workload: resource };
}

/** @throws {Refused} when a workload is claimed that the certificate does not name. */
function requireOwn(claim: WorkloadClaim, namespace: string, serviceAccount: string): void {
  if (claim.namespace === namespace && claim.name === serviceAccount) return;
  const own = `${namespace}/${serviceAccount}`;
  const message = `Cannot register ${claim.namespace}/${claim.name}: the certificate is for ${own}; make a join token for the workload`;
  throw new Refused("identity", message);
}
