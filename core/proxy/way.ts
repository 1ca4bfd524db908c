import { latin1 } from "../base/mod.ts";
import type { Cluster } from "../cluster/mod.ts";
import { METHOD_NAMES, Method } from "../http/mod.ts";
import type { ConnectionFacts, Direction } from "../listener/mod.ts";
import type { ConnectionRules, Rule } from "../route/mod.ts";
import type { Service, ServicePort, Snapshot } from "../snapshot/mod.ts";
import { REACHED } from "../tcp/mod.ts";
import { BYTES_PROTOCOL, NO_WORDS, type Words } from "./connection.ts";
import type { MeshExchange } from "./exchange.ts";
import { EgressRefused, MethodRefused, NoRoute } from "./failure.ts";
import type { Mesh } from "./mesh.ts";
import type { TrustedProxies } from "./trusted-proxies.ts";

/**
 * What a listener does with its requests: finds the route of one. False when
 * the exchange is parked; it comes back by `serve`.
 */
export interface Way {
  readonly direction: Direction;
  /** In front of a gateway; absent: nobody's word is believed. */
  readonly proxies?: TrustedProxies;
  /** What a connection of this listener is, before a byte of it is read. Absent: one that carries requests. */
  takes?(facts: ConnectionFacts, mesh: Mesh): Taking;
  route(exchange: MeshExchange, mesh: Mesh): boolean;
}

/** What a connection is to be served as. */
export type Taking =
  | "requests"
  /** Bytes, by one of these rules. */
  | { readonly kind: "rules"; readonly rules: ConnectionRules }
  /** Bytes, by this rule; null: none takes them. `words` are for the downstream. */
  | { readonly kind: "rule"; readonly rule: Rule | null; readonly words: Words }
  /** Bytes, to this cluster: no rule has a say. */
  | { readonly kind: "cluster"; readonly cluster: Cluster }
  /** Discovery is to be asked for the host first. */
  | { readonly kind: "unknown"; readonly host: string };

/** An explicit listener: everything goes to one port of one service, whatever the Host. Port 0 is the usual one. */
export function serviceWay(host: string, port: number): Way {
  const name = latin1(host);
  let snapshot: Snapshot | null = null;
  let service: Service | null = null;
  const look = (mesh: Mesh): Service | null => {
    if (snapshot !== mesh.snapshot) {
      snapshot = mesh.snapshot;
      service = snapshot.lookupHost(name, 0, name.length);
    }
    return service;
  };
  return {
    direction: "outbound",
    takes(_facts, mesh) {
      const service = look(mesh);
      if (service === null) return mesh.isKnownAbsent(host) ? "requests" : { kind: "unknown", host };
      const rules = service.port(port)?.connections ?? null;
      if (rules === null) return "requests";
      mesh.used.add(service.name);
      return { kind: "rules", rules };
    },
    route(exchange, mesh) {
      if (exchange.request.method === Method.Connect) throw refusedMethod(exchange, "this listener serves one service");
      const service = look(mesh);
      if (service === null && !mesh.isKnownAbsent(host)) return mesh.want(exchange, host);
      if (service === null) throw new NoRoute(`Cannot route to "${host}": there is no such service`);
      const found = service.port(port);
      if (found === null) throw new NoRoute(`Cannot route to "${host}": it has no port ${port}`);
      return match(exchange, service, found, mesh);
    },
  };
}

/** The forward proxy for the local app: the authority says which service, or a destination outside the mesh. */
export function forwardWay(): Way {
  return {
    direction: "outbound",
    route(exchange, mesh) {
      const { request } = exchange;
      if (request.authorityEnd === request.authorityStart)
        throw new NoRoute("Cannot route a request that names no host");
      const service = mesh.snapshot.lookupHost(request.bytes, request.authorityStart, request.hostEnd);
      if (service === null) return outside(exchange, mesh);
      const port = service.port(request.port);
      if (port === null) throw new NoRoute(`Cannot route to "${service.name}": it has no port ${request.port}`);
      if (request.method === Method.Connect && service.model.external !== "Request")
        return mesh.tunnel(exchange, serviceWay(service.model.hosts[0]!, request.port));
      if (port.connections !== null && request.method !== Method.Connect)
        throw new NoRoute(`Cannot route to port ${port.port} of "${service.name}": it takes no requests, use CONNECT`);
      return match(exchange, service, port, mesh);
    },
  };
}

function match(exchange: MeshExchange, service: Service, port: ServicePort, mesh: Mesh): boolean {
  mesh.used.add(service.name);
  const entry = port.router.match(exchange.request);
  if (entry === null) throw new NoRoute(`Cannot route ${pathOf(exchange)}: no rule of port ${port.port} matches`);
  exchange.entry = entry;
  exchange.port = port.port;
  exchange.service = service.name;
  return service.model.external === "Request" ? outsideAt(exchange, port.port, mesh) : true;
}

/**
 * A wildcard service outside the mesh: the request itself names its
 * destination, and the rest is as the service says. What is inside of a CONNECT
 * is the client's own.
 */
function outsideAt(exchange: MeshExchange, port: number, mesh: Mesh): boolean {
  const { request } = exchange;
  const host = request.text(request.authorityStart, request.hostEnd).toLowerCase();
  const cluster = exchange.entry!.rule.backends[0]?.cluster ?? null;
  const like = request.method === Method.Connect ? null : cluster;
  return mesh.leave(exchange, host, cluster?.resolvePort || port, like);
}

/** A host no snapshot knows: an endpoint's own address, or, when discovery was asked once, outside the mesh. */
function outside(exchange: MeshExchange, mesh: Mesh): boolean {
  const { request } = exchange;
  const host = request.text(request.authorityStart, request.hostEnd).toLowerCase();
  if (ADDRESS.test(host)) {
    const cluster = mesh.snapshot.endpointAt(`${host}:${request.port || 80}`);
    if (cluster !== null && mayGoStraight(cluster, mesh)) return straight(exchange, cluster, mesh);
  }
  if (!mesh.isKnownAbsent(host)) return mesh.want(exchange, host);
  if (mesh.snapshot.mesh.egress !== "ALLOW_ANY") {
    throw new EgressRefused(`Cannot call "${host}": it is not in the mesh, and the mesh allows no other destination`);
  }
  return mesh.leave(exchange, host, request.port || (request.method === Method.Connect ? 443 : 80));
}

/** An endpoint without a sidecar runs no guard of its own: where not all may be called, it is called by its Service. */
function mayGoStraight({ endpoints }: Cluster, mesh: Mesh): boolean {
  return mesh.snapshot.mesh.egress === "ALLOW_ANY" || endpoints[0]!.identity !== null;
}

const ADDRESS = /^[\d.]+$|\]$/;

/** To one endpoint: no route is asked, and nobody else is. */
function straight(exchange: MeshExchange, cluster: Cluster, mesh: Mesh): boolean {
  if (exchange.request.method === Method.Connect) return mesh.tunnel(exchange, endpointWay(cluster));
  exchange.cluster = cluster;
  return true;
}

function endpointWay(cluster: Cluster): Way {
  return {
    direction: "outbound",
    takes: () => ({ kind: "cluster", cluster }),
    route() {
      throw new NoRoute("Cannot route a request: its connection was to be one of bytes");
    },
  };
}

/** What proxies of the mesh call connections that carry requests. */
const REQUEST_PROTOCOLS: ReadonlySet<string> = new Set(["mesh/h1", "mesh/h2"]);
const SAYS_REACHED: Words = Object.freeze({ connected: REACHED });

/**
 * The local app, behind one inbound port. What the port takes is said by the
 * app's own side: where policies guard requests, no caller gets around them by
 * calling its bytes something else.
 */
export function inboundWay(appPort: number): Way {
  return {
    direction: "inbound",
    takes(facts, mesh) {
      const inbound = mesh.snapshot.workload?.port(appPort) ?? null;
      if (inbound === null || inbound.protocol === "http" || REQUEST_PROTOCOLS.has(facts.protocol)) return "requests";
      const words = facts.protocol === BYTES_PROTOCOL ? SAYS_REACHED : NO_WORDS;
      return { kind: "rule", rule: inbound.entry.rule, words };
    },
    route(exchange, mesh) {
      if (exchange.request.method === Method.Connect)
        throw refusedMethod(exchange, "an app's port takes requests only");
      const inbound = mesh.snapshot.workload?.port(appPort) ?? null;
      if (inbound === null)
        throw new NoRoute(`Cannot take requests for port ${appPort}: the workload has no such port`);
      exchange.entry = inbound.entry;
      if (inbound.entry.policies.length > 0) exchange.service = `${inbound.service.namespace}/${inbound.service.name}`;
      return true;
    },
  };
}

function refusedMethod(exchange: MeshExchange, why: string): MethodRefused {
  return new MethodRefused(`Cannot take ${METHOD_NAMES[exchange.request.method]}: ${why}`);
}

function pathOf(exchange: MeshExchange): string {
  return `${exchange.request.methodText()} ${exchange.request.pathText().slice(0, 200)}`;
}
