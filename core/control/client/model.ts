import type { Problem } from "../../config/mod.ts";

/** Bodies of the control plane's API, as both ends read them. Times are milliseconds since the epoch. */

/** What a refused request is answered with. */
export interface ApiFailure {
  readonly error: {
    readonly code: string;
    /** One line: what was attempted, what was found, what to do. */
    readonly message: string;
    readonly problems?: readonly Problem[];
  };
}

export interface ApplyRequest {
  readonly files: readonly { readonly file: string; readonly text: string }[];
  /** Modules of plugins that name a file: as the document has it, bytes in base64. */
  readonly modules?: readonly { readonly file: string; readonly path: string; readonly bytes: string }[];
}

export interface ApplyResult {
  /** Revision that holds the change; of a dry run the one that runs already. */
  readonly revision: string;
  /** `Kind/namespace/name` of what was applied. */
  readonly documents: readonly string[];
  /** Warnings: it runs, but some part has no effect. */
  readonly problems: readonly Problem[];
  readonly dryRun: boolean;
}

export interface DeleteResult {
  readonly revision: string;
  readonly deleted: string;
}

/** A line about a document that runs. */
export interface ResourceRow {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly summary: string;
  /** File of the config directory, or "applied". */
  readonly origin: string;
  /** What its status says in short; left out for kinds without one. */
  readonly state?: ResourceState;
}

/** A status in words for a table. */
export interface ResourceState {
  /** `True`, `False`, or at how many of its parents. */
  readonly accepted: string;
  readonly programmed?: string;
  readonly addresses?: readonly string[];
}

export interface ResourceDetail extends ResourceRow {
  /** As it was written, with its status. */
  readonly document: unknown;
}

export interface ProxyRow {
  readonly name: string;
  readonly namespace: string;
  readonly proxy: string;
  readonly identity: string;
  readonly software: string;
  readonly connected: boolean;
  /** Of the connection, or of its end. */
  readonly since: number;
  readonly revisionSent: string;
  readonly revisionAcked: string;
  readonly nack: { readonly revision: string; readonly reasons: readonly string[] } | null;
  /** What it serves of Gateways, and what it cannot. */
  readonly gateways: readonly {
    readonly name: string;
    readonly addresses: readonly string[];
    readonly problems: readonly { readonly port: number; readonly address: string; readonly problem: string }[];
  }[];
}

export interface StatusResult {
  readonly control: {
    readonly software: string;
    readonly trustDomain: string;
    readonly startedAt: number;
    readonly revision: string;
    /** What is wrong with the config directory; with an error among them an older configuration runs. */
    readonly problems: readonly Problem[];
  };
  readonly proxies: readonly ProxyRow[];
}

export interface RevisionResult {
  readonly revision: string;
  readonly total: number;
  readonly acked: number;
  readonly waiting: readonly string[];
  readonly refused: readonly { readonly proxy: string; readonly reasons: readonly string[] }[];
  /** Every connected proxy runs this revision or a newer one. */
  readonly done: boolean;
}

export interface ServiceRow {
  readonly name: string;
  readonly hosts: readonly string[];
  readonly ports: readonly ServicePortRow[];
}

export interface ServicePortRow {
  readonly port: number;
  readonly protocol: string;
  readonly endpoints: readonly EndpointRow[];
  /** When the source last confirmed these endpoints. */
  readonly confirmedAt: number;
}

export interface EndpointRow {
  readonly address: string;
  readonly port: number;
  readonly weight: number;
  /** Null: outside the mesh, plaintext. */
  readonly identity: string | null;
  readonly workload: string;
}

/** A registration of a proxy. */
export interface WorkloadRow {
  readonly key: string;
  readonly service: string;
  readonly address: string;
  readonly identity: string;
  readonly ports: readonly number[];
  readonly labels: Readonly<Record<string, string>>;
  readonly connected: boolean;
  readonly confirmedAt: number;
}

export interface NewJoinTokenRequest {
  readonly namespace: string;
  readonly name: string;
  /** @default one hour */
  readonly ttlMs?: number;
  /** Joins it is good for; 0: any number until it expires. @default 1 */
  readonly uses?: number;
  /** Gateways that whoever joins with it may serve: `<namespace>/<name>`, or "*". @default none */
  readonly gateways?: readonly string[];
}

export interface JoinTokenRow {
  readonly id: string;
  readonly namespace: string;
  readonly name: string;
  readonly createdAt: number;
  readonly expiresAt: number;
  readonly uses: number;
  readonly used: number;
  readonly gateways?: readonly string[];
  readonly createdBy: string;
}

/** The only time that the secret is shown. */
export interface NewJoinTokenResult extends JoinTokenRow {
  readonly token: string;
}

export interface ApiTokenRow {
  readonly id: string;
  readonly name: string;
  readonly role: string;
  readonly createdAt: number;
}

export interface NewApiTokenResult extends ApiTokenRow {
  readonly token: string;
}

/** What a rollout is to do; what is left out has a default. */
export interface RolloutRequest {
  /** @default "HTTPRoute" */
  readonly kind?: "HTTPRoute" | "GRPCRoute";
  readonly namespace?: string;
  readonly route: string;
  /** Name or number of the rule. @default "0" */
  readonly rule?: string;
  /** Backend that is to take over. */
  readonly to: string;
  /** Percentages, rising. @default 5, 25, 50, 100 */
  readonly steps?: readonly number[];
  /** @default 30 s */
  readonly intervalMs?: number;
  /** @default 20 */
  readonly minRequests?: number;
  /** 0 to 1. @default 0.01 */
  readonly maxErrorIncrease?: number;
  /** Share of the old. @default 0.5 */
  readonly maxLatencyIncrease?: number;
}

export interface RolloutRow {
  /** `Kind/namespace/route/rule` */
  readonly key: string;
  readonly plan: Required<Omit<RolloutRequest, "kind">> & { readonly kind: string };
  readonly state: string;
  readonly reason: string;
  readonly before: readonly number[];
  readonly weights: readonly number[];
  readonly startedBy: string;
  readonly startedAt: number;
  readonly endedAt: number | null;
  readonly steps: readonly RolloutStepRow[];
}

export interface RolloutStepRow {
  readonly percent: number;
  readonly startedAt: number;
  readonly endedAt: number | null;
  readonly old: RolloutSide | null;
  readonly new: RolloutSide | null;
  readonly verdict: string;
  readonly reason: string;
}

/** One side of a step, as all proxies have seen it. */
export interface RolloutSide {
  readonly requests: number;
  readonly failures: number;
  readonly p50Ms: number | null;
  readonly p90Ms: number | null;
  readonly p99Ms: number | null;
}
