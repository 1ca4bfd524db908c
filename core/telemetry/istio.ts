import { RESPONSE_FLAGS } from "./flag.ts";
import { observe, type Span } from "./handle.ts";
import type { MetricKind } from "./message.ts";
import type { Region } from "./region.ts";

/** Buckets of all Istio histograms, milliseconds as well as bytes: Envoy's defaults, which dashboards expect. */
export const ISTIO_BUCKETS: readonly number[] = [
  0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000, 600_000, 1_800_000,
  3_600_000,
];

/** Who a workload is, for labels. */
export interface EdgePeer {
  readonly name: string;
  readonly namespace: string;
  readonly app: string;
  readonly version: string;
}

/** Everything that tells one edge of the service graph from another. What is not known is null. */
export interface EdgeLabels {
  /** Which side counts: `source` on outbound, `destination` on inbound. */
  readonly reporter: "source" | "destination";
  readonly source: EdgePeer | null;
  /** SPIFFE ID. */
  readonly sourcePrincipal: string | null;
  readonly destination: EdgePeer | null;
  readonly destinationPrincipal: string | null;
  readonly service: { readonly host: string; readonly name: string; readonly namespace: string } | null;
  readonly protocol: "http" | "grpc" | "tcp";
  readonly security: "mutual_tls" | "none" | "unknown";
  /** Name of the mesh's cluster, in Istio's sense. */
  readonly cluster?: string;
}

/** The edges that one worker counts. */
export class IstioMetrics {
  readonly #region: Region;
  readonly #metrics: EdgeMetrics;
  readonly #edges = new Map<string, Edge>();

  constructor(region: Region) {
    this.#region = region;
    this.#metrics = defineMetrics(region);
  }

  /** The edge with these labels: the same object for equal labels. Ask where things are built, not per request. */
  edge(labels: EdgeLabels): Edge {
    const values = edgeValues(labels);
    const key = values.join("\0");
    let edge = this.#edges.get(key);
    if (edge === undefined) {
      edge = new Edge(this.#region, this.#metrics, values);
      // A full region counts every new edge as "other"; remembering each would grow without bound.
      if (!this.#region.isFull) this.#edges.set(key, edge);
    }
    return edge;
  }
}

/**
 * One edge of the service graph, as one side sees it. Counting is an index
 * into two arrays; the series of a status and flag are made when first seen.
 */
export class Edge {
  readonly #region: Region;
  readonly #metrics: EdgeMetrics;
  readonly #values: readonly string[];
  /** By status: 1 + index of the span for the flag "-", 0 where there is none yet. */
  readonly #plain = new Int16Array(STATUSES);
  /** Statuses with another flag, or of gRPC, by `flaggedKey`, and beside it the index of the span. Few: searched in order. */
  readonly #flagged: number[] = [];
  readonly #flaggedAt: number[] = [];
  readonly #spans: Span[] = [];
  readonly #tcp: (Span | null)[] = new Array<Span | null>(RESPONSE_FLAGS.length).fill(null);

  /** Made by `IstioMetrics.edge()`. */
  constructor(region: Region, metrics: EdgeMetrics, values: readonly string[]) {
    this.#region = region;
    this.#metrics = metrics;
    this.#values = values;
  }

  /**
   * Counts a request whose last byte has gone. `status` 0: no response was
   * sent. `flag` indexes `RESPONSE_FLAGS`. `grpcStatus` is -1 where the call
   * was none of gRPC, or ended without one.
   */
  request(
    status: number,
    flag: number,
    durationMs: number,
    requestBytes: number,
    responseBytes: number,
    grpcStatus = -1,
  ): void {
    const grpc = grpcStatus >= 0 && grpcStatus < GRPC_STATUSES ? grpcStatus : -1;
    const { cells, at } = this.#requestSpan(status >= 0 && status < STATUSES ? status : 0, flag, grpc);
    cells[at]! += 1;
    observe(cells, at + 1, BOUNDS, durationMs);
    observe(cells, at + 1 + HISTOGRAM_CELLS, BOUNDS, requestBytes);
    observe(cells, at + 1 + 2 * HISTOGRAM_CELLS, BOUNDS, responseBytes);
  }

  /** Counts a connection of the TCP path. */
  tcpOpened(): void {
    const { cells, at } = this.#tcpSpan(0);
    cells[at + TCP_OPENED]! += 1;
  }

  /** Counts bytes: `sent` in responses, `received` in requests, as Istio reads the words. */
  tcpBytes(sent: number, received: number): void {
    const { cells, at } = this.#tcpSpan(0);
    cells[at + TCP_SENT]! += sent;
    cells[at + TCP_RECEIVED]! += received;
  }

  /** Counts the end of a connection, with the reason where there was one. */
  tcpClosed(flag = 0): void {
    const { cells, at } = this.#tcpSpan(flag);
    cells[at + TCP_CLOSED]! += 1;
  }

  #requestSpan(status: number, flag: number, grpc: number): Span {
    if (flag === 0 && grpc < 0) {
      const index = this.#plain[status]!;
      return index > 0 ? this.#spans[index - 1]! : this.#firstRequest(status, flag, grpc);
    }
    const key = flaggedKey(status, flag, grpc);
    for (let i = 0; i < this.#flagged.length; i++)
      if (this.#flagged[i] === key) return this.#spans[this.#flaggedAt[i]!]!;
    return this.#firstRequest(status, flag, grpc);
  }

  #firstRequest(status: number, flag: number, grpc: number): Span {
    const values = [...this.#values, RESPONSE_FLAGS[flag] ?? "-", String(status), grpc < 0 ? "" : String(grpc)];
    const span = this.#region.series(this.#metrics.http, values);
    const index = this.#spans.push(span) - 1;
    if (flag === 0 && grpc < 0) this.#plain[status] = index + 1;
    else {
      this.#flagged.push(flaggedKey(status, flag, grpc));
      this.#flaggedAt.push(index);
    }
    return span;
  }

  #tcpSpan(flag: number): Span {
    return this.#tcp[flag] ?? this.#firstTcp(flag);
  }

  #firstTcp(flag: number): Span {
    const span = this.#region.series(this.#metrics.tcp, [...this.#values, RESPONSE_FLAGS[flag] ?? "-"]);
    this.#tcp[flag] = span;
    return span;
  }
}

function flaggedKey(status: number, flag: number, grpc: number): number {
  return ((grpc + 1) * RESPONSE_FLAGS.length + flag) * STATUSES + status;
}

interface EdgeMetrics {
  readonly http: readonly number[];
  readonly tcp: readonly number[];
}

/** A status has three digits. */
const STATUSES = 1000;
/** Codes of gRPC are 0 to 16; a server may have more of its own, up to here. */
const GRPC_STATUSES = 100;
const BOUNDS = Float64Array.from(ISTIO_BUCKETS);
const HISTOGRAM_CELLS = ISTIO_BUCKETS.length + 2;
/** Offsets in the order of `defineMetrics`. */
const TCP_SENT = 0;
const TCP_RECEIVED = 1;
const TCP_OPENED = 2;
const TCP_CLOSED = 3;

const PEER_LABELS = ["workload", "workload_namespace", "principal", "app", "version", "cluster"];
const CANONICAL_LABELS = ["canonical_service", "canonical_revision"];
const peerLabels = (side: string): string[] => [...PEER_LABELS, ...CANONICAL_LABELS].map((name) => `${side}_${name}`);
/** In the order of `edgeValues`, then the flag. */
const TCP_LABELS: readonly string[] = [
  "reporter",
  ...peerLabels("source"),
  ...peerLabels("destination"),
  "destination_service",
  "destination_service_name",
  "destination_service_namespace",
  "request_protocol",
  "connection_security_policy",
  "response_flags",
];
/** grpc_response_status stays empty for what is not gRPC. */
const HTTP_LABELS: readonly string[] = [...TCP_LABELS, "response_code", "grpc_response_status"];

function defineMetrics(region: Region): EdgeMetrics {
  const define = (name: string, help: string, kind: MetricKind, labels: readonly string[]): number =>
    region.define({ name, help, kind, labels, bounds: kind === "histogram" ? ISTIO_BUCKETS : [] });
  return {
    http: [
      define("istio_requests_total", "Requests, by edge and outcome.", "counter", HTTP_LABELS),
      define("istio_request_duration_milliseconds", "Time from head to last byte.", "histogram", HTTP_LABELS),
      define("istio_request_bytes", "Size of requests.", "histogram", HTTP_LABELS),
      define("istio_response_bytes", "Size of responses.", "histogram", HTTP_LABELS),
    ],
    tcp: [
      define("istio_tcp_sent_bytes_total", "Bytes sent in responses.", "counter", TCP_LABELS),
      define("istio_tcp_received_bytes_total", "Bytes received in requests.", "counter", TCP_LABELS),
      define("istio_tcp_connections_opened_total", "Connections opened.", "counter", TCP_LABELS),
      define("istio_tcp_connections_closed_total", "Connections closed.", "counter", TCP_LABELS),
    ],
  };
}

function edgeValues(labels: EdgeLabels): string[] {
  const { source, destination, service, cluster = UNKNOWN } = labels;
  return [
    labels.reporter,
    ...peerValues(source, labels.sourcePrincipal, cluster),
    ...peerValues(destination, labels.destinationPrincipal, cluster),
    service?.host ?? UNKNOWN,
    service?.name ?? UNKNOWN,
    service?.namespace ?? UNKNOWN,
    labels.protocol,
    labels.security,
  ];
}

/** Istio's word for what is not known. */
const UNKNOWN = "unknown";

/** In the order of `PEER_LABELS`, then `CANONICAL_LABELS`. */
function peerValues(peer: EdgePeer | null, principal: string | null, cluster: string): string[] {
  const name = peer?.name || UNKNOWN;
  const version = peer?.version ?? "";
  return [
    name,
    peer?.namespace || UNKNOWN,
    principal || UNKNOWN,
    peer?.app || UNKNOWN,
    version || UNKNOWN,
    peer === null ? UNKNOWN : cluster,
    // As Istio: the app's name, else the workload's; a workload without a version is the latest.
    peer?.app || name,
    version || (peer === null ? UNKNOWN : "latest"),
  ];
}
