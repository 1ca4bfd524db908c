import type { Log } from "../base/mod.ts";

/** What the side doors show and do, given by whoever holds it. Answers are plain data for JSON. */
export interface AdminSources {
  /** The snapshot that requests read now, with its revision and without secrets. */
  config(): unknown | Promise<unknown>;
  clusters(): readonly ClusterFacts[] | Promise<readonly ClusterFacts[]>;
  certificates(): readonly CertificateFacts[];
  /** Why traffic may not come yet, in words; empty when it may. */
  notReady(): readonly string[];
  isDraining(): boolean;
  /** Begins the drain; asked again it changes nothing. */
  drain(): void;
  /** The process log, whose level may be read and set. */
  readonly log: Pick<Log, "level">;
  /** The metrics in the Prometheus text format. */
  metrics(): Promise<string>;
}

export interface ClusterFacts {
  readonly name: string;
  readonly balancer: string;
  readonly endpoints: readonly EndpointFacts[];
}

export interface EndpointFacts {
  /** host:port */
  readonly address: string;
  readonly weight: number;
  /** SPIFFE ID the peer must prove; null outside the mesh. */
  readonly identity: string | null;
  /** `region/zone/subzone`; null where nobody told it. */
  readonly locality: string | null;
  readonly isHealthy: boolean;
  /** Set while the endpoint is taken out. */
  readonly ejection: { readonly reason: string; readonly detail: string; readonly untilMs: number } | null;
  /** What active checks found; null where they found nothing wrong. */
  readonly failedCheck: string | null;
  readonly inFlight: number;
  /** Moving average of its latency; null before the first answer. */
  readonly ewmaMs: number | null;
}

/** What may be told of an SVID. Times are milliseconds since the epoch. */
export interface CertificateFacts {
  readonly spiffeId: string;
  readonly notBefore: number;
  readonly notAfter: number;
  /** Null where nobody renews it: it was given as files. */
  readonly nextRenewalAt: number | null;
}
