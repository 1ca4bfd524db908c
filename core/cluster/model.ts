export type BalancerKind = "RoundRobin" | "LeastRequest" | "PeakEWMA";

/** A named group of interchangeable endpoints, as it travels to proxies. */
export interface ClusterModel {
  /** `<namespace>/<service>:<port>` */
  readonly name: string;
  /** Labels of the Istio metrics: destination_service and its parts. */
  readonly service: { readonly namespace: string; readonly name: string; readonly host: string };
  readonly balancer: BalancerKind;
  /** The endpoints speak HTTP/2. Absent: HTTP/1.1, and HTTP/2 to gRPC. */
  readonly http2?: true;
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
}

/** Who a workload is in metrics and logs. */
export interface WorkloadLabels {
  readonly name: string;
  readonly namespace: string;
  readonly app: string;
  readonly version: string;
}
