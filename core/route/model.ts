/** A compiled rule as it travels to proxies: plain data, JSON on the wire and on disk. */
export interface RuleModel {
  /** `HTTPRoute/<namespace>/<name>/<rule name or index>`, or `Service/<ns>/<name>` for the rule a Service has without routes. */
  readonly id: string;
  /** Any of these; an empty list never matches, the compiler writes "/" as a prefix instead. */
  readonly matches: readonly MatchModel[];
  /** Cut-off order of Gateway API after specificity: the older route, then the name. Lower goes first. */
  readonly order: number;
  readonly backends: readonly BackendModel[];
  readonly requestHeaders?: HeaderEditsModel;
  readonly responseHeaders?: HeaderEditsModel;
  /** Whole request, from its head to the last byte of the response. Absent: the mesh's default. 0: none. */
  readonly requestTimeoutMs?: number;
  /** One attempt. Absent: only the request timeout holds. */
  readonly backendTimeoutMs?: number;
  /** Ids of `PluginModel`s that run at this rule on the calling side, in order. */
  readonly policies: readonly string[];
}

export interface MatchModel {
  readonly path: { readonly type: "Exact" | "PathPrefix"; readonly value: string };
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

export interface BackendModel {
  /** Name of a `ClusterModel`, or null where the reference is broken: its share of requests gets 500 (Gateway API). */
  readonly cluster: string | null;
  /** Service name as the author wrote it, e.g. "web-v2": what a routing policy may name. */
  readonly name: string;
  readonly weight: number;
  readonly requestHeaders?: HeaderEditsModel;
  readonly responseHeaders?: HeaderEditsModel;
}
