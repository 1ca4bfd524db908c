import { begin, type Cluster, type Endpoint, finish, NO_HASH, Outcome, pick } from "../cluster/mod.ts";
import type { ConnectionFacts, Wire, WireOwner } from "../listener/mod.ts";
import type { Rule } from "../route/mod.ts";
import { Ending, Relay, type RelayOwner } from "../tcp/mod.ts";
import { RESPONSE_FLAGS } from "../telemetry/mod.ts";
import { DialFailure, type DialOutcome } from "../upstream/mod.ts";
import type { ConnectionRecorder, Recorded } from "./connection-record.ts";
import { ConnectFailed, NoBackend, NoHealthyEndpoint, NoRoute, Overflow, UntrustedPeer } from "./failure.ts";
import { ofText } from "./hash.ts";
import type { Mesh } from "./mesh.ts";
import { flagOfFailure, reportBug } from "./rescue.ts";
import { MAX_ATTEMPTS } from "./retry.ts";

/** What TLS calls a connection of bytes between proxies of the mesh. */
export const BYTES_PROTOCOL = "mesh/tcp";

/** A peer has this long to reach its app: longer than it takes itself to give up. */
const REACH_MS = 10_000;

/** What one worker needs to serve connections, beside what requests need. */
export interface ConnectionSettings {
  readonly mesh: Mesh;
  readonly recorder: ConnectionRecorder;
  readonly onClose: (connection: Connection) => void;
}

export interface ConnectionOptions {
  readonly wire: Wire;
  readonly facts: ConnectionFacts;
  /** Null: none takes it, and it is refused, unless its cluster is known already. */
  readonly rule?: Rule | null;
  readonly cluster?: Cluster;
  readonly words?: Words;
}

/** How the downstream learns what became of its upstream, where its protocol has words for it. */
export interface Words {
  /** Said when the upstream is there, in front of its bytes. */
  readonly connected: Buffer | null;
  /** Said before the end where there is none. Absent: a reset says it. */
  readonly refused?: (failure: unknown) => Buffer;
}

export const NO_WORDS: Words = Object.freeze({ connected: null });

/**
 * A connection whose content is not read, from its rule to its record:
 * balance → connect → copy. Another endpoint is tried as long as nothing has
 * reached the one before.
 */
export class Connection implements RelayOwner, DialOutcome, Recorded {
  readonly transport = "tcp";
  readonly connection: ConnectionFacts;
  readonly relay: Relay;
  readonly rule: Rule | null;
  readonly startedAt: number;
  readonly revision: string;
  cluster: Cluster | null = null;
  endpoint: Endpoint | null = null;
  attempts = 0;
  /** What the downstream sent has arrived, or would have. */
  isReached = false;
  /** Index in RESPONSE_FLAGS. */
  flag = 0;
  detail = "";
  readonly #settings: ConnectionSettings;
  readonly #words: Words;
  #previous: Endpoint | null = null;
  #attemptAt = 0;
  #attemptOpen = false;
  #isRefused = false;

  constructor(options: ConnectionOptions, settings: ConnectionSettings) {
    const { mesh } = settings;
    const { wire, facts, words = NO_WORDS } = options;
    this.connection = facts;
    this.rule = options.rule ?? null;
    this.cluster = options.cluster ?? null;
    this.revision = mesh.snapshot.revision;
    this.#settings = settings;
    this.#words = words;
    this.relay = new Relay(wire, this, {
      deadlines: mesh.deadlines,
      idleTimeoutMs: mesh.waits.tunnelIdleMs,
      reachTimeoutMs: REACH_MS,
    });
    this.startedAt = mesh.deadlines.recent;
  }

  get received(): number {
    return this.relay.received;
  }
  get sent(): number {
    return this.relay.sent;
  }

  /** Who answers the events of the downstream's socket. */
  get owner(): WireOwner {
    return this.relay.downstream;
  }

  begin(): void {
    this.#try(() => {
      if (this.rule === null && this.cluster === null)
        throw new NoRoute("Cannot route the connection: no rule takes it");
      this.#attempt();
    });
  }

  /** A connection has no place between two requests: a drain waits until it is over. */
  drain(): void {}

  /** Ends it now. */
  destroy(): void {
    this.relay.abort(Ending.Refused);
  }

  #attempt(): void {
    const { mesh } = this.#settings;
    const { now } = mesh.deadlines;
    this.cluster ??= this.#choose(this.rule!);
    const { idleMs } = this.cluster.state.timeouts;
    if (idleMs !== undefined) this.relay.limitIdle(idleMs);
    if (this.attempts === 0) this.cluster.state.budget.deposit(now);
    const endpoint = chooseEndpoint(this.cluster, this.#previous, this.connection.remoteHost, mesh);
    begin(endpoint);
    this.endpoint = endpoint;
    this.attempts++;
    this.#attemptAt = now;
    this.#attemptOpen = true;
    const { secure, serverName } = this.connection;
    // A name that was read where no TLS ends: the client's own TLS passes through.
    mesh.upstream.open(endpoint, !secure && serverName !== "", this);
  }

  #choose(rule: Rule): Cluster {
    const cluster = rule.pickBackend(this.#settings.mesh.random)?.cluster ?? null;
    if (cluster === null) throw new NoBackend(`Cannot choose a backend of rule "${rule.id}": it has none that exists`);
    return cluster;
  }

  // ---- what becomes of a dial ----

  opened(wire: Wire, protocol: string | null): WireOwner {
    const endpoint = this.endpoint!;
    if (!this.relay.isWanted) {
      wire.terminate();
      this.#finish(Outcome.Cancelled);
      return NOBODY;
    }
    if (endpoint.identity !== null && protocol !== BYTES_PROTOCOL) {
      wire.terminate();
      this.#failed(new UntrustedPeer(`Cannot use ${endpoint.authority}: it does not speak ${BYTES_PROTOCOL}`));
      return NOBODY;
    }
    return this.relay.join(wire, endpoint.identity !== null);
  }

  reached(): void {
    this.isReached = true;
    // As an attempt it is over and was good; as a connection it goes on being counted.
    this.#finish(Outcome.Success);
    begin(this.endpoint!);
    this.#attemptOpen = true;
    if (this.#words.connected !== null) this.relay.greet(this.#words.connected);
    this.#settings.recorder.opened(this);
  }

  failed(failure: DialFailure, problem: string): void {
    const Failure = failure === DialFailure.Untrusted ? UntrustedPeer : ConnectFailed;
    this.#failed(new Failure(`Cannot connect to ${this.endpoint!.authority}: ${problem}`));
  }

  unreached(_relay: Relay, problem: string): void {
    this.#failed(new ConnectFailed(`Cannot reach the app behind ${this.endpoint!.authority}: ${problem}`));
  }

  #failed(failure: Error): void {
    this.#finish(Outcome.ConnectFailed);
    if (!this.relay.isWanted) return;
    this.#try(() => {
      const { deadlines, metrics } = this.#settings.mesh;
      const cluster = this.cluster!;
      const may = this.attempts < MAX_ATTEMPTS && cluster.state.budget.withdraw(deadlines.now);
      metrics.retries.with(cluster.name, may ? "made" : "refused", "connect-failure").add();
      if (!may) throw failure;
      this.#previous = this.endpoint;
      this.#attempt();
    });
  }

  /** Ends the attempt at the balancer, once. */
  #finish(outcome: Outcome): void {
    if (!this.#attemptOpen || this.endpoint === null) return;
    this.#attemptOpen = false;
    const { now } = this.#settings.mesh.deadlines;
    finish(this.endpoint, outcome === Outcome.Cancelled ? 0 : now - this.#attemptAt, now, outcome);
  }

  #try(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.#refuse(error);
    }
  }

  /** The reason is for the record, and for who can be told: bytes have no words. */
  #refuse(error: unknown): void {
    const { flag, reason } = flagOfFailure(error, this.#settings.mesh);
    this.#isRefused = true;
    this.flag = flag;
    this.detail = reason;
    this.relay.refuse(this.isReached ? null : (this.#words.refused?.(error) ?? null));
  }

  // ---- the end ----

  over(relay: Relay): void {
    this.#finish(Outcome.Cancelled);
    if (!this.#isRefused) this.#judge(relay.ending);
    try {
      this.#settings.recorder.record(this);
    } catch (error) {
      reportBug(error, this.#settings.mesh);
    }
    this.#settings.onClose(this);
  }

  #judge(ending: Ending): void {
    const found = ENDINGS[ending];
    if (found === undefined) return;
    this.flag = RESPONSE_FLAGS.indexOf(found.flag);
    this.detail = found.detail;
  }
}

/**
 * An endpoint for bytes of a client.
 *
 * @throws {NoHealthyEndpoint} and {Overflow}
 */
export function chooseEndpoint(cluster: Cluster, previous: Endpoint | null, source: string, mesh: Mesh): Endpoint {
  // Of what a hash may be made of, only the address is there without reading the content.
  const hashes = cluster.hash?.some(({ type }) => type === "SourceAddress") ?? false;
  const hash = hashes ? ofText(source) : NO_HASH;
  const endpoint = pick(cluster, mesh.random, mesh.deadlines.recent, previous, hash);
  if (endpoint === null)
    throw new NoHealthyEndpoint(
      `Cannot pick an endpoint of "${cluster.name}": it has ${cluster.endpoints.length}, none with a weight`,
    );
  const { connectionsPerEndpoint: most = Number.POSITIVE_INFINITY } = endpoint.home.limits;
  if (endpoint.inflight < most) return endpoint;
  throw new Overflow(
    `Cannot use ${endpoint.authority}: it has ${most} connections of this proxy, and may have no more`,
  );
}

const ENDINGS: Partial<Record<Ending, { readonly flag: (typeof RESPONSE_FLAGS)[number]; readonly detail: string }>> = {
  [Ending.DownstreamBroke]: { flag: "DC", detail: "the downstream reset the connection" },
  [Ending.UpstreamBroke]: { flag: "UC", detail: "the upstream reset the connection" },
  [Ending.Idle]: { flag: "SI", detail: "no byte has moved for too long" },
  [Ending.Refused]: { flag: "OM", detail: "the proxy ended the connection" },
};

/** Stands for the owner of a socket that is being ended. */
const NOBODY: WireOwner = { received() {}, writable() {}, peerEnded() {}, closed() {} };
