import { finish, Outcome, outcomeOf } from "../cluster/mod.ts";
import {
  type ClientStream,
  Field,
  Method,
  type RequestHandler,
  type ResponseHandler,
  type ServerStream,
  type Trailers,
  UpstreamFailure,
} from "../http/mod.ts";
import { DialFailure } from "../upstream/mod.ts";
import { type Flow, MeshExchange, Stage } from "./exchange.ts";
import { ConnectFailed, MalformedRequest, MalformedResponse, UntrustedPeer, UpstreamReset } from "./failure.ts";
import { forward, forwardBody } from "./forward.ts";
import { GrpcStatus, grpcStatusIn, grpcTimeoutMs, isGrpc } from "./grpc.ts";
import type { Mesh } from "./mesh.ts";
import { reportBug, rescue } from "./rescue.ts";
import { isBodyLost, retryRefusal } from "./retry.ts";
import { attempt, serve } from "./serve.ts";
import { armTimer, expiredWait } from "./timing.ts";
import type { Way } from "./way.ts";

/** Exchanges kept for reuse, per worker. */
const MAX_FREE = 256;

/**
 * What happens to an exchange between the stages of `serve`: the codecs' events
 * of both sides, its timer, and its connection. Each event finds the exchange
 * in a stage, does one thing, and returns.
 */
export class Serving implements ResponseHandler, Flow {
  readonly #mesh: Mesh;
  readonly #free: MeshExchange[] = [];
  /** Exchanges under way: what a drain waits for. */
  active = 0;

  constructor(mesh: Mesh) {
    this.#mesh = mesh;
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
    if (!whole && exchange.flag === 0) {
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
      this.active--;
      this.#record(exchange);
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

  // ---- the connection ----

  connected(exchange: MeshExchange, connection: ClientStream): void {
    const { generation } = exchange;
    try {
      forward(exchange, connection, this.#mesh);
    } catch (error) {
      rescue(error, exchange, generation, this.#mesh);
    }
  }

  connectFailed(exchange: MeshExchange, failure: DialFailure, problem: string): void {
    const endpoint = exchange.endpoint!;
    this.#finish(exchange, Outcome.ConnectFailed);
    const Failure = failure === DialFailure.Untrusted ? UntrustedPeer : ConnectFailed;
    this.#retryOr(exchange, false, new Failure(`Cannot connect to ${endpoint.authority}: ${problem}`));
  }

  /** Another attempt where that is safe, else the failure. */
  #retryOr(exchange: MeshExchange, sent: boolean, failure: Error): void {
    const { deadlines, metrics } = this.#mesh;
    const cluster = exchange.cluster!;
    const refusal = retryRefusal(exchange, sent, cluster.state.budget, deadlines.now);
    metrics.retries.with(cluster.name, refusal === null ? "made" : "refused").add();
    if (refusal !== null) {
      exchange.detail = `not tried again: ${refusal}`;
      this.rescue(failure, exchange);
      return;
    }
    exchange.previous = exchange.endpoint;
    exchange.answeredAt = 0;
    if (!exchange.bodySent) exchange.downstream!.pauseBody();
    const { generation } = exchange;
    try {
      attempt(exchange.permitted!, this.#mesh);
    } catch (error) {
      rescue(error, exchange, generation, this.#mesh);
    }
    this.#arm(exchange, generation, deadlines.now);
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
    const { response, request } = exchange;
    if ((response.status === 503 || exchange.isGrpc) && isUnsent(exchange)) {
      this.#unsent(exchange);
      return;
    }
    const downstream = exchange.downstream!;
    exchange.stage = Stage.Responding;
    exchange.answeredAt = exchange.movedAt = this.#mesh.deadlines.now;
    exchange.status = response.status;
    if (exchange.isGrpc) exchange.grpcStatus = grpcStatusIn(response);
    exchange.replay = null;
    downstream.respond(exchange, exchange.backend?.responseEdits ?? null, null);
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
    this.#finish(exchange, Outcome.ConnectFailed);
    const failure = new ConnectFailed(`Cannot reach the app behind ${authority}: it takes no connections`);
    this.#retryOr(exchange, isBodyLost(exchange), failure);
  }

  responseBody(exchange: MeshExchange, bytes: Buffer, start: number, end: number): void {
    exchange.movedAt = this.#mesh.deadlines.recent;
    const downstream = exchange.downstream!;
    downstream.data(bytes, start, end);
    if (downstream.blocked) exchange.upstream?.pauseBody();
  }

  responseEnd(exchange: MeshExchange, trailers: Trailers | null): void {
    if (exchange.tunnelled) exchange.upstreamEnded = true;
    else {
      if (exchange.isGrpc && trailers !== null) exchange.grpcStatus = grpcStatusIn(trailers);
      const unavailable = exchange.grpcStatus === GrpcStatus.Unavailable;
      this.#finish(exchange, unavailable ? Outcome.GatewayError : outcomeOf(exchange.status));
      exchange.stage = Stage.Over;
    }
    exchange.downstream!.finish(trailers);
  }

  drained(exchange: MeshExchange): void {
    exchange.movedAt = this.#mesh.deadlines.recent;
    exchange.downstream!.readBody();
  }

  failed(exchange: MeshExchange, failure: UpstreamFailure, problem: string): void {
    const whole = exchange.tunnelled && exchange.upstreamEnded && exchange.bodySent;
    if (whole) return;
    const { authority } = exchange.endpoint!;
    const latency = this.#finish(exchange, Outcome.Reset);
    if (failure === UpstreamFailure.Closed || failure === UpstreamFailure.Refused) {
      const sent = failure === UpstreamFailure.Closed;
      this.#retryOr(exchange, sent, new UpstreamReset(`Cannot get a response from ${authority}: ${problem}`));
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
    if (failure === null) {
      armTimer(exchange, deadlines, waits, now);
      return;
    }
    this.abandon(exchange, blameFor(exchange));
    this.rescue(failure, exchange);
    stage.flush();
  }

  /** Gives up what goes on upstream; nothing comes back from there any more. */
  abandon(exchange: MeshExchange, outcome: Outcome): void {
    const { endpoint, upstream, stage } = exchange;
    if (endpoint === null) return;
    if (stage === Stage.Connecting) this.#mesh.upstream.cancel(endpoint, exchange);
    upstream?.abort();
    this.#finish(exchange, outcome);
  }

  /** Ends the attempt at the balancer, once; the latency in ms. */
  #finish(exchange: MeshExchange, outcome: Outcome): number {
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
function isUnsent({ endpoint, response }: MeshExchange): boolean {
  return endpoint !== null && endpoint.identity !== null && response.find(Field.MeshUnsent) >= 0;
}

/** Index of "DC" in RESPONSE_FLAGS. */
const DOWNSTREAM_GONE = 2;

/** The downstream events of one listener: the exchange learns its way, the rest is the same for all. */
class Downstream implements RequestHandler {
  readonly #serving: Serving;
  readonly #way: Way;

  constructor(serving: Serving, way: Way) {
    this.#serving = serving;
    this.#way = way;
  }

  begin(stream: ServerStream): MeshExchange {
    return this.#serving.begin(stream, this.#way);
  }
  request(exchange: MeshExchange): void {
    this.#serving.request(exchange);
  }
  requestBody(exchange: MeshExchange, bytes: Buffer, start: number, end: number): void {
    this.#serving.requestBody(exchange, bytes, start, end);
  }
  requestEnd(exchange: MeshExchange, trailers: Trailers | null): void {
    this.#serving.requestEnd(exchange, trailers);
  }
  malformed(exchange: MeshExchange, status: number, problem: string): void {
    this.#serving.malformed(exchange, status, problem);
  }
  gone(exchange: MeshExchange, problem: string): void {
    this.#serving.gone(exchange, problem);
  }
  drained(exchange: MeshExchange): void {
    this.#serving.downstreamDrained(exchange);
  }
  ended(exchange: MeshExchange): void {
    this.#serving.ended(exchange);
  }
}
