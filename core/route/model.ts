/** A compiled rule as it travels to proxies: plain data, JSON on the wire and on disk. */
export interface RuleModel extends FiltersModel {
  /** `HTTPRoute/<namespace>/<name>/<rule name or index>`, or `Service/<ns>/<name>` for the rule a Service has without routes. */
  readonly id: string;
  /** Any of these; an empty list never matches, the compiler writes "/" as a prefix instead. */
  readonly matches: readonly MatchModel[];
  /** Cut-off order of Gateway API after specificity: the older route, then the name. Lower goes first. */
  readonly order: number;
  readonly backends: readonly BackendModel[];
  /** Namespace whose callers the rule is for (GAMMA, consumer route); such rules replace all others of the port there. Absent: everybody. */
  readonly consumers?: string;
  /** Whole request, from its head to the last byte of the response. Absent: the mesh's default. 0: none. */
  readonly requestTimeoutMs?: number;
  /** One attempt. Absent: only the request timeout holds. */
  readonly backendTimeoutMs?: number;
  /** When another attempt is made. Absent: only where the request provably was not acted upon, or may be repeated. */
  readonly retry?: RetryModel;
  /** A second attempt beside a slow first one. */
  readonly hedge?: HedgeModel;
  /** Status and body of what mirrors answer are compared with those of the first, and differences counted and logged. */
  readonly compareMirrors?: true;
  /** Requests of one session go to one endpoint. */
  readonly session?: SessionModel;
  /** Faults on purpose, in order: the first whose match holds and whose chance comes up. */
  readonly faults?: readonly FaultModel[];
  /** Ids of `PluginModel`s that run at this rule on the calling side, in order. */
  readonly policies: readonly string[];
}

/** Filters of Gateway API, at a rule or at one of its backends. */
export interface FiltersModel {
  readonly requestHeaders?: HeaderEditsModel;
  readonly responseHeaders?: HeaderEditsModel;
  /** Answers instead of a backend. */
  readonly redirect?: RedirectModel;
  readonly rewrite?: RewriteModel;
  readonly mirrors?: readonly MirrorModel[];
  readonly cors?: CorsModel;
}

/** What is put in the place of a path, or of the prefix that the rule's match has. */
export interface PathChangeModel {
  readonly type: "ReplaceFullPath" | "ReplacePrefixMatch";
  readonly value: string;
}

/** HTTPRequestRedirectFilter: what is absent is that of the request. */
export interface RedirectModel {
  readonly scheme?: "http" | "https";
  readonly hostname?: string;
  readonly path?: PathChangeModel;
  readonly port?: number;
  readonly status: 301 | 302 | 303 | 307 | 308;
}

/** HTTPURLRewriteFilter. */
export interface RewriteModel {
  readonly hostname?: string;
  readonly path?: PathChangeModel;
}

/** HTTPRequestMirrorFilter: a copy of the request whose response goes nowhere. */
export interface MirrorModel {
  /** Name of a `ClusterModel`, or null where the reference is broken: nothing is sent. */
  readonly cluster: string | null;
  /** As the author wrote it. */
  readonly name: string;
  /** Share of requests, 0 to 1. */
  readonly fraction: number;
}

/** HTTPCORSFilter; names and values as the author wrote them. */
export interface CorsModel {
  /** `*`, or `scheme://host[:port]` whose host may begin with `*.`. */
  readonly allowOrigins: readonly string[];
  readonly allowMethods: readonly string[];
  readonly allowHeaders: readonly string[];
  readonly exposeHeaders: readonly string[];
  readonly maxAgeSeconds: number;
  readonly allowCredentials: boolean;
}

/** What is a reason for another attempt, beside what is safe in any case. */
export type RetryCondition = "connect-failure" | "reset" | "timeout" | "refused";

export interface RetryModel {
  /** Attempts after the first. */
  readonly attempts: number;
  /** Response statuses that are tried again. */
  readonly statuses?: readonly number[];
  /** `grpc-status` codes that are tried again. */
  readonly grpcStatuses?: readonly number[];
  /** Absent: all of them. */
  readonly on?: readonly RetryCondition[];
  /** One attempt, where the rule's `backendTimeoutMs` says nothing. */
  readonly perTryTimeoutMs?: number;
  /** Pause before the n-th retry: a random part of min(base * 2^(n-1), max). Absent: 25 ms, 250 ms. */
  readonly backoff?: { readonly baseMs: number; readonly maxMs: number };
  /** Also requests whose method must not be repeated: the author knows that it may. */
  readonly anyMethod?: true;
}

export interface HedgeModel {
  /** Without a response for so long, another attempt is made beside the first; idempotent requests only. */
  readonly afterMs: number;
  /** Attempts beside the first. */
  readonly attempts: number;
}

/** GEP-1619. */
export interface SessionModel {
  readonly type: "Cookie" | "Header";
  readonly name: string;
  /** Cookies only: lasts with the browser's session, or as long as `absoluteTimeoutMs`. */
  readonly lifetime: "Session" | "Permanent";
  readonly absoluteTimeoutMs?: number;
  readonly idleTimeoutMs?: number;
}

export interface FaultModel {
  /** `Fault/<namespace>/<name>` */
  readonly id: string;
  /** Any of these; absent: every request. */
  readonly matches?: readonly MatchModel[];
  readonly delay?: { readonly ms: number; readonly fraction: number };
  /** A status of HTTP, or of gRPC for gRPC calls. */
  readonly abort?: { readonly status?: number; readonly grpcStatus?: number; readonly fraction: number };
}

/** A rule for connections whose content is not read (TCPRoute, UDPRoute, TLSRoute). */
export interface ConnectionRuleModel {
  readonly id: string;
  /** Lower goes first. */
  readonly order: number;
  /** Server names (SNI) it takes, lower case, may begin with `*.`; absent: all. */
  readonly serverNames?: readonly string[];
  /** Namespace whose callers the rule is for. Absent: everybody. */
  readonly consumers?: string;
  readonly backends: readonly Pick<BackendModel, "cluster" | "name" | "weight">[];
}

export interface MatchModel {
  /** A regular expression takes the whole path. */
  readonly path: { readonly type: "Exact" | "PathPrefix" | "RegularExpression"; readonly value: string };
  /** Upper-case method. */
  readonly method?: string;
  /** All must match; names are lower case. */
  readonly headers?: readonly ValueMatchModel[];
  readonly query?: readonly ValueMatchModel[];
}

export interface ValueMatchModel {
  readonly name: string;
  readonly type: "Exact" | "RegularExpression";
  readonly value: string;
}

/** Gateway API header modifier; names keep the author's case, comparison ignores it. */
export interface HeaderEditsModel {
  readonly set?: readonly { readonly name: string; readonly value: string }[];
  readonly add?: readonly { readonly name: string; readonly value: string }[];
  readonly remove?: readonly string[];
}

export interface BackendModel extends FiltersModel {
  /** Name of a `ClusterModel`, or null where the reference is broken: its share of requests gets 500 (Gateway API). */
  readonly cluster: string | null;
  /** Service name as the author wrote it, e.g. "web-v2": what a routing policy may name. */
  readonly name: string;
  readonly weight: number;
}
