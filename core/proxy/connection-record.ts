import type { Clock, Deadlines } from "../base/mod.ts";
import type { Cluster, Endpoint, WorkloadLabels } from "../cluster/mod.ts";
import type { ConnectionFacts } from "../listener/mod.ts";
import type { Rule } from "../route/mod.ts";
import {
  type Edge,
  type IstioMetrics,
  type LogKey,
  type LogWriter,
  logConstant,
  logKey,
  type MeshMetrics,
  RESPONSE_FLAGS,
} from "../telemetry/mod.ts";
import { peerOf, type Self } from "./edges.ts";
import { DIRECTIONS } from "./record.ts";

const KEY_NAMES = [
  "start_time",
  "direction",
  "listener",
  "protocol",
  "response_flags",
  "response_code_details",
  "bytes_received",
  "bytes_sent",
  "duration",
  "upstream_host",
  "upstream_cluster",
  "downstream_local_address",
  "downstream_remote_address",
  "requested_server_name",
  "route_name",
  "source_principal",
  "destination_principal",
  "attempts",
  "revision",
] as const;

const K = Object.fromEntries(KEY_NAMES.map((name) => [name, logKey(name)])) as Record<
  (typeof KEY_NAMES)[number],
  LogKey
>;
const FLAG_VALUES = RESPONSE_FLAGS.map((flag) => logConstant(flag));
const TRANSPORTS = { tcp: logConstant("TCP"), udp: logConstant("UDP") };

/** What is known of a connection, or of a client's datagrams, when it is over. */
export interface Recorded {
  readonly transport: "tcp" | "udp";
  readonly connection: ConnectionFacts;
  readonly rule: Rule | null;
  readonly cluster: Cluster | null;
  readonly endpoint: Endpoint | null;
  readonly attempts: number;
  /** Monotonic, ms. */
  readonly startedAt: number;
  readonly revision: string;
  /** What the downstream sent has arrived, or would have. */
  readonly isReached: boolean;
  /** Index in RESPONSE_FLAGS. */
  readonly flag: number;
  readonly detail: string;
  /** Bytes from the downstream, and bytes it was given. */
  readonly received: number;
  readonly sent: number;
}

/** What the record of connections is made with. */
export interface ConnectionRecorderParts {
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  readonly istio: IstioMetrics;
  readonly metrics: MeshMetrics;
  readonly log: LogWriter | null;
  readonly self: Self;
}

interface KnownEdge {
  readonly workload: WorkloadLabels;
  readonly edge: Edge;
}

/** Writes down connections: that they opened, and once, behind the last byte, what went by. */
export class ConnectionRecorder {
  readonly #parts: ConnectionRecorderParts;
  /** By endpoint and, on the inbound side, by peer: nobody else sees the same two ends. */
  readonly #edges = new WeakMap<Endpoint, Map<string | null, KnownEdge>>();
  readonly #unmet = new Map<string, Edge>();

  constructor(parts: ConnectionRecorderParts) {
    this.#parts = parts;
  }

  /** The upstream is reached. */
  opened(connection: Recorded): void {
    this.#edge(connection).tcpOpened();
  }

  record(connection: Recorded): void {
    const { flag } = connection;
    const { metrics, log } = this.#parts;
    if (connection.transport === "tcp") this.#close(connection);
    if (flag !== 0) metrics.refusals.with(connection.connection.direction, RESPONSE_FLAGS[flag]!).add();
    if (log !== null) this.#line(log, connection);
  }

  #close(connection: Recorded): void {
    const edge = this.#edge(connection);
    if (!connection.isReached) edge.tcpOpened();
    edge.tcpBytes(connection.sent, connection.received);
    edge.tcpClosed(connection.flag);
  }

  #edge(connection: Recorded): Edge {
    const { endpoint, connection: facts } = connection;
    if (endpoint === null) return this.#unmetEdge(connection);
    const peer = facts.direction === "inbound" ? facts.peer : null;
    let edges = this.#edges.get(endpoint);
    if (edges === undefined) {
      edges = new Map();
      this.#edges.set(endpoint, edges);
    }
    let known = edges.get(peer);
    if (known === undefined || known.workload !== endpoint.workload) {
      known = { workload: endpoint.workload, edge: this.#newEdge(connection) };
      edges.set(peer, known);
    }
    return known.edge;
  }

  #unmetEdge(connection: Recorded): Edge {
    const key = `${connection.connection.direction} ${connection.cluster?.name ?? ""}`;
    let edge = this.#unmet.get(key);
    if (edge === undefined) {
      edge = this.#newEdge(connection);
      this.#unmet.set(key, edge);
    }
    return edge;
  }

  #newEdge({ connection: facts, endpoint, cluster }: Recorded): Edge {
    const { istio, self } = this.#parts;
    const isInbound = facts.direction === "inbound";
    const security = endpoint === null ? "unknown" : endpoint.identity === null ? "none" : "mutual_tls";
    return istio.edge({
      reporter: isInbound ? "destination" : "source",
      source: isInbound ? peerOf(facts.peer) : self.workload,
      sourcePrincipal: isInbound ? facts.peer : self.principal,
      destination: isInbound ? self.workload : (endpoint?.workload ?? null),
      destinationPrincipal: isInbound ? self.principal : (endpoint?.identity ?? null),
      service: cluster?.service ?? null,
      protocol: "tcp",
      security: isInbound ? (facts.secure ? "mutual_tls" : "none") : security,
    });
  }

  #line(log: LogWriter, connection: Recorded): void {
    const { connection: facts, endpoint, cluster, rule } = connection;
    const { clock, deadlines } = this.#parts;
    const duration = deadlines.now - connection.startedAt;
    log.begin();
    log.key(K.start_time);
    log.time(clock.now() - duration);
    log.key(K.direction);
    log.raw(DIRECTIONS[facts.direction]);
    log.key(K.listener);
    log.text(facts.listener);
    log.key(K.protocol);
    log.raw(TRANSPORTS[connection.transport]);
    log.key(K.response_flags);
    log.raw(FLAG_VALUES[connection.flag]!);
    textOrNull(log, K.response_code_details, connection.detail);
    log.key(K.bytes_received);
    log.number(connection.received);
    log.key(K.bytes_sent);
    log.number(connection.sent);
    log.key(K.duration);
    log.number(duration);
    textOrNull(log, K.upstream_host, endpoint?.authority ?? "");
    textOrNull(log, K.upstream_cluster, cluster?.name ?? "");
    textOrNull(log, K.downstream_local_address, facts.localAddress);
    textOrNull(log, K.downstream_remote_address, facts.remoteAddress);
    textOrNull(log, K.requested_server_name, facts.serverName);
    textOrNull(log, K.route_name, rule?.id ?? "");
    this.#principals(log, connection);
    log.key(K.attempts);
    log.number(connection.attempts);
    log.key(K.revision);
    log.text(connection.revision);
    log.end();
  }

  #principals(log: LogWriter, { connection: facts, endpoint }: Recorded): void {
    const { principal } = this.#parts.self;
    const isInbound = facts.direction === "inbound";
    textOrNull(log, K.source_principal, (isInbound ? facts.peer : (facts.peer ?? principal)) ?? "");
    textOrNull(log, K.destination_principal, (isInbound ? principal : (endpoint?.identity ?? null)) ?? "");
  }
}

function textOrNull(log: LogWriter, key: LogKey, text: string): void {
  log.key(key);
  if (text === "") log.null();
  else log.text(text);
}
