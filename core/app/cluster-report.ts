import { type Cluster, type Endpoint, formatLocality, latencyAt } from "../cluster/mod.ts";

/** Endpoints as one worker sees them. */
export interface ClusterReport {
  readonly name: string;
  readonly balancer: string;
  readonly endpoints: readonly EndpointReport[];
}

export interface EndpointReport {
  readonly address: string;
  readonly weight: number;
  readonly identity: string | null;
  /** `region/zone/subzone`; null where nobody told it. */
  readonly locality: string | null;
  readonly isHealthy: boolean;
  readonly ejection: { readonly reason: string; readonly detail: string; readonly untilMs: number } | null;
  /** What active checks found; null where they found nothing wrong. */
  readonly failedCheck: string | null;
  readonly inFlight: number;
  readonly ewmaMs: number | null;
}

/** What a person may see of a cluster: plain data, times on the wall. Both times are of one moment. */
export function reportOf(cluster: Cluster, monotonicMs: number, wallMs: number): ClusterReport {
  const endpoints = cluster.endpoints.map((endpoint) => endpointReport(cluster, endpoint, monotonicMs, wallMs));
  return { name: cluster.name, balancer: cluster.balancer, endpoints };
}

function endpointReport(cluster: Cluster, endpoint: Endpoint, monotonicMs: number, wallMs: number): EndpointReport {
  const { ejectedUntil, ejectReason, ejectDetail: detail, downUntil, downReason } = endpoint;
  const latency = latencyAt(endpoint, monotonicMs);
  const untilMs = wallMs + ejectedUntil - monotonicMs;
  return {
    address: endpoint.authority,
    weight: cluster.weights[cluster.targets.indexOf(endpoint)] ?? 0,
    identity: endpoint.identity,
    locality: endpoint.locality === null ? null : formatLocality(endpoint.locality),
    isHealthy: !endpoint.isOut,
    ejection: ejectedUntil === 0 ? null : { reason: ejectReason ?? "unknown", detail, untilMs },
    failedCheck: downUntil === 0 ? null : downReason,
    inFlight: endpoint.inflight,
    ewmaMs: latency < 0 ? null : latency,
  };
}
