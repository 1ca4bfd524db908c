export type BalancerKind = "RoundRobin" | "Random" | "LeastRequest" | "PeakEWMA" | "RingHash" | "Maglev";

/** A named group of interchangeable endpoints, as it travels to proxies. */
export interface ClusterModel {
  /** `<namespace>/<service>:<port>`, and `/<subset>` behind it for a subset. */
  readonly name: string;
  /** Labels of the Istio metrics: destination_service and its parts. */
  readonly service: { readonly namespace: string; readonly name: string; readonly host: string };
  readonly balancer: BalancerKind;
  /** The endpoints speak HTTP/2. Absent: HTTP/1.1, and HTTP/2 to gRPC. */
  readonly http2?: true;
  /** What a consistent hash is made of: the first that the request has. RingHash and Maglev only. */
  readonly hash?: readonly HashKeyModel[];
  readonly slowStart?: SlowStartModel;
  /** Share of endpoints, 0 to 1, below which health is ignored: better to try any than to overload a few. Absent: 0.5. */
  readonly panicThreshold?: number;
  readonly limits?: LimitsModel;
  readonly ejection?: EjectionModel;
  readonly healthCheck?: HealthCheckModel;
  readonly retryBudget?: RetryBudgetModel;
  readonly timeouts?: TimeoutsModel;
  readonly locality?: LocalityModel;
  /** TLS toward endpoints that have no identity (BackendTLSPolicy, ExternalService). */
  readonly tls?: BackendTlsModel;
  /** The endpoints are what these names resolve to; `endpoints` is empty then. */
  readonly resolve?: ResolveModel;
  readonly endpoints: readonly EndpointModel[];
  /** When the source last confirmed this set, ms since the epoch. */
  readonly confirmedAt: number;
}

export interface EndpointModel {
  /** IP literal; never a name. */
  readonly address: string;
  readonly port: number;
  readonly weight: number;
  /** SPIFFE ID the peer must prove. Absent: plaintext, the endpoint is outside the mesh. */
  readonly identity?: string;
  readonly workload: WorkloadLabels;
  readonly locality?: Locality;
  /** Its own, in the place of its cluster's. */
  readonly healthCheck?: HealthCheckModel;
}

export interface Locality {
  readonly region: string;
  readonly zone: string;
  readonly subZone: string;
}

export interface HashKeyModel {
  readonly type: "Header" | "Cookie" | "SourceAddress" | "QueryParam";
  /** Of the header, cookie or parameter; header names in lower case. */
  readonly name?: string;
  /** Cookies: one that is missing is set with this age, so that the client comes back to the same endpoint. 0: for its session. */
  readonly ttlMs?: number;
  readonly path?: string;
}

/** A new endpoint gets its share over this time. */
export interface SlowStartModel {
  readonly windowMs: number;
  /** Share of its weight it starts with, 0 to 1. */
  readonly minimum: number;
}

/** Per worker; what is absent has the default of the proxy. */
export interface LimitsModel {
  readonly connectionsPerEndpoint?: number;
  /** Requests under way at the whole cluster; more wait, then fail with an overflow. */
  readonly requests?: number;
  /** Requests that wait for a connection or their turn. */
  readonly pending?: number;
  /** How long one waits for its turn. */
  readonly pendingMs?: number;
  /** A connection is closed after so many. */
  readonly requestsPerConnection?: number;
}

export interface EjectionModel {
  /** Failures in a row; 0: never for that. */
  readonly consecutiveErrors: number;
  /** Judged each interval, where an endpoint had at least `minimumRequests` in it. */
  readonly intervalMs: number;
  readonly minimumRequests: number;
  /** Success rate, 0 to 1, below which an endpoint is ejected. Absent: not judged. */
  readonly successRate?: number;
  /** Ejected where its median latency is this many times that of its peers. Absent: not judged. */
  readonly latencyFactor?: number;
  /** The n-th ejection in a row lasts n times as long, up to the maximum. */
  readonly baseMs: number;
  readonly maxMs: number;
  /** Share of the cluster, 0 to 1, that may be ejected at once. */
  readonly maxFraction: number;
}

export interface HealthCheckModel {
  readonly type: "HTTP" | "TCP" | "GRPC";
  readonly path?: string;
  readonly host?: string;
  /** Statuses that are healthy. Absent: 200 to 299. */
  readonly statuses?: readonly number[];
  /** Service that the gRPC health protocol is asked about. */
  readonly service?: string;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly healthyAfter: number;
  readonly unhealthyAfter: number;
}

export interface RetryBudgetModel {
  /** Retries allowed for each request, 0 to 1. */
  readonly fraction: number;
  readonly minPerSecond: number;
}

export interface TimeoutsModel {
  readonly connectMs?: number;
  readonly idleMs?: number;
  /** From the end of a request to the head of its response. */
  readonly responseMs?: number;
  /** A connection takes no new requests after this age. */
  readonly connectionAgeMs?: number;
}

export interface LocalityModel {
  /** `Failover`: the nearest that has enough healthy endpoints. `None`: all alike. */
  readonly mode: "Failover" | "None";
  /** Regions to turn to, in order, after the own one. */
  readonly order?: readonly string[];
  /** Share of healthy endpoints, 0 to 1, below which a locality gives part of its requests away. */
  readonly spillBelow?: number;
}

export interface BackendTlsModel {
  /** SNI, and the name the certificate must have where `names` is absent. "" with `resolve` by request: its host. */
  readonly serverName: string;
  /** PEM; absent: the system's. */
  readonly roots?: string;
  /** One of these must be in the certificate instead. */
  readonly names?: readonly { readonly type: "Hostname" | "URI"; readonly value: string }[];
  /** What is shown to endpoints that ask for it, PEM. Secret: never logged, never shown. */
  readonly proof?: { readonly certificate: string; readonly privateKey: string };
  /** Why no connection may be made: the policy is broken, and plaintext would be a way around it. */
  readonly invalid?: string;
}

export interface ResolveModel {
  /** `Names` are looked up, each for as long as its TTL; `Request`: the request's own host is (wildcard hosts). */
  readonly type: "Names" | "Request";
  readonly names?: readonly { readonly host: string; readonly port: number; readonly weight: number }[];
  /** Port for `Request`. */
  readonly port?: number;
}

/** Who a workload is in metrics and logs. */
export interface WorkloadLabels {
  readonly name: string;
  readonly namespace: string;
  readonly app: string;
  readonly version: string;
}
