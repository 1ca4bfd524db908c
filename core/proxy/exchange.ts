import { Deadline, NO_BYTES } from "../base/mod.ts";
import type { Cluster, Endpoint, Turns, TurnTaker } from "../cluster/mod.ts";
import { type ClientStream, type Edits, Exchange, type ServerStream } from "../http/mod.ts";
import type { HeaderChanges, Plugin, Verdict } from "../plugin/mod.ts";
import type { Filterable, Permitted } from "../policy/mod.ts";
import type { Fault, RuleBackend, SessionToken } from "../route/mod.ts";
import type { RouteEntry, Snapshot } from "../snapshot/mod.ts";
import type { DialFailure, Waiter } from "../upstream/mod.ts";
import { Beside } from "./beside.ts";
import type { Way } from "./way.ts";

/** How far an exchange has come. */
export const Stage = {
  Free: 0,
  /** Waits for discovery or a name. */
  Routing: 1,
  /** Waits for `resumeAt`: a fault on purpose, or the pause before another attempt. */
  Pausing: 2,
  /** Waits for a connection. */
  Connecting: 3,
  /** The request is on its way. */
  Forwarding: 4,
  /** The response has begun. */
  Responding: 5,
  /** Answered or given up; only the record is left. */
  Over: 6,
} as const;
export type Stage = (typeof Stage)[keyof typeof Stage];

/** What the flow of an exchange calls back into. */
export interface Flow {
  turnCame(exchange: MeshExchange): void;
  connected(exchange: MeshExchange, connection: ClientStream): void;
  connectFailed(exchange: MeshExchange, failure: DialFailure, problem: string): void;
  /** The request has gone on for the first time: its mirrors may see it. */
  mirror(exchange: MeshExchange): void;
  expired(exchange: MeshExchange): void;
}

const NO_POLICIES: readonly Plugin[] = Object.freeze([]);

class ExchangeTimer extends Deadline {
  readonly #exchange: MeshExchange;
  constructor(exchange: MeshExchange) {
    super();
    this.#exchange = exchange;
  }
  override expire(): void {
    this.#exchange.flow.expired(this.#exchange);
  }
}

/**
 * Everything the mesh knows of one request. It is taken from a free list and
 * put back behind its record: whoever waits outside of it compares
 * `generation` before touching it again.
 */
export class MeshExchange extends Exchange implements Waiter, TurnTaker, Filterable {
  readonly flow: Flow;
  readonly timer: Deadline;
  generation = 0;
  stage: Stage = Stage.Free;

  // accept, decode
  way: Way | null = null;
  /** Time of the head; monotonic, ms. */
  startedAt = 0;
  /** Last time a byte moved, as near as the deadlines know it; monotonic. */
  movedAt = 0;
  requestBytes = 0;
  /** A gRPC call, by its content type. */
  isGrpc = false;
  /** How long the caller of a gRPC call waits, ms; 0 where it did not say. */
  callTimeoutMs = 0;
  /** `grpc-status` of the response; -1 without one. */
  grpcStatus = -1;
  /** 36 bytes of a UUID; valid where `requestIdMade`. */
  readonly requestId: Buffer = Buffer.alloc(36);
  requestIdMade = false;

  // route
  snapshot: Snapshot | null = null;
  entry: RouteEntry | null = null;
  /** Listener of a gateway that the request's host chose; "" where the connection's is all there is to say. */
  listener = "";
  /** Port of the Service or of the gateway's listener; 0 where there is none. */
  port = 0;
  /** `<namespace>/<name>` of the service that is called; set for the policies. */
  service = "";

  // filterRequest
  changes: HeaderChanges | null = null;
  destination = "";
  router: Plugin | null = null;
  policy = "";
  refusal: Verdict | null = null;
  /** This exchange, once every policy has let it through: what another attempt needs. */
  permitted: (MeshExchange & Permitted) | null = null;

  // faults, pauses
  /** Fault that aborts the exchange when its delay is over. */
  fault: Fault | null = null;
  /** When a pause ends; monotonic. */
  resumeAt = 0;

  // balance, connect, forward
  /** What the client says of its session; null without one. */
  session: SessionToken | null = null;
  /** Where its session is, for the first attempt. */
  pinned: Endpoint | null = null;
  /** Value of the cookie that is set so that the client comes back to its endpoint; "" without one. */
  cookie = "";
  /** Where its cluster limits requests and it has its turn. */
  turns: Turns | null = null;
  /** Where it waits for its turn. */
  queue: Turns | null = null;
  backend: RuleBackend | null = null;
  cluster: Cluster | null = null;
  endpoint: Endpoint | null = null;
  /** Where the attempt before went. */
  previous: Endpoint | null = null;
  attempts = 0;
  attemptAt = 0;
  /** The balancer counts the attempt as in flight. */
  attemptOpen = false;
  /** Of the response's head; monotonic, 0 before. */
  answeredAt = 0;
  /** Pieces of the body already forwarded, for another attempt; null where none is possible. */
  replay: Buffer[] | null = null;
  replayBytes = 0;
  bodySent = false;
  /** 101 or CONNECT: what follows are bytes, and each side ends by itself. */
  tunnelled = false;
  upstreamEnded = false;

  /** The response has come, but goes on only when it is known whether the call has failed. */
  held = false;
  /** What this hop says in the response beside what the rule edits. */
  said: Edits | null = null;

  // copies
  /** A copy of another's request, which was permitted with it; nobody records it. */
  isCopy = false;
  /** Mirrors and attempts beside its own; null without any. */
  beside: Beside | null = null;

  // rescue, record
  /** No further attempt was allowed by the rule's own retries. */
  exhausted = false;
  /** Index in RESPONSE_FLAGS. */
  flag = 0;
  detail = "";
  /** Status the downstream was told; 0 for none. */
  status = 0;

  constructor(flow: Flow) {
    super();
    this.flow = flow;
    this.timer = new ExchangeTimer(this);
  }

  // ---- what policies learn ----

  get policies(): readonly Plugin[] {
    return this.entry === null || this.isCopy ? NO_POLICIES : this.entry.policies;
  }
  get peer(): string | null {
    return this.downstream!.connection.peer;
  }
  get address(): string {
    const { remoteHost } = this.downstream!.connection;
    return this.way?.proxies?.clientOf(this.request, remoteHost) ?? remoteHost;
  }
  get route(): string {
    return this.entry?.rule.id ?? "";
  }

  // ---- what the pool asks and tells ----

  get needsHttp2(): boolean {
    return this.isGrpc;
  }

  connected(connection: ClientStream): void {
    this.flow.connected(this, connection);
  }

  turnCame(): void {
    this.flow.turnCame(this);
  }

  connectFailed(failure: DialFailure, problem: string): void {
    this.flow.connectFailed(this, failure, problem);
  }

  /** What goes on beside it, from here on. */
  company(): Beside {
    this.beside ??= new Beside();
    return this.beside;
  }

  /** Takes over what is known of another's request, for an attempt of its own. */
  copyFrom(from: MeshExchange, stream: ServerStream): void {
    this.isCopy = true;
    this.request.copyFrom(from.request);
    this.downstream = stream;
    this.way = from.way;
    this.startedAt = from.startedAt;
    this.movedAt = from.movedAt;
    this.isGrpc = from.isGrpc;
    this.callTimeoutMs = from.callTimeoutMs;
    this.requestIdMade = from.requestIdMade;
    from.requestId.copy(this.requestId);
    this.snapshot = from.snapshot;
    this.entry = from.entry;
    this.changes = from.changes;
    this.backend = from.backend;
    this.cluster = from.cluster;
    this.target = from.target;
    this.bodySent = true;
  }

  /** Back to what a new exchange is; the heads are reset by the next parse. */
  clear(): void {
    this.generation++;
    this.stage = Stage.Free;
    this.downstream = null;
    this.upstream = null;
    this.request.bytes = NO_BYTES;
    this.response.bytes = NO_BYTES;
    this.way = null;
    this.requestBytes = 0;
    this.isGrpc = false;
    this.callTimeoutMs = 0;
    this.grpcStatus = -1;
    this.requestIdMade = false;
    this.snapshot = null;
    this.entry = null;
    this.listener = "";
    this.port = 0;
    this.service = "";
    this.changes = null;
    this.destination = "";
    this.policy = "";
    this.router = null;
    this.refusal = null;
    this.permitted = null;
    this.fault = null;
    this.resumeAt = 0;
    this.session = null;
    this.pinned = null;
    this.held = false;
    this.said = null;
    this.isCopy = false;
    this.beside = null;
    this.exhausted = false;
    this.target = null;
    this.cookie = "";
    this.turns = null;
    this.queue = null;
    this.backend = null;
    this.cluster = null;
    this.endpoint = null;
    this.previous = null;
    this.attempts = 0;
    this.attemptOpen = false;
    this.answeredAt = 0;
    this.replay = null;
    this.replayBytes = 0;
    this.bodySent = false;
    this.tunnelled = false;
    this.upstreamEnded = false;
    this.flag = 0;
    this.detail = "";
    this.status = 0;
  }
}
