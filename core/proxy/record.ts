import type { Clock } from "../base/mod.ts";
import { Field } from "../http/mod.ts";
import {
  type IstioMetrics,
  type LogKey,
  type LogWriter,
  logConstant,
  logKey,
  type MeshMetrics,
  RESPONSE_FLAGS,
} from "../telemetry/mod.ts";
import { Edges, type Self } from "./edges.ts";
import type { MeshExchange } from "./exchange.ts";

const KEY_NAMES = [
  "start_time",
  "direction",
  "listener",
  "method",
  "path",
  "protocol",
  "response_code",
  "response_flags",
  "response_code_details",
  "bytes_received",
  "bytes_sent",
  "duration",
  "upstream_service_time",
  "x_forwarded_for",
  "user_agent",
  "request_id",
  "authority",
  "upstream_host",
  "upstream_cluster",
  "downstream_local_address",
  "downstream_remote_address",
  "requested_server_name",
  "route_name",
  "policy",
  "source_principal",
  "destination_principal",
  "grpc_status",
  "attempts",
  "revision",
] as const;

const K = Object.fromEntries(KEY_NAMES.map((name) => [name, logKey(name)])) as Record<
  (typeof KEY_NAMES)[number],
  LogKey
>;
const FLAG_VALUES = RESPONSE_FLAGS.map((flag) => logConstant(flag));
const PROTOCOLS = [logConstant("HTTP/1.0"), logConstant("HTTP/1.1")];
const DELAYED = RESPONSE_FLAGS.indexOf("DI");
const EXHAUSTED = RESPONSE_FLAGS.indexOf("URX");
const HTTP2 = logConstant("HTTP/2");
export const DIRECTIONS = {
  inbound: logConstant("inbound"),
  outbound: logConstant("outbound"),
  gateway: logConstant("gateway"),
};

/** Writes down an outcome: once per exchange, after its last byte. */
export class Recorder {
  readonly #clock: Clock;
  readonly #edges: Edges;
  readonly #mesh: MeshMetrics;
  readonly #log: LogWriter | null;
  readonly #self: Self;

  constructor(clock: Clock, istio: IstioMetrics, mesh: MeshMetrics, log: LogWriter | null, self: Self) {
    this.#clock = clock;
    this.#edges = new Edges(istio, self);
    this.#mesh = mesh;
    this.#log = log;
    this.#self = self;
  }

  /** @param now monotonic. */
  record(exchange: MeshExchange, now: number): void {
    const duration = now - exchange.startedAt;
    const sent = exchange.downstream!.bytesSent;
    const { status, flag, requestBytes, grpcStatus } = exchange;
    this.#edges.of(exchange).request(status, flag, duration, requestBytes, sent, grpcStatus);
    const tally = exchange.cluster?.state.tally ?? null;
    if (tally !== null && RESPONSE_FLAGS[flag] !== "DC") tally.count(isFailure(exchange), duration);
    if (exchange.flag !== 0 && isRefusal(exchange)) {
      this.#mesh.refusals.with(exchange.downstream!.connection.direction, RESPONSE_FLAGS[exchange.flag]!).add();
    }
    if (this.#log !== null) this.#line(this.#log, exchange, duration, sent);
  }

  #line(log: LogWriter, exchange: MeshExchange, duration: number, sent: number): void {
    const { request, endpoint } = exchange;
    const facts = exchange.downstream!.connection;
    log.begin();
    log.key(K.start_time);
    log.time(this.#clock.now() - duration);
    log.key(K.direction);
    log.raw(DIRECTIONS[facts.direction]);
    log.key(K.listener);
    log.text(exchange.listener === "" ? facts.listener : exchange.listener);
    log.key(K.method);
    log.bytes(request.bytes, request.methodStart, request.methodEnd);
    log.key(K.path);
    const whole = request.hasQuery && request.queryStart === request.pathEnd + 1;
    log.bytes(request.bytes, request.pathStart, whole ? request.queryEnd : request.pathEnd);
    log.key(K.protocol);
    log.raw(request.isHttp2 ? HTTP2 : PROTOCOLS[request.minor]!);
    log.key(K.response_code);
    log.number(exchange.status);
    log.key(K.response_flags);
    log.raw(FLAG_VALUES[exchange.flag]!);
    log.key(K.response_code_details);
    if (exchange.detail === "") log.null();
    else log.text(exchange.detail);
    log.key(K.bytes_received);
    log.number(exchange.requestBytes);
    log.key(K.bytes_sent);
    log.number(sent);
    log.key(K.duration);
    log.number(duration);
    log.key(K.upstream_service_time);
    if (exchange.answeredAt === 0) log.null();
    else log.number(exchange.answeredAt - exchange.attemptAt);
    this.#field(log, K.x_forwarded_for, exchange, Field.XForwardedFor);
    this.#field(log, K.user_agent, exchange, Field.UserAgent);
    log.key(K.request_id);
    if (exchange.requestIdMade) log.bytes(exchange.requestId, 0, 36);
    else this.#value(log, exchange, Field.XRequestId);
    log.key(K.authority);
    log.bytes(request.bytes, request.authorityStart, request.authorityEnd);
    log.key(K.upstream_host);
    if (endpoint === null) log.null();
    else log.text(endpoint.authority);
    log.key(K.upstream_cluster);
    if (exchange.cluster === null) log.null();
    else log.text(exchange.cluster.name);
    log.key(K.downstream_local_address);
    log.text(facts.localAddress);
    log.key(K.downstream_remote_address);
    log.text(facts.remoteAddress);
    log.key(K.requested_server_name);
    if (facts.serverName === "") log.null();
    else log.text(facts.serverName);
    log.key(K.route_name);
    if (exchange.entry === null) log.null();
    else log.bytes(exchange.entry.rule.idBytes, 0, exchange.entry.rule.idBytes.length);
    log.key(K.policy);
    if (exchange.policy === "") log.null();
    else log.text(exchange.policy);
    this.#principals(log, exchange);
    log.key(K.grpc_status);
    if (exchange.grpcStatus < 0) log.null();
    else log.number(exchange.grpcStatus);
    log.key(K.attempts);
    log.number(exchange.attempts);
    log.key(K.revision);
    if (exchange.snapshot === null) log.null();
    else log.text(exchange.snapshot.revision);
    log.end();
  }

  /** Both identities of the hop that this proxy terminates: the peer's and ours, or ours and the endpoint's. */
  #principals(log: LogWriter, exchange: MeshExchange): void {
    const { connection } = exchange.downstream!;
    const inbound = connection.direction === "inbound";
    const source = inbound ? connection.peer : (connection.peer ?? this.#self.principal);
    const destination = inbound ? this.#self.principal : (exchange.endpoint?.identity ?? null);
    log.key(K.source_principal);
    if (source === null) log.null();
    else log.text(source);
    log.key(K.destination_principal);
    if (destination === null) log.null();
    else log.text(destination);
  }

  #field(log: LogWriter, key: LogKey, exchange: MeshExchange, id: Field): void {
    log.key(key);
    this.#value(log, exchange, id);
  }

  #value(log: LogWriter, exchange: MeshExchange, id: Field): void {
    const { request } = exchange;
    const i = request.find(id);
    if (i < 0) log.null();
    else log.bytes(request.bytes, request.valueStart(i), request.valueEnd(i));
  }
}

/** Late on purpose is still served, and what an upstream said last is its own. */
function isRefusal({ flag, answeredAt }: MeshExchange): boolean {
  return flag !== DELAYED && (flag !== EXHAUSTED || answeredAt === 0);
}

/** What the callee is to blame for: no answer, a server error, and their like in gRPC. */
function isFailure({ status, grpcStatus }: MeshExchange): boolean {
  return status === 0 || status >= 500 || (grpcStatus > 0 && GRPC_FAILURES.has(grpcStatus));
}

/** UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, DATA_LOSS: what gRPC calls server errors. */
const GRPC_FAILURES: ReadonlySet<number> = new Set([2, 4, 12, 13, 14, 15]);
