import type { ClusterModel, Locality, WorkloadLabels } from "../cluster/mod.ts";
import type { PluginModel } from "../plugin/mod.ts";
import type { ConnectionRuleModel, RuleModel } from "../route/mod.ts";

/**
 * The models are what the control plane compiles and a proxy runs: plain
 * frozen data, the same over the stream, in the last-good file and between
 * threads. Nothing in them is text that still has to be parsed.
 */
export interface MeshModel {
  readonly trustDomain: string;
  readonly trustDomainAliases: readonly string[];
  /** Plaintext toward a workload's inbound side: refused or let in. */
  readonly mtls: "STRICT" | "PERMISSIVE";
  /** Destinations the mesh does not know. */
  readonly egress: "ALLOW_ANY" | "REGISTRY_ONLY";
  readonly requestTimeoutMs: number;
}

/** A Service as its callers see it. */
export interface ServiceModel {
  /** `<namespace>/<name>` */
  readonly name: string;
  /** Every authority host that means this service, lower case, without port; may begin with `*.`. */
  readonly hosts: readonly string[];
  /** Outside the mesh: at what its names resolve to, or at the host that each request names. */
  readonly external?: "Names" | "Request";
  readonly ports: readonly ServicePortModel[];
}

export interface ServicePortModel {
  readonly port: number;
  readonly protocol: "http" | "tcp" | "udp";
  /** In the order of the documents; the router sorts by Gateway API precedence. */
  readonly rules: readonly RuleModel[];
  /** What becomes of a connection on a port whose protocol is not http. */
  readonly connections?: readonly ConnectionRuleModel[];
  /** Plugins that guard the Service, run by the caller's proxy only where `guardedByCaller` says so. */
  readonly guards: readonly string[];
  /** True where some endpoint has no sidecar that would run the guards itself. */
  readonly guardedByCaller: boolean;
}

/** A workload as its own proxy sees it: what may come in, and where it goes. */
export interface WorkloadModel {
  readonly name: string;
  readonly namespace: string;
  readonly identity: string;
  readonly labels: WorkloadLabels;
  readonly locality?: Locality;
  readonly mtls: "STRICT" | "PERMISSIVE";
  readonly ports: readonly WorkloadPortModel[];
}

export interface WorkloadPortModel {
  /** Port of the app on this machine. */
  readonly port: number;
  readonly protocol: "http" | "tcp";
  /** The app speaks HTTP/2 there. Absent: HTTP/1.1, and HTTP/2 to gRPC. */
  readonly http2?: true;
  /** Service that brought the traffic here, for logs and metrics. */
  readonly service: { readonly namespace: string; readonly name: string; readonly host: string };
  /** Ids of the plugins that run before the app sees a request, in order. */
  readonly policies: readonly string[];
}

/** A Gateway as its proxies run it: its listeners by the port they share. */
export interface GatewayModel {
  /** `<namespace>/<name>` */
  readonly name: string;
  /** Addresses to bind, IP literals; empty: those the proxy was told. */
  readonly addresses: readonly string[];
  readonly ports: readonly GatewayPortModel[];
  /** What the gateway proves to backends with TLS (`spec.tls.backend`). */
  readonly backendCertificate?: KeyPairModel;
}

export interface GatewayPortModel {
  readonly port: number;
  /** `tls`: every connection begins with a ClientHello, whose server name chooses the listener. */
  readonly transport: "http" | "tls" | "tcp" | "udp";
  readonly listeners: readonly GatewayListenerModel[];
}

export interface GatewayListenerModel {
  /** `<namespace>/<Gateway or ListenerSet>/<listener>`: for logs and metrics. */
  readonly name: string;
  /** Lower case, may begin with `*.`; "" for every host. The most specific listener of a port takes the request. */
  readonly hostname: string;
  /** With transport `tls` only. */
  readonly tls?: GatewayTlsModel;
  /** HTTP: rules by host. */
  readonly hosts?: readonly HostRulesModel[];
  /** tcp, udp, tls passed through, and tls terminated to tcp; `hosts` is absent then. */
  readonly connections?: readonly ConnectionRuleModel[];
}

export interface GatewayTlsModel {
  readonly mode: "Terminate" | "Passthrough";
  readonly certificates: readonly KeyPairModel[];
  /** Clients must prove themselves, or are let in where they cannot (`AllowInsecureFallback`). */
  readonly clients?: { readonly roots: string; readonly mode: "AllowValidOnly" | "AllowInsecureFallback" };
}

/** PEM. Secret: never logged, never shown. */
export interface KeyPairModel {
  readonly certificate: string;
  readonly privateKey: string;
}

/** Rules of one host name; a request tries its hosts from the most specific to the least. */
export interface HostRulesModel {
  /** Lower case, may begin with `*.`; "" for every host. */
  readonly hostname: string;
  readonly rules: readonly RuleModel[];
}

/** One unit of distribution: it is sent, replaced and dropped as a whole. */
export type Resource =
  | { readonly kind: "mesh"; readonly name: ""; readonly version: string; readonly model: MeshModel }
  | { readonly kind: "workload"; readonly name: string; readonly version: string; readonly model: WorkloadModel }
  | { readonly kind: "service"; readonly name: string; readonly version: string; readonly model: ServiceModel }
  | { readonly kind: "cluster"; readonly name: string; readonly version: string; readonly model: ClusterModel }
  | { readonly kind: "plugin"; readonly name: string; readonly version: string; readonly model: PluginModel }
  | { readonly kind: "gateway"; readonly name: string; readonly version: string; readonly model: GatewayModel };

export type ResourceKind = Resource["kind"];

/** `kind/name`: the key of a resource in a set. */
export type ResourceKey = `${ResourceKind}/${string}`;

/** One immutable whole of the configuration, with the number that names it in every log line. */
export interface SnapshotModel {
  /** `<sequence>-<first 8 hex digits of the content hash>` */
  readonly revision: string;
  readonly resources: readonly Resource[];
}
