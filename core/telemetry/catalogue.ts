import type { Counter, Family, Gauge, Histogram } from "./handle.ts";
import type { Region } from "./region.ts";

/** What a data plane counts beside Istio's metrics. The words of the labels are the same everywhere. */
export interface MeshMetrics {
  readonly refusals: Family<readonly ["direction", "reason"], Counter>;
  readonly retries: Family<readonly ["cluster", "outcome", "reason"], Counter>;
  readonly mirrored: Family<readonly ["cluster", "outcome"], Counter>;
  readonly mirrorDifferences: Family<readonly ["cluster", "difference"], Counter>;
  readonly hedges: Family<readonly ["cluster", "outcome"], Counter>;
  readonly ejections: Family<readonly ["cluster", "reason"], Counter>;
  readonly healthChecks: Family<readonly ["cluster", "outcome"], Counter>;
  readonly policyCalls: Family<readonly ["policy", "outcome"], Counter>;
  readonly policySeconds: Family<readonly ["policy"], Histogram>;
  readonly connectionsOpen: Family<readonly ["direction"], Gauge>;
  readonly connections: Family<readonly ["direction"], Counter>;
  /** Connections that we closed while no request was under way, e.g. at the head deadline. */
  readonly idleClosed: Family<readonly ["direction", "reason"], Counter>;
  readonly handshakesFailed: Family<readonly ["direction", "reason"], Counter>;
  /** HTTP/2 connections ended for what only attacks do. */
  readonly http2Abuse: Family<readonly ["reason"], Counter>;
  readonly sessions: Family<readonly ["direction"], Counter>;
  readonly sessionsOpen: Family<readonly ["direction"], Gauge>;
  readonly datagrams: Family<readonly ["direction", "toward"], Counter>;
  readonly datagramsDropped: Family<readonly ["direction", "reason"], Counter>;
  readonly logLinesDropped: Family<readonly [], Counter>;
  /** Of the clusters that somebody measures, while they do. */
  readonly clusterRequests: Family<readonly ["cluster", "outcome"], Counter>;
  readonly clusterMs: Family<readonly ["cluster"], Histogram>;
}

/** One microsecond to one second: a policy call is expected in the first buckets. */
const POLICY_SECONDS = [1e-6, 2.5e-6, 5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 1e-3, 1e-2, 0.1, 1];

export const CLUSTER_REQUESTS = "mesh_cluster_requests_total";
export const CLUSTER_MS = "mesh_cluster_duration_milliseconds";
/** A quarter of a millisecond to half a minute, each a fifth more than the one before: quantiles are good to a tenth. */
export const CLUSTER_MS_BOUNDS: readonly number[] = Array.from({ length: 64 }, (_, i) => 0.25 * 1.2 ** i);

/** Defines the `mesh_*` metrics of a worker. */
export function meshMetrics(region: Region): MeshMetrics {
  return Object.freeze({
    refusals: region.counter("mesh_refusals_total", "Requests refused by the mesh.", ["direction", "reason"]),
    retries: region.counter("mesh_retries_total", "Further attempts at a request.", ["cluster", "outcome", "reason"]),
    mirrored: region.counter("mesh_mirrored_requests_total", "Copies of requests for mirrors.", ["cluster", "outcome"]),
    mirrorDifferences: region.counter("mesh_mirror_comparisons_total", "Answers of mirrors that were compared.", [
      "cluster",
      "difference",
    ]),
    hedges: region.counter("mesh_hedges_total", "Attempts beside a slow one.", ["cluster", "outcome"]),
    ejections: region.counter("mesh_ejections_total", "Endpoints taken out for their failures.", ["cluster", "reason"]),
    healthChecks: region.counter("mesh_health_checks_total", "Active checks of endpoints.", ["cluster", "outcome"]),
    policyCalls: region.counter("mesh_policy_calls_total", "Calls of policies, faults included.", [
      "policy",
      "outcome",
    ]),
    policySeconds: region.histogram("mesh_policy_call_seconds", "Time of a policy call.", ["policy"], POLICY_SECONDS),
    connectionsOpen: region.gauge("mesh_connections_open", "Connections open now.", ["direction"]),
    connections: region.counter("mesh_connections_total", "Connections accepted or made.", ["direction"]),
    handshakesFailed: region.counter("mesh_handshakes_failed_total", "TLS handshakes refused or broken.", [
      "direction",
      "reason",
    ]),
    idleClosed: region.counter("mesh_connections_idle_closed_total", "Connections closed between requests.", [
      "direction",
      "reason",
    ]),
    http2Abuse: region.counter("mesh_http2_abuse_total", "HTTP/2 connections ended for what only attacks do.", [
      "reason",
    ]),
    clusterRequests: region.counter(CLUSTER_REQUESTS, "Requests to a cluster that is measured.", [
      "cluster",
      "outcome",
    ]),
    clusterMs: region.histogram(
      CLUSTER_MS,
      "Whole time of requests to a cluster that is measured.",
      ["cluster"],
      CLUSTER_MS_BOUNDS,
    ),
    sessions: region.counter("mesh_udp_sessions_total", "Clients whose datagrams were given an endpoint.", [
      "direction",
    ]),
    sessionsOpen: region.gauge("mesh_udp_sessions_open", "Clients whose datagrams have an endpoint now.", [
      "direction",
    ]),
    datagrams: region.counter("mesh_udp_datagrams_total", "Datagrams sent on, by whom they are for.", [
      "direction",
      "toward",
    ]),
    datagramsDropped: region.counter("mesh_udp_datagrams_dropped_total", "Datagrams that went nowhere.", [
      "direction",
      "reason",
    ]),
    logLinesDropped: region.counter("mesh_log_lines_dropped_total", "Access log lines that nobody took.", []),
  });
}
