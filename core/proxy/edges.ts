import type { Endpoint } from "../cluster/mod.ts";
import type { Edge, EdgePeer, IstioMetrics } from "../telemetry/mod.ts";
import type { MeshExchange } from "./exchange.ts";

/** Who this proxy is, as its records say it. */
export interface Self {
  readonly workload: EdgePeer | null;
  /** SPIFFE ID; null before the first certificate. */
  principal: string | null;
}

/** Stands for the service of a request that came to none. */
const NO_SERVICE = Object.freeze({});

/** The edge of two workloads, by what they speak; each is made when it is first met. */
class Pair {
  http: Edge | null = null;
  grpc: Edge | null = null;
}

/** Finds the edge of the service graph that an exchange went along. */
export class Edges {
  readonly #istio: IstioMetrics;
  readonly #self: Self;
  /** Of outbound requests that met no endpoint, by cluster. */
  readonly #unmet = new Map<string, Pair>();
  /** Of inbound requests, by the service that brought them and the peer. */
  readonly #inbound = new WeakMap<object, Map<string | null, Pair>>();

  constructor(istio: IstioMetrics, self: Self) {
    this.#istio = istio;
    this.#self = self;
  }

  of(exchange: MeshExchange): Edge {
    const { endpoint, downstream, isGrpc } = exchange;
    const inbound = downstream!.connection.direction === "inbound";
    const pair = inbound
      ? this.#inboundPair(exchange)
      : endpoint === null
        ? this.#unmetPair(exchange)
        : metPair(endpoint);
    const edge = isGrpc ? pair.grpc : pair.http;
    if (edge !== null) return edge;
    const protocol = isGrpc ? "grpc" : "http";
    const made = inbound ? this.#inboundEdge(exchange, protocol) : this.#outboundEdge(exchange, protocol);
    pair[protocol] = made;
    return made;
  }

  #unmetPair(exchange: MeshExchange): Pair {
    const key = exchange.cluster?.name ?? "";
    let pair = this.#unmet.get(key);
    if (pair === undefined) {
      pair = new Pair();
      this.#unmet.set(key, pair);
    }
    return pair;
  }

  #inboundPair(exchange: MeshExchange): Pair {
    const pairs = this.#inboundPairs(serviceOf(exchange) ?? NO_SERVICE);
    const { peer } = exchange.downstream!.connection;
    let pair = pairs.get(peer);
    if (pair === undefined) {
      pair = new Pair();
      pairs.set(peer, pair);
    }
    return pair;
  }

  #inboundPairs(service: object): Map<string | null, Pair> {
    let pairs = this.#inbound.get(service);
    if (pairs === undefined) {
      pairs = new Map();
      this.#inbound.set(service, pairs);
    }
    return pairs;
  }

  #outboundEdge({ endpoint, cluster }: MeshExchange, protocol: "http" | "grpc"): Edge {
    return this.#istio.edge({
      reporter: "source",
      source: this.#self.workload,
      sourcePrincipal: this.#self.principal,
      destination: endpoint?.workload ?? null,
      destinationPrincipal: endpoint?.identity ?? null,
      service: cluster?.service ?? null,
      protocol,
      security: endpoint === null ? "unknown" : endpoint.identity === null ? "none" : "mutual_tls",
    });
  }

  #inboundEdge(exchange: MeshExchange, protocol: "http" | "grpc"): Edge {
    const { peer, secure } = exchange.downstream!.connection;
    return this.#istio.edge({
      reporter: "destination",
      source: peerOf(peer),
      sourcePrincipal: peer,
      destination: this.#self.workload,
      destinationPrincipal: this.#self.principal,
      service: serviceOf(exchange),
      protocol,
      security: secure ? "mutual_tls" : "none",
    });
  }
}

function metPair(endpoint: Endpoint): Pair {
  let pair = endpoint.edge as Pair | null;
  if (pair === null) {
    pair = new Pair();
    endpoint.edge = pair;
  }
  return pair;
}

/** The one backend of an inbound rule is the app: known also where a policy refused. */
function serviceOf({ entry }: MeshExchange) {
  return entry?.rule.backends[0]?.cluster?.service ?? null;
}

/** A peer is known by its certificate only: namespace and service account of `spiffe://td/ns/<ns>/sa/<sa>`. */
export function peerOf(spiffeId: string | null): EdgePeer | null {
  const found = spiffeId === null ? null : /\/ns\/([^/]+)\/sa\/([^/]+)$/.exec(spiffeId);
  if (found === null) return null;
  const [, namespace = "", name = ""] = found;
  return { name, namespace, app: name, version: "" };
}
