import type { ClusterState } from "./cluster.ts";
import type { Sample } from "./ejection.ts";
import type { BackendTlsModel, EndpointModel, HealthCheckModel, Locality, WorkloadLabels } from "./model.ts";
import { WARM } from "./slow-start.ts";

/** How an attempt ended, as far as the endpoint is to blame. */
export const Outcome = {
  /** A response that is no gateway error, whatever else its status says. */
  Success: 0,
  /** The endpoint answered 502, 503 or 504. */
  GatewayError: 1,
  ConnectFailed: 2,
  Reset: 3,
  Timeout: 4,
  /** Given up for reasons of our own or of the downstream: says nothing about the endpoint's health. */
  Cancelled: 5,
  /** A status from 500 on that is no gateway error: it answers, and badly. */
  ServerError: 6,
} as const;
export type Outcome = (typeof Outcome)[keyof typeof Outcome];

/** Words for logs and metrics. */
export const OUTCOME_NAMES = [
  "success",
  "gateway_error",
  "connect_failed",
  "reset",
  "timeout",
  "cancelled",
  "server_error",
] as const;
export type EjectReason = (typeof OUTCOME_NAMES)[1 | 2 | 3 | 4] | "success_rate" | "latency";

/** The outcome that a response's status tells. */
export function outcomeOf(status: number): Outcome {
  if (status < 500) return Outcome.Success;
  return status >= 502 && status <= 504 ? Outcome.GatewayError : Outcome.ServerError;
}

/**
 * One address that can serve a cluster, with what this worker has learned of
 * it. It lives on from snapshot to snapshot as long as its key stays in its
 * cluster. Times are milliseconds of the monotonic clock.
 *
 * Fields are written by this room only, but for the two slots.
 */
export class Endpoint {
  /** `<address>:<port>`, IPv6 in brackets. */
  readonly authority: string;
  readonly address: string;
  readonly port: number;
  /** SPIFFE ID the peer must prove; null: plaintext. */
  readonly identity: string | null;
  /** TLS toward an endpoint that has no identity; null: none. */
  readonly tls: BackendTlsModel | null;
  /** What lasts of its cluster from snapshot to snapshot. */
  readonly home: ClusterState;
  /** False once a snapshot no longer names it: nobody judges it any more. */
  member = false;
  workload: WorkloadLabels;
  /** Where it is; null where nobody told. */
  locality: Locality | null = null;
  /** It speaks HTTP/2 whatever the request. */
  http2 = false;
  /** Attempts begun and not finished. */
  inflight = 0;
  /** Peak EWMA of latency at `observedAt`, in ms, that decays from there; -1 until one is known. */
  latency = -1;
  observedAt = 0;
  /** Failures since the last success. */
  failures = 0;
  /** 0: takes traffic. Before it: ejected. After it: on probation, one attempt at a time until one succeeds. */
  ejectedUntil = 0;
  ejectReason: EjectReason | null = null;
  /** What was found, for people. */
  ejectDetail = "";
  /** Ejections in a row; each lasts longer. */
  ejections = 0;
  /** When it last came back. */
  returnedAt = 0;
  /** How it is asked whether it lives; null: it is not. */
  healthCheck: HealthCheckModel | null = null;
  /** Active checks found it dead where this is not 0. */
  downUntil = 0;
  downReason = "";
  /** It asked for less: until then others are preferred. */
  sparedUntil = 0;
  /** Since when it takes more and more; below 0 as slow-start.ts says. */
  warmFrom = WARM;
  /** Of the interval that is judged next; null where none is. */
  sample: Sample | null = null;
  /** A probe is on its way: nobody else before this. */
  probeUntil = 0;
  /** State of smooth weighted round robin. */
  turn = 0;
  /** Slot of the upstream room. */
  pool: object | null = null;
  /** Slot of the telemetry room; emptied when the labels change. */
  edge: object | null = null;

  constructor(home: ClusterState, model: EndpointModel, tls: BackendTlsModel | null = null) {
    this.home = home;
    this.address = model.address;
    this.port = model.port;
    this.identity = model.identity ?? null;
    this.tls = tls;
    this.workload = model.workload;
    this.authority = model.address.includes(":")
      ? `[${model.address}]:${model.port}`
      : `${model.address}:${model.port}`;
  }

  /** Whether an attempt may go here: healthy, or due for a probe that nobody else makes. */
  isAvailable(now: number): boolean {
    if (this.ejectedUntil === 0 && this.downUntil === 0) return true;
    return now >= this.ejectedUntil && now >= this.probeUntil && now >= this.downUntil;
  }

  /** Ejected, on probation, or found dead. */
  get isOut(): boolean {
    return this.ejectedUntil !== 0 || this.downUntil !== 0;
  }

  /** Takes over what a newer snapshot says of the same endpoint. */
  relabel(workload: WorkloadLabels): void {
    const old = this.workload;
    this.workload = workload;
    if (old.name !== workload.name || old.namespace !== workload.namespace) this.edge = null;
    else if (old.app !== workload.app || old.version !== workload.version) this.edge = null;
  }
}

/**
 * What makes two models the same endpoint of a cluster. Another TLS makes it
 * another one: no connection that was proven by other rules is used for it.
 *
 * @param tls of the cluster, by `tlsKey`.
 */
export function endpointKey(model: EndpointModel, tls = ""): string {
  return `${model.address} ${model.port} ${model.identity ?? ""}${tls}`;
}

/** Tells one TLS toward endpoints from another; "" for none. */
export function tlsKey(model: BackendTlsModel | undefined): string {
  if (model === undefined) return "";
  return ` ${new Bun.CryptoHasher("sha256").update(JSON.stringify(model)).digest("hex").slice(0, 32)}`;
}
