import { latin1 } from "../base/mod.ts";
import { METHOD_NAMES, Method } from "../http/mod.ts";
import type { Direction } from "../listener/mod.ts";
import type { Service, ServicePort, Snapshot } from "../snapshot/mod.ts";
import type { MeshExchange } from "./exchange.ts";
import { EgressRefused, MethodRefused, NoRoute } from "./failure.ts";
import type { Mesh } from "./mesh.ts";

/**
 * What a listener does with its requests: finds the route of one. False when
 * the exchange is parked; it comes back by `serve`.
 */
export interface Way {
  readonly direction: Direction;
  route(exchange: MeshExchange, mesh: Mesh): boolean;
}

/** An explicit listener: everything goes to one port of one service, whatever the Host. Port 0 is the usual one. */
export function serviceWay(host: string, port: number): Way {
  const name = latin1(host);
  let snapshot: Snapshot | null = null;
  let service: Service | null = null;
  return {
    direction: "outbound",
    route(exchange, mesh) {
      if (exchange.request.method === Method.Connect) throw refusedMethod(exchange, "this listener serves one service");
      if (snapshot !== mesh.snapshot) {
        snapshot = mesh.snapshot;
        service = snapshot.lookupHost(name, 0, name.length);
      }
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
      if (request.method === Method.Connect)
        throw refusedMethod(exchange, `"${service.name}" speaks HTTP: send the request itself`);
      const port = service.port(request.port);
      if (port === null) throw new NoRoute(`Cannot route to "${service.name}": it has no port ${request.port}`);
      return match(exchange, service, port, mesh);
    },
  };
}

function match(exchange: MeshExchange, service: Service, port: ServicePort, mesh: Mesh): boolean {
  mesh.used.add(service.name);
  const entry = port.router.match(exchange.request);
  if (entry === null) throw new NoRoute(`Cannot route ${pathOf(exchange)}: no rule of port ${port.port} matches`);
  exchange.entry = entry;
  exchange.service = service.name;
  return service.model.external === "Request" ? outsideAt(exchange, port.port, mesh) : true;
}

/** A wildcard service outside the mesh: the request itself names its destination. */
function outsideAt(exchange: MeshExchange, port: number, mesh: Mesh): boolean {
  const { request } = exchange;
  return mesh.leave(exchange, request.text(request.authorityStart, request.hostEnd).toLowerCase(), port);
}

/** A host no snapshot knows: discovery is asked once, then it is outside the mesh. */
function outside(exchange: MeshExchange, mesh: Mesh): boolean {
  const { request } = exchange;
  const host = request.text(request.authorityStart, request.hostEnd).toLowerCase();
  if (!mesh.isKnownAbsent(host)) return mesh.want(exchange, host);
  if (mesh.snapshot.mesh.egress !== "ALLOW_ANY") {
    throw new EgressRefused(`Cannot call "${host}": it is not in the mesh, and the mesh allows no other destination`);
  }
  return mesh.leave(exchange, host, request.port || (request.method === Method.Connect ? 443 : 80));
}

/** The local app, behind one inbound port. */
export function inboundWay(appPort: number): Way {
  return {
    direction: "inbound",
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
