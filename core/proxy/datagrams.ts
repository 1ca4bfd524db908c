import { Deadline } from "../base/mod.ts";
import { begin, type Cluster, type Endpoint, finish, Outcome } from "../cluster/mod.ts";
import {
  type ConnectionFacts,
  type ConnectionLimit,
  type DatagramListener,
  type DatagramPeer,
  openPeer,
} from "../listener/mod.ts";
import type { ConnectionRules, Rule } from "../route/mod.ts";
import { RESPONSE_FLAGS } from "../telemetry/mod.ts";
import { chooseEndpoint } from "./connection.ts";
import type { ConnectionRecorder, Recorded } from "./connection-record.ts";
import { NoBackend, NoRoute } from "./failure.ts";
import type { Mesh } from "./mesh.ts";
import { flagOfFailure } from "./rescue.ts";

/** A client that has said and heard nothing for so long is another one when it comes back. */
const IDLE_MS = 60_000;
/** Sessions of one listener: each holds a descriptor. */
const MAX_SESSIONS = 4_096;

/** Where the datagrams of a listener go: its rules, or why there are none. */
export interface DatagramWay {
  readonly direction: ConnectionFacts["direction"];
  rules(mesh: Mesh): ConnectionRules | string;
}

export interface DatagramsOptions {
  readonly mesh: Mesh;
  readonly recorder: ConnectionRecorder;
  readonly way: DatagramWay;
  readonly limit: ConnectionLimit;
  readonly bug: (error: unknown) => void;
}

/**
 * The datagrams of one listener. A client, known by its address and port, has a
 * session: an endpoint chosen once, and a socket of its own, by which answers
 * are known to be for it. Nothing waits: what cannot go on at once is lost, as
 * datagrams are.
 */
export class Datagrams {
  readonly #options: DatagramsOptions;
  /** By address and port of the client. */
  readonly #sessions = new Map<string, Map<number, Session>>();
  #listener: DatagramListener | null = null;
  #count = 0;

  constructor(options: DatagramsOptions) {
    this.#options = options;
  }

  get sessions(): number {
    return this.#count;
  }

  /** The listener whose datagrams come to `received`; answers go out by it. */
  attach(listener: DatagramListener): void {
    this.#listener = listener;
  }

  received(bytes: Buffer, port: number, address: string): void {
    const session = this.#session(port, address);
    if (session === null) return;
    const { metrics } = this.#options.mesh;
    const { direction } = this.#options.way;
    if (session.forward(bytes)) metrics.datagrams.with(direction, "upstream").add();
    else metrics.datagramsDropped.with(direction, "the upstream's socket is full").add();
  }

  #session(port: number, address: string): Session | null {
    const known = this.#sessions.get(address)?.get(port);
    if (known?.isCurrent === true) return known;
    known?.end(Outcome.Cancelled);
    return this.#begin(port, address);
  }

  #begin(port: number, address: string): Session | null {
    const { mesh, way, limit } = this.#options;
    // A sender can be made up: half of what may be open is left to connections, which cannot.
    const most = Math.min(MAX_SESSIONS, Math.max(1, limit.max >> 1));
    if (this.#count >= most || limit.open >= limit.max) return this.#drop("too many sessions");
    const rules = way.rules(mesh);
    if (typeof rules === "string") return this.#drop(rules);
    const session = new Session(this, this.#factsOf(port, address), rules.find(""), port);
    this.#keep(session);
    return session.open() ? session : null;
  }

  #drop(reason: string): null {
    this.#options.mesh.metrics.datagramsDropped.with(this.#options.way.direction, reason).add();
    return null;
  }

  #factsOf(port: number, address: string): ConnectionFacts {
    const { name, hostname, port: own } = this.#listener!;
    return {
      ...{ listener: name, direction: this.#options.way.direction, peer: null, secure: false },
      ...{ remoteHost: address, remoteAddress: `${address}:${port}`, localAddress: `${hostname}:${own}` },
      ...{ serverName: "", protocol: "" },
    };
  }

  #keep(session: Session): void {
    const { remoteHost } = session.connection;
    const { mesh, limit, way } = this.#options;
    const ports = this.#sessions.get(remoteHost);
    if (ports === undefined) this.#sessions.set(remoteHost, new Map([[session.port, session]]));
    else ports.set(session.port, session);
    this.#count++;
    limit.open++;
    mesh.metrics.sessions.with(way.direction).add();
    mesh.metrics.sessionsOpen.with(way.direction).add(1);
  }

  /** Ends all sessions; the listener takes no more. */
  stop(): void {
    this.#listener?.stop();
    for (const ports of [...this.#sessions.values()])
      for (const session of [...ports.values()]) session.end(Outcome.Cancelled);
  }

  // ---- what a session asks and tells ----

  get mesh(): Mesh {
    return this.#options.mesh;
  }
  get bug(): (error: unknown) => void {
    return this.#options.bug;
  }

  answer(session: Session, bytes: Buffer): boolean {
    const { metrics } = this.#options.mesh;
    const { direction } = this.#options.way;
    const isSent = this.#listener!.send(bytes, session.port, session.connection.remoteHost);
    if (isSent) metrics.datagrams.with(direction, "downstream").add();
    else metrics.datagramsDropped.with(direction, "the listener's socket is full").add();
    return isSent;
  }

  ended(session: Session): void {
    const { remoteHost } = session.connection;
    const ports = this.#sessions.get(remoteHost);
    ports?.delete(session.port);
    if (ports?.size === 0) this.#sessions.delete(remoteHost);
    this.#count--;
    this.#options.limit.open--;
    this.#options.mesh.metrics.sessionsOpen.with(this.#options.way.direction).add(-1);
    this.#options.recorder.record(session);
  }
}

/** What one client says and hears. */
class Session extends Deadline implements Recorded {
  readonly transport = "udp";
  readonly connection: ConnectionFacts;
  readonly rule: Rule | null;
  readonly port: number;
  readonly startedAt: number;
  readonly revision: string;
  cluster: Cluster | null = null;
  endpoint: Endpoint | null = null;
  attempts = 0;
  isReached = false;
  flag = 0;
  detail = "";
  received = 0;
  sent = 0;
  readonly #all: Datagrams;
  #peer: DatagramPeer | null = null;
  #movedAt: number;
  #isOver = false;

  constructor(all: Datagrams, facts: ConnectionFacts, rule: Rule | null, port: number) {
    super();
    const { snapshot, deadlines } = all.mesh;
    this.#all = all;
    this.connection = facts;
    this.rule = rule;
    this.port = port;
    this.revision = snapshot.revision;
    this.startedAt = this.#movedAt = deadlines.now;
  }

  /** Its endpoint is still one of its cluster's. */
  get isCurrent(): boolean {
    return this.endpoint?.member === true;
  }

  /** False where it has come to nothing; it is recorded then. */
  open(): boolean {
    const { mesh } = this.#all;
    try {
      if (this.rule === null) throw new NoRoute("Cannot route the datagram: no rule takes it");
      this.cluster = this.rule.pickBackend(mesh.random)?.cluster ?? null;
      if (this.cluster === null) throw new NoBackend(`Cannot choose a backend of rule "${this.rule.id}"`);
      const endpoint = chooseEndpoint(this.cluster, null, this.connection.remoteHost, mesh);
      begin(endpoint);
      this.endpoint = endpoint;
      this.attempts = 1;
      this.#connect(endpoint);
      mesh.deadlines.set(this, IDLE_MS);
      return true;
    } catch (error) {
      this.#refuse(error);
      return false;
    }
  }

  #connect({ address, port }: Endpoint): void {
    this.#peer = openPeer({
      ...{ address, port, bug: this.#all.bug },
      received: (bytes) => this.#answered(bytes),
      failed: (problem) => this.#failed(problem),
    });
  }

  #refuse(error: unknown): void {
    const { flag, reason } = flagOfFailure(error, this.#all.mesh);
    this.flag = flag;
    this.detail = reason;
    this.end(Outcome.Cancelled);
  }

  forward(bytes: Buffer): boolean {
    this.#movedAt = this.#all.mesh.deadlines.recent;
    if (this.#peer?.send(bytes) !== true) return false;
    this.received += bytes.length;
    return true;
  }

  #answered(bytes: Buffer): void {
    if (this.#isOver) return;
    this.#movedAt = this.#all.mesh.deadlines.recent;
    this.isReached = true;
    if (this.#all.answer(this, bytes)) this.sent += bytes.length;
  }

  /** Nobody is there: what the client sends next goes to whoever is chosen then. */
  #failed(problem: string): void {
    this.flag = RESPONSE_FLAGS.indexOf("UF");
    this.detail = `Cannot reach ${this.endpoint!.authority}: ${problem}`;
    this.end(Outcome.ConnectFailed);
  }

  override expire(): void {
    const { deadlines } = this.#all.mesh;
    const { now } = deadlines;
    const left = this.#movedAt + IDLE_MS - now;
    if (left > 0) deadlines.set(this, left, now);
    else this.end(this.isReached ? Outcome.Success : Outcome.Cancelled);
  }

  end(outcome: Outcome): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const { deadlines } = this.#all.mesh;
    deadlines.clear(this);
    this.#peer?.close();
    if (this.endpoint !== null) finish(this.endpoint, 0, deadlines.now, outcome);
    this.#all.ended(this);
  }
}
