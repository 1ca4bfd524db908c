import { METHOD_NAMES, Method } from "../http/mod.ts";
import type { GatewayListener, GatewayPort, Snapshot } from "../snapshot/mod.ts";
import { NO_WORDS } from "./connection.ts";
import type { MeshExchange } from "./exchange.ts";
import { MethodRefused, MisdirectedRequest, NoRoute } from "./failure.ts";
import type { Mesh } from "./mesh.ts";
import type { TrustedProxies } from "./trusted-proxies.ts";
import type { Way } from "./way.ts";

/**
 * A port of a gateway: the request's host chooses the listener, then the rule.
 *
 * @param secured name of the listener that the ClientHello's server name chose;
 * null without TLS. A connection serves no other one: what was agreed on with
 * one listener (its certificate, who the client is) says nothing about another.
 */
export function gatewayWay(gateway: string, port: number, secured: string | null, proxies?: TrustedProxies): Way {
  let snapshot: Snapshot | null = null;
  let found: GatewayPort | null = null;
  let own: GatewayListener | null = null;
  const look = (mesh: Mesh): void => {
    if (snapshot === mesh.snapshot) return;
    snapshot = mesh.snapshot;
    found = snapshot.gatewayNamed(gateway)?.port(port) ?? null;
    own = secured === null ? null : (found?.listenerNamed(secured) ?? null);
  };
  return {
    direction: "gateway",
    ...(proxies && { proxies }),
    takes({ serverName }, mesh) {
      look(mesh);
      // Without TLS nothing tells listeners of bytes apart: the first has the port.
      const rules = (secured === null ? found?.listeners[0] : own)?.connections ?? null;
      // Where a server name counts, the ClientHello has been read: who names none has none.
      return rules === null ? "requests" : { kind: "rule", rule: rules.find(serverName), words: NO_WORDS };
    },
    route(exchange, mesh) {
      look(mesh);
      const { request } = exchange;
      if (request.method === Method.Connect)
        throw new MethodRefused(`Cannot take ${METHOD_NAMES[request.method]}: a gateway takes requests only`);
      const listener = found?.listenerFor(request.bytes, request.authorityStart, request.hostEnd) ?? null;
      if (listener === null)
        throw new NoRoute(`Cannot route "${hostOf(exchange)}": no listener of port ${port} takes it`);
      if (secured !== null && listener !== own) throw misdirected(exchange, listener, secured);
      exchange.port = port;
      return enter(exchange, listener);
    },
  };
}

function enter(exchange: MeshExchange, listener: GatewayListener): boolean {
  exchange.listener = listener.name;
  const entry = listener.match(exchange.request);
  if (entry === null) throw new NoRoute(`Cannot route ${pathOf(exchange)}: no rule of "${listener.name}" matches`);
  exchange.entry = entry;
  // Policies learn whom the rule is for; they run before one of its backends is chosen.
  if (entry.policies.length > 0) exchange.service = serviceOf(exchange);
  return true;
}

function misdirected(exchange: MeshExchange, { name }: GatewayListener, secured: string): MisdirectedRequest {
  return new MisdirectedRequest(
    `Cannot serve "${hostOf(exchange)}" on a connection to "${secured}": it belongs to "${name}"`,
  );
}

function serviceOf({ entry }: MeshExchange): string {
  const service = entry!.rule.backends[0]?.cluster?.service;
  return service === undefined ? "" : `${service.namespace}/${service.name}`;
}

function hostOf({ request }: MeshExchange): string {
  return request.text(request.authorityStart, request.hostEnd).slice(0, 255);
}

function pathOf(exchange: MeshExchange): string {
  return `${exchange.request.methodText()} ${exchange.request.pathText().slice(0, 200)}`;
}
