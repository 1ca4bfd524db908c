import type { Locality } from "../cluster/mod.ts";
import type { Address } from "../config/mod.ts";
import type { EdgePeer } from "../telemetry/mod.ts";

/** A listener of the data plane, as plain data: it is the same in every worker. */
export type ListenerPlan = {
  /** For logs: "inbound", "outbound", or the service of an explicit listener. */
  readonly name: string;
  readonly hostname: string;
  /** 0: the kernel chooses; workers behind the first are told what it chose. */
  readonly port: number;
  /** TLS with the proxy's own certificate; `mesh`: as the workload's mTLS mode says; `gateway`: as the Gateway does. */
  readonly transport: "plain" | "tls" | "mesh" | "gateway";
  /** It takes datagrams, and no connections. */
  readonly datagrams?: true;
} & (
  | { readonly kind: "service"; readonly host: string; readonly servicePort: number }
  | { readonly kind: "forward" }
  | { readonly kind: "inbound"; readonly appPort: number }
  /** A port of a Gateway, by `<namespace>/<name>`; it may be bound to another number. */
  | {
      readonly kind: "gateway";
      readonly gateway: string;
      readonly gatewayPort: number;
      /** Ranges of proxies in front of it whose word about their clients is believed. */
      readonly trusted: readonly string[];
    }
);

/** Whether two plans are one listener: plans cross threads, and come back as others. */
export function isSamePlace(a: ListenerPlan, b: ListenerPlan): boolean {
  const isSameKind = a.datagrams === b.datagrams;
  return isSameKind && a.name === b.name && a.hostname === b.hostname && a.port === b.port;
}

/** What a worker is started with; plain data, so that it can cross threads. */
export interface PlanePlan {
  readonly self: EdgePeer | null;
  readonly accessLog: { readonly target: string; readonly format: "json" | "text" } | null;
  /** Seed of hash tables; random, the same for all workers. */
  readonly seed: number;
  /** Shared by the plugins of all workers. */
  readonly counters: SharedArrayBuffer;
  /** Connections accepted by one worker. */
  readonly maxConnections: number;
  /** TLS toward endpoints that no identity is known of (`--upstream-tls`). */
  readonly upstreamTls: boolean;
  /** DNS servers for hosts outside the mesh; empty: those of the system. */
  readonly dns: readonly Address[];
  /** Where the proxy is; left out, where its workload says. */
  readonly locality?: Locality | null;
  /** Several workers share the ports. */
  readonly shared: boolean;
}

/** Certificate, key and roots as TLS wants them, PEM. */
export interface Credentials {
  /** Null for a certificate that is no SVID. */
  readonly spiffeId: string | null;
  readonly certificate: string;
  readonly privateKey: string;
  /** Null: peers are not asked for a certificate. */
  readonly bundle: string | null;
}

/** An address that is bound. */
export interface Bound {
  readonly name: string;
  readonly hostname: string;
  readonly port: number;
}
