import type { Clock } from "../base/mod.ts";
import type { Endpoint } from "../cluster/mod.ts";
import { Field } from "../http/mod.ts";
import {
  type Edge,
  type EdgePeer,
  type IstioMetrics,
  type LogKey,
  type LogWriter,
  logConstant,
  logKey,
  type MeshMetrics,
  RESPONSE_FLAGS,
} from "../telemetry/mod.ts";
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
const HTTP2 = logConstant("HTTP/2");
export const DIRECTIONS = {
  inbound: logConstant("inbound"),
  outbound: logConstant("outbound"),
  gateway: logConstant("gateway"),
};

/** Who this proxy is, as its records say it. */
export interface Self {
  readonly workload: EdgePeer | null;
  /** SPIFFE ID; null before the first certificate. */
  principal: string | null;
}

/** Stands for the service of a request that came to none. */
const NO_SERVICE = Object.freeze({});

/** Writes down an outcome: once per exchange, after its last byte. */
export class Recorder {
  readonly #clock: Clock;
  readonly #istio: IstioMetrics;
  readonly #mesh: MeshMetrics;
  readonly #log: LogWriter | null;
  readonly #self: Self;
  /** Edges of outbound requests that met no endpoint, by cluster. */
  readonly #unmet = new Map<string, Edge>();
  /** Edges of inbound requests, by the service that brought them and the peer. */
  readonly #inbound = new WeakMap<object, Map<string | null, Edge>>();

  constructor(clock: Clock, istio: IstioMetrics, mesh: MeshMetrics, log: LogWriter | null, self: Self) {
    this.#clock = clock;
    this.#istio = istio;
    this.#mesh = mesh;
    this.#log = log;
    this.#self = self;
  }

  /** @param now monotonic. */
  record(exchange: MeshExchange, now: number): void {
    const duration = now - exchange.startedAt;
    const sent = exchange.downstream!.bytesSent;
    const { status, flag, requestBytes, grpcStatus } = exchange;
    this.#edge(exchange).request(status, flag, duration, requestBytes, sent, grpcStatus);
    const tally = exchange.cluster?.state.tally ?? null;
    if (tally !== null && RESPONSE_FLAGS[flag] !== "DC") tally.count(isFailure(exchange), duration);
    if (exchange.flag !== 0) {
      this.#mesh.refusals.with(exchange.downstream!.connection.direction, RESPONSE_FLAGS[exchange.flag]!).add();
    }
    if (this.#log !== null) this.#line(this.#log, exchange, duration, sent);
  }

  #edge(exchange: MeshExchange): Edge {
    const { endpoint, downstream } = exchange;
    if (downstream!.connection.direction === "inbound") return this.#inboundEdge(exchange);
    if (endpoint === null) return this.#unmetEdge(exchange);
    let edge = endpoint.edge as Edge | null;
    if (edge === null) {
      edge = this.#outboundEdge(exchange, endpoint);
      endpoint.edge = edge;
    }
    return edge;
  }

  #outboundEdge(exchange: MeshExchange, endpoint: Endpoint | null): Edge {
    return this.#istio.edge({
      reporter: "source",
      source: this.#self.workload,
      sourcePrincipal: this.#self.principal,
      destination: endpoint?.workload ?? null,
      destinationPrincipal: endpoint?.identity ?? null,
      service: exchange.cluster?.service ?? null,
      protocol: "http",
      security: endpoint === null ? "unknown" : endpoint.identity === null ? "none" : "mutual_tls",
    });
  }

  #unmetEdge(exchange: MeshExchange): Edge {
    const key = exchange.cluster?.name ?? "";
    let edge = this.#unmet.get(key);
    if (edge === undefined) {
      edge = this.#outboundEdge(exchange, null);
      this.#unmet.set(key, edge);
    }
    return edge;
  }

  #inboundEdge(exchange: MeshExchange): Edge {
    const { peer, secure } = exchange.downstream!.connection;
    // The one backend of an inbound rule is the app: known also where a policy refused.
    const service = exchange.entry?.rule.backends[0]?.cluster?.service ?? null;
    const edges = this.#inboundEdges(service ?? NO_SERVICE);
    let edge = edges.get(peer);
    if (edge === undefined) {
      edge = this.#istio.edge({
        reporter: "destination",
        source: peerOf(peer),
        sourcePrincipal: peer,
        destination: this.#self.workload,
        destinationPrincipal: this.#self.principal,
        service,
        protocol: "http",
        security: secure ? "mutual_tls" : "none",
      });
      edges.set(peer, edge);
    }
    return edge;
  }

  #inboundEdges(service: object): Map<string | null, Edge> {
    let edges = this.#inbound.get(service);
    if (edges === undefined) {
      edges = new Map();
      this.#inbound.set(service, edges);
    }
    return edges;
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

/** A peer is known by its certificate only: namespace and service account of `spiffe://td/ns/<ns>/sa/<sa>`. */
export function peerOf(spiffeId: string | null): EdgePeer | null {
  const found = spiffeId === null ? null : /\/ns\/([^/]+)\/sa\/([^/]+)$/.exec(spiffeId);
  if (found === null) return null;
  const [, namespace = "", name = ""] = found;
  return { name, namespace, app: name, version: "" };
}

/** What the callee is to blame for: no answer, a server error, and their like in gRPC. */
function isFailure({ status, grpcStatus }: MeshExchange): boolean {
  return status === 0 || status >= 500 || (grpcStatus > 0 && GRPC_FAILURES.has(grpcStatus));
}

/** UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, DATA_LOSS: what gRPC calls server errors. */
const GRPC_FAILURES: ReadonlySet<number> = new Set([2, 4, 12, 13, 14, 15]);
