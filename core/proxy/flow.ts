import { finish, Outcome } from "../cluster/mod.ts";
import {
  type ClientStream,
  Field,
  type Fields,
  Method,
  type RequestHandler,
  type ResponseHandler,
  type ServerStream,
  type Trailers,
  UpstreamFailure,
} from "../http/mod.ts";
import { filterRequest } from "../policy/mod.ts";
import type { RetryPolicy } from "../route/mod.ts";
import { RESPONSE_FLAGS } from "../telemetry/mod.ts";
import { DialFailure } from "../upstream/mod.ts";
import { Downstream } from "./downstream.ts";
import { type Flow, MeshExchange, Stage } from "./exchange.ts";
import {
  AttemptTimeout,
  ConnectFailed,
  MalformedRequest,
  MalformedResponse,
  UntrustedPeer,
  UpstreamReset,
} from "./failure.ts";
import { aborted } from "./fault.ts";
import { forward, forwardBody } from "./forward.ts";
import { GrpcStatus, grpcStatusIn, grpcTimeoutMs, isGrpc, outcomeFor } from "./grpc.ts";
import { type HedgeFlow, Hedges, hedgeDeadline } from "./hedge.ts";
import { heed } from "./heed.ts";
import type { Mesh } from "./mesh.ts";
import { type MirrorFlow, Mirrors } from "./mirror.ts";
import { reportBug, rescue } from "./rescue.ts";
import { askAgain, isBodyLost, policyOf, type RetryCause } from "./retry.ts";
import { attempt, connect, serve } from "./serve.ts";
import { tellSession } from "./session.ts";
import { armTimer, expiredWait } from "./timing.ts";
import { leaveTurn, turnMissed } from "./turn.ts";
import type { Way } from "./way.ts";

/** Exchanges kept for reuse, per worker. */
const MAX_FREE = 256;

/**
 * What happens to an exchange between the stages of `serve`: the codecs' events
 * of both sides, its timer, and its connection. Each event finds the exchange
 * in a stage, does one thing, and returns.
 */
export class Serving implements ResponseHandler, Flow, MirrorFlow, HedgeFlow {
  readonly #mesh: Mesh;
  readonly #free: MeshExchange[] = [];
  readonly #mirrors: Mirrors;
  readonly #hedges: Hedges;
  /** Exchanges under way: what a drain waits for. */
  active = 0;

  constructor(mesh: Mesh) {
    this.#mesh = mesh;
    this.#mirrors = new Mirrors(this, mesh);
    this.#hedges = new Hedges(this, mesh);
  }

  /** The downstream events of a listener. */
  handler(way: Way): RequestHandler {
    return new Downstream(this, way);
  }

  // ---- downstream ----

  begin(stream: ServerStream, way: Way): MeshExchange {
    const exchange = this.#free.pop() ?? new MeshExchange(this);
    exchange.downstream = stream;
    exchange.way = way;
    return exchange;
  }

  request(exchange: MeshExchange): void {
    const { now } = this.#mesh.deadlines;
    this.active++;
    exchange.startedAt = exchange.movedAt = now;
    exchange.bodySent = exchange.downstream!.requestComplete;
    if (isGrpc(exchange.request)) {
      exchange.isGrpc = true;
      exchange.callTimeoutMs = grpcTimeoutMs(exchange.request);
    }
    const { generation } = exchange;
    serve(exchange, this.#mesh);
    this.#arm(exchange, generation, now);
  }

  /** Goes on with an exchange that waited for its route, where it still does: `generation` is that of its wait. */
  resume(exchange: MeshExchange, generation: number): void {
    if (!isParked(exchange, generation)) return;
    serve(exchange, this.#mesh);
    this.#arm(exchange, generation, this.#mesh.deadlines.now);
  }

  /** Fails an exchange that waited for its route, where it still does. */
  giveUp(exchange: MeshExchange, generation: number, failure: unknown): void {
    if (isParked(exchange, generation)) this.rescue(failure, exchange);
  }

  #arm(exchange: MeshExchange, generation: number, now: number): void {
    if (exchange.generation !== generation || exchange.stage === Stage.Over) return;
    armTimer(exchange, this.#mesh.deadlines, this.#mesh.waits, now);
  }

  requestBody(exchange: MeshExchange, bytes: Buffer, start: number, end: number): void {
    exchange.movedAt = this.#mesh.deadlines.recent;
    forwardBody(exchange, bytes, start, end);
  }

  requestEnd(exchange: MeshExchange, trailers: Trailers | null): void {
    exchange.bodySent = true;
    exchange.movedAt = this.#mesh.deadlines.recent;
    exchange.beside?.mirrored?.finish();
    // A repetition could not carry them.
    if (trailers !== null) exchange.replay = null;
    exchange.upstream?.finish(trailers);
    // From here on it is the response that is waited for.
    if (exchange.stage < Stage.Responding) this.#arm(exchange, exchange.generation, exchange.movedAt);
  }

  malformed(exchange: MeshExchange, status: number, problem: string): void {
    if (exchange.stage === Stage.Free) {
      this.active++;
      exchange.startedAt = this.#mesh.deadlines.now;
      exchange.snapshot = this.#mesh.snapshot;
    }
    this.abandon(exchange, Outcome.Cancelled);
    this.rescue(new MalformedRequest(status, problem), exchange);
  }

  gone(exchange: MeshExchange, problem: string): void {
    if (exchange.stage === Stage.Free) return;
    const whole = exchange.tunnelled && exchange.upstreamEnded && exchange.bodySent;
    if (whole) exchange.upstream?.leave();
    this.abandon(exchange, Outcome.Cancelled);
    if (!whole && (exchange.flag === 0 || exchange.flag === DELAYED)) {
      exchange.flag = DOWNSTREAM_GONE;
      exchange.detail = problem;
    }
    exchange.stage = Stage.Over;
    exchange.downstream!.abort();
  }

  ended(exchange: MeshExchange): void {
    if (exchange.stage !== Stage.Free) {
      this.#mesh.deadlines.clear(exchange.timer);
      this.abandon(exchange, Outcome.Cancelled);
      exchange.beside?.mirrored?.abandon();
      if (!exchange.isCopy) {
        this.active--;
        this.#record(exchange);
      }
      if (exchange.turns !== null || exchange.queue !== null) leaveTurn(exchange);
    }
    exchange.clear();
    if (this.#free.length < MAX_FREE) this.#free.push(exchange);
  }

  /** The exchange is over, and no request: what it came on is served as something else. */
  leave(exchange: MeshExchange): void {
    this.#mesh.deadlines.clear(exchange.timer);
    this.active--;
    exchange.stage = Stage.Free;
  }

  /** The connection goes on whatever becomes of its record. */
  #record(exchange: MeshExchange): void {
    try {
      this.#mesh.recorder.record(exchange, this.#mesh.deadlines.now);
    } catch (error) {
      reportBug(error, this.#mesh);
    }
  }

  // ---- copies ----

  mirror(exchange: MeshExchange): void {
    if (exchange.isCopy || exchange.company().isMirrored) return;
    exchange.company().isMirrored = true;
    this.#mirrors.begin(exchange);
  }

  copyFor(exchange: MeshExchange, stream: ServerStream): MeshExchange {
    const copy = this.#free.pop() ?? new MeshExchange(this);
    copy.copyFrom(exchange, stream);
    copy.stage = Stage.Routing;
    return copy;
  }

  /** A copy's attempt: what was permitted once is permitted, and no policy runs again. */
  serveCopy(copy: MeshExchange): void {
    const { generation } = copy;
    const { recent } = this.#mesh.deadlines;
    copy.movedAt = recent;
    copy.permitted = filterRequest(copy);
    this.#attempt(copy);
    this.#arm(copy, generation, recent);
  }

  // ---- the connection ----

  connected(exchange: MeshExchange, connection: ClientStream): void {
    const { generation } = exchange;
    try {
      forward(exchange, connection, this.#mesh);
    } catch (error) {
      rescue(error, exchange, generation, this.#mesh);
    }
  }

  /** Its cluster has room for it, unless it has ended while it waited: then `ended` gives the turn on. */
  turnCame(exchange: MeshExchange): void {
    exchange.turns = exchange.queue;
    exchange.queue = null;
    if (exchange.stage !== Stage.Pausing) return;
    const { generation } = exchange;
    const { now } = this.#mesh.deadlines;
    exchange.movedAt = now;
    try {
      connect(exchange.permitted!, this.#mesh);
    } catch (error) {
      rescue(error, exchange, generation, this.#mesh);
    }
    this.#arm(exchange, generation, now);
  }

  connectFailed(exchange: MeshExchange, failure: DialFailure, problem: string): void {
    const endpoint = exchange.endpoint!;
    this.finish(exchange, Outcome.ConnectFailed);
    const Failure = failure === DialFailure.Untrusted ? UntrustedPeer : ConnectFailed;
    const error = new Failure(`Cannot connect to ${endpoint.authority}: ${problem}`);
    this.retryOr(exchange, "connect-failure", false, error);
  }

  /** Another attempt where that is safe, else the failure. */
  retryOr(exchange: MeshExchange, cause: RetryCause, sent: boolean, failure: Error): void {
    if (this.#hedges.await(exchange, { cause, sent, failure })) {
      // It may be its own deadline that brought it here.
      this.#arm(exchange, exchange.generation, this.#mesh.deadlines.recent);
      return;
    }
    const pauseMs = askAgain(exchange, cause, sent, this.#mesh);
    if (pauseMs < 0) this.rescue(failure, exchange);
    else this.#again(exchange, pauseMs);
  }

  #again(exchange: MeshExchange, pauseMs: number): void {
    const { recent } = this.#mesh.deadlines;
    if (exchange.beside !== null) this.#hedges.end(exchange);
    exchange.previous = exchange.endpoint;
    exchange.answeredAt = 0;
    exchange.held = false;
    if (!exchange.bodySent) exchange.downstream!.pauseBody();
    const { generation } = exchange;
    if (pauseMs === 0) this.#attempt(exchange);
    else {
      exchange.stage = Stage.Pausing;
      exchange.resumeAt = recent + pauseMs;
    }
    this.#arm(exchange, generation, recent);
  }

  #attempt(exchange: MeshExchange): void {
    const { generation } = exchange;
    try {
      attempt(exchange.permitted!, this.#mesh);
    } catch (error) {
      rescue(error, exchange, generation, this.#mesh);
    }
  }

  /** A pause is over: what is left of a fault, or the next attempt. */
  #goOn(exchange: MeshExchange): void {
    const { recent } = this.#mesh.deadlines;
    const { generation } = exchange;
    exchange.movedAt = recent;
    if (exchange.queue !== null) {
      this.rescue(turnMissed(exchange), exchange);
      return;
    }
    if (exchange.attempts === 0 && aborted(exchange)) return;
    this.#attempt(exchange);
    this.#arm(exchange, generation, recent);
  }

  // ---- upstream ----

  downstreamDrained(exchange: MeshExchange): void {
    exchange.movedAt = this.#mesh.deadlines.recent;
    exchange.upstream?.readBody();
  }

  informed(exchange: MeshExchange): void {
    const downstream = exchange.downstream!;
    exchange.movedAt = this.#mesh.deadlines.recent;
    downstream.inform(exchange);
    if (downstream.blocked) exchange.upstream?.pauseBody();
  }

  response(exchange: MeshExchange): void {
    if (exchange.beside !== null && exchange.beside.racesFor !== null) {
      this.#hedges.answered(exchange);
      return;
    }
    const { response } = exchange;
    if ((response.status === 503 || exchange.isGrpc) && isTold(exchange, Field.MeshUnsent)) {
      this.#unsent(exchange);
      return;
    }
    exchange.answeredAt = exchange.movedAt = this.#mesh.deadlines.now;
    const grpcStatus = grpcStatusOf(exchange, response);
    if (response.status === 429 || grpcStatus > 0) heed(exchange, response, grpcStatus, this.#mesh);
    const policy = policyOf(exchange);
    if (policy === null) this.#respond(exchange);
    else if (!this.#isTriedAgain(exchange, policy, grpcStatus, response)) {
      // A call may have failed without a word: its trailers tell. Who still talks may wait for the head.
      exchange.held = policy.readsCalls && exchange.isGrpc && exchange.bodySent && response.find(Field.GrpcStatus) < 0;
      if (!exchange.held) this.#respond(exchange);
    }
  }

  /** What it waits for from here on is the answer of another attempt. */
  won(exchange: MeshExchange): void {
    const { generation } = exchange;
    this.response(exchange);
    this.#arm(exchange, generation, this.#mesh.deadlines.recent);
  }

  /** Another attempt is made instead of passing on what the rule takes for no answer. */
  #isTriedAgain(exchange: MeshExchange, policy: RetryPolicy, grpcStatus: number, answer: Fields): boolean {
    const { status } = exchange.response;
    const cause = causeIn(exchange, policy, grpcStatus);
    const pauseMs = cause === null ? -1 : askAgain(exchange, cause, true, this.#mesh, answer);
    if (pauseMs < 0) return false;
    exchange.upstream?.abort();
    this.finish(exchange, outcomeFor(status, grpcStatus));
    this.#again(exchange, pauseMs);
    return true;
  }

  #respond(exchange: MeshExchange): void {
    const { response, request } = exchange;
    const downstream = exchange.downstream!;
    const session = exchange.entry === null ? null : exchange.entry.rule.session;
    if (session !== null) tellSession(exchange, session, this.#mesh);
    if (exchange.beside !== null) this.#hedges.end(exchange);
    exchange.held = false;
    exchange.stage = Stage.Responding;
    exchange.status = response.status;
    exchange.grpcStatus = grpcStatusOf(exchange, response);
    if (exchange.exhausted) exchange.flag = EXHAUSTED;
    exchange.replay = null;
    downstream.respond(exchange, exchange.backend?.responseEdits ?? null, exchange.said);
    if (downstream.blocked) exchange.upstream?.pauseBody();
    if (response.status !== 101 && !(request.method === Method.Connect && response.status < 300)) return;
    exchange.tunnelled = true;
    exchange.bodySent = false;
    downstream.tunnel();
  }

  /** The peer's proxy is there and its app is not: as if the endpoint could not be reached. */
  #unsent(exchange: MeshExchange): void {
    const { authority } = exchange.endpoint!;
    exchange.upstream?.abort();
    this.finish(exchange, Outcome.ConnectFailed);
    const failure = new ConnectFailed(`Cannot reach the app behind ${authority}: it takes no connections`);
    this.retryOr(exchange, "connect-failure", isBodyLost(exchange), failure);
  }

  responseBody(exchange: MeshExchange, bytes: Buffer, start: number, end: number): void {
    exchange.movedAt = this.#mesh.deadlines.recent;
    const downstream = exchange.downstream!;
    if (exchange.held) this.#respond(exchange);
    exchange.beside?.digest?.add(bytes, start, end);
    downstream.data(bytes, start, end);
    if (downstream.blocked) exchange.upstream?.pauseBody();
  }

  responseEnd(exchange: MeshExchange, trailers: Trailers | null): void {
    if (exchange.tunnelled) exchange.upstreamEnded = true;
    else {
      const grpcStatus = trailers === null ? GrpcStatus.None : grpcStatusOf(exchange, trailers);
      if (trailers !== null && grpcStatus > 0) heed(exchange, trailers, grpcStatus, this.#mesh);
      if (exchange.held && this.#endsUnheard(exchange, grpcStatus, trailers ?? exchange.response)) return;
      if (trailers !== null) exchange.grpcStatus = grpcStatus;
      this.finish(exchange, outcomeFor(exchange.status, exchange.grpcStatus));
      exchange.beside?.digest?.finish(exchange.status, exchange.grpcStatus);
      exchange.stage = Stage.Over;
      // The cluster is done with it, however long the downstream reads.
      if (exchange.turns !== null) leaveTurn(exchange);
    }
    exchange.downstream!.finish(trailers);
  }

  /** A call that ended without a message: tried again, or passed on whole. */
  #endsUnheard(exchange: MeshExchange, grpcStatus: number, answer: Fields): boolean {
    if (this.#isTriedAgain(exchange, policyOf(exchange)!, grpcStatus, answer)) return true;
    this.#respond(exchange);
    return false;
  }

  drained(exchange: MeshExchange): void {
    exchange.movedAt = this.#mesh.deadlines.recent;
    exchange.downstream!.readBody();
  }

  failed(exchange: MeshExchange, failure: UpstreamFailure, problem: string): void {
    const whole = exchange.tunnelled && exchange.upstreamEnded && exchange.bodySent;
    if (whole) return;
    const { authority } = exchange.endpoint!;
    const latency = this.finish(exchange, Outcome.Reset);
    if (failure === UpstreamFailure.Closed || failure === UpstreamFailure.Refused) {
      const sent = failure === UpstreamFailure.Closed;
      const error = new UpstreamReset(`Cannot get a response from ${authority}: ${problem}`);
      this.retryOr(exchange, sent ? "reset" : "refused", sent, error);
    } else if (failure === UpstreamFailure.Truncated) {
      this.rescue(
        new UpstreamReset(
          `Cannot get the whole response from ${authority}: ${problem} after ${Math.round(latency)} ms`,
        ),
        exchange,
      );
    } else this.rescue(new MalformedResponse(`Cannot read the response of ${authority}: ${problem}`), exchange);
  }

  // ---- the timer, and what all of them end in ----

  expired(exchange: MeshExchange): void {
    const { deadlines, waits, stage } = this.#mesh;
    const { now } = deadlines;
    const failure = expiredWait(exchange, waits, now);
    if (failure !== null) this.#late(exchange, failure);
    else if (exchange.stage === Stage.Pausing && now >= exchange.resumeAt) this.#goOn(exchange);
    else {
      if (now >= hedgeDeadline(exchange)) this.#hedges.begin(exchange);
      this.#arm(exchange, exchange.generation, now);
    }
    stage.flush();
  }

  /** An attempt that took too long makes room for another where the rule says so. */
  #late(exchange: MeshExchange, failure: Error): void {
    const retries = failure instanceof AttemptTimeout && policyOf(exchange) !== null && !hasBegun(exchange);
    const sent = exchange.stage === Stage.Forwarding;
    this.dropAttempt(exchange, blameFor(exchange));
    if (retries) this.retryOr(exchange, "timeout", sent, failure);
    else this.rescue(failure, exchange);
  }

  /** Gives up what goes on upstream; nothing comes back from there any more. */
  abandon(exchange: MeshExchange, outcome: Outcome): void {
    if (exchange.beside !== null) this.#hedges.end(exchange);
    this.dropAttempt(exchange, outcome);
  }

  /** Gives up its own attempt, whatever runs beside it. */
  dropAttempt(exchange: MeshExchange, outcome: Outcome): void {
    const { endpoint, upstream, stage } = exchange;
    if (endpoint === null) return;
    if (stage === Stage.Connecting) this.#mesh.upstream.cancel(endpoint, exchange);
    upstream?.abort();
    this.finish(exchange, outcome);
  }

  /** Ends the attempt at the balancer, once; the latency in ms. */
  finish(exchange: MeshExchange, outcome: Outcome): number {
    const { endpoint, answeredAt } = exchange;
    const { deadlines } = this.#mesh;
    const now = answeredAt === 0 ? deadlines.now : deadlines.recent;
    const latency = (answeredAt === 0 ? now : answeredAt) - exchange.attemptAt;
    if (endpoint !== null && exchange.attemptOpen) {
      exchange.attemptOpen = false;
      finish(endpoint, latency, now, outcome);
    }
    return latency;
  }

  rescue(error: unknown, exchange: MeshExchange): void {
    if (exchange.beside !== null) this.#hedges.end(exchange);
    rescue(error, exchange, exchange.generation, this.#mesh);
  }
}

/** It may have been answered meanwhile, and the answer be on its way out. */
function isParked(exchange: MeshExchange, generation: number): boolean {
  return exchange.generation === generation && exchange.stage === Stage.Routing;
}

/** A downstream that stops reading or sending must not get the endpoint ejected; neither does a quiet tunnel. */
function blameFor({ stage, tunnelled, bodySent, downstream, upstream }: MeshExchange): Outcome {
  if (stage === Stage.Connecting) return Outcome.Timeout;
  if (tunnelled || downstream!.blocked) return Outcome.Cancelled;
  return bodySent || upstream?.blocked === true ? Outcome.Timeout : Outcome.Cancelled;
}

/** Only a proxy of the mesh is believed. */
function isTold({ endpoint, response }: MeshExchange, word: Field): boolean {
  return endpoint !== null && endpoint.identity !== null && response.find(word) >= 0;
}

/** Why a response is no answer for its rule; null where it is one. */
function causeIn(exchange: MeshExchange, policy: RetryPolicy, grpcStatus: number): RetryCause | null {
  if (policy.takesGrpcStatus(grpcStatus)) return "grpc-status";
  if (policy.takesStatus(exchange.response.status)) return "status";
  return policy.takes("reset") && isTold(exchange, Field.MeshReset) ? "reset" : null;
}

const DOWNSTREAM_GONE = RESPONSE_FLAGS.indexOf("DC");
const EXHAUSTED = RESPONSE_FLAGS.indexOf("URX");
const DELAYED = RESPONSE_FLAGS.indexOf("DI");

function hasBegun({ stage, held }: MeshExchange): boolean {
  return stage > Stage.Forwarding || held;
}

function grpcStatusOf({ isGrpc }: MeshExchange, fields: Fields): number {
  return isGrpc ? grpcStatusIn(fields) : GrpcStatus.None;
}
