import type { ClusterModel, WorkloadLabels } from "../cluster/mod.ts";
import type { PluginModel } from "../plugin/mod.ts";
import type { RuleModel } from "../route/mod.ts";

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
  /** Every authority host that means this service, lower case, without port. */
  readonly hosts: readonly string[];
  readonly ports: readonly ServicePortModel[];
}

export interface ServicePortModel {
  readonly port: number;
  readonly protocol: "http" | "tcp";
  /** In the order of the documents; the router sorts by Gateway API precedence. */
  readonly rules: readonly RuleModel[];
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

/** One unit of distribution: it is sent, replaced and dropped as a whole. */
export type Resource =
  | { readonly kind: "mesh"; readonly name: ""; readonly version: string; readonly model: MeshModel }
  | { readonly kind: "workload"; readonly name: string; readonly version: string; readonly model: WorkloadModel }
  | { readonly kind: "service"; readonly name: string; readonly version: string; readonly model: ServiceModel }
  | { readonly kind: "cluster"; readonly name: string; readonly version: string; readonly model: ClusterModel }
  | { readonly kind: "plugin"; readonly name: string; readonly version: string; readonly model: PluginModel };

export type ResourceKind = Resource["kind"];

/** `kind/name`: the key of a resource in a set. */
export type ResourceKey = `${ResourceKind}/${string}`;

/** One immutable whole of the configuration, with the number that names it in every log line. */
export interface SnapshotModel {
  /** `<sequence>-<first 8 hex digits of the content hash>` */
  readonly revision: string;
  readonly resources: readonly Resource[];
}
