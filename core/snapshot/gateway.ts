import type { RequestHead } from "../http/mod.ts";
import { type ConnectionRules, HostChain, type HostLink, type Router } from "../route/mod.ts";
import type { GatewayListenerModel, GatewayModel, GatewayPortModel, GatewayTlsModel } from "./model.ts";
import { type Material, Needs } from "./needs.ts";
import { buildConnections, buildRules, type RouteEntry } from "./service.ts";

/** A listener of a gateway: the rules of its hosts, or of its connections. */
export class GatewayListener {
  /** `<namespace>/<Gateway or ListenerSet>/<listener>` */
  readonly name: string;
  readonly tls: GatewayTlsModel | null;
  /** For connections whose content is not read; null where HTTP is spoken. */
  readonly connections: ConnectionRules | null;
  readonly #hosts: HostChain<Router<RouteEntry>>;

  constructor(model: GatewayListenerModel, hosts: HostChain<Router<RouteEntry>>, connections: ConnectionRules | null) {
    this.name = model.name;
    this.tls = model.tls ?? null;
    this.connections = connections;
    this.#hosts = hosts;
    Object.freeze(this);
  }

  /**
   * The rule of a request, from the most specific host to the least: where no
   * rule of a host matches, the next host has its turn (Gateway API,
   * `HTTPRouteSpec.hostnames`).
   */
  match(request: RequestHead): RouteEntry | null {
    let host: HostLink<Router<RouteEntry>> | null;
    host = this.#hosts.find(request.bytes, request.authorityStart, request.hostEnd);
    for (; host !== null; host = host.next) {
      const entry = host.value.match(request);
      if (entry !== null) return entry;
    }
    return null;
  }
}

/** A port of a gateway with the listeners that share it. */
export class GatewayPort {
  readonly port: number;
  readonly transport: GatewayPortModel["transport"];
  readonly listeners: readonly GatewayListener[];
  readonly #byHost: HostChain<GatewayListener>;

  constructor(model: GatewayPortModel, listeners: readonly GatewayListener[], byHost: HostChain<GatewayListener>) {
    this.port = model.port;
    this.transport = model.transport;
    this.listeners = listeners;
    this.#byHost = byHost;
    Object.freeze(this);
  }

  /**
   * The most specific listener that takes the host in `bytes[start, end)`. It
   * is the only one that may answer: a less specific one is not asked where it
   * has no rule (Gateway API, listener isolation).
   */
  listenerFor(bytes: Buffer, start: number, end: number): GatewayListener | null {
    return this.#byHost.find(bytes, start, end)?.value ?? null;
  }

  listenerNamed(name: string): GatewayListener | null {
    const { listeners } = this;
    for (let i = 0; i < listeners.length; i++) if (listeners[i]!.name === name) return listeners[i]!;
    return null;
  }
}

/** A Gateway that this proxy runs, made ready. Immutable. */
export class Gateway {
  /** `<namespace>/<name>` */
  readonly name: string;
  readonly version: string;
  readonly model: GatewayModel;
  readonly ports: readonly GatewayPort[];
  readonly #needs: Needs;

  constructor(model: GatewayModel, version: string, ports: readonly GatewayPort[], needs: Needs) {
    this.name = model.name;
    this.version = version;
    this.model = model;
    this.ports = ports;
    this.#needs = needs;
    Object.freeze(this);
  }

  port(number: number): GatewayPort | null {
    const { ports } = this;
    for (let i = 0; i < ports.length; i++)
      if (ports[i]!.port === number && ports[i]!.transport !== "udp") return ports[i]!;
    return null;
  }

  datagramPort(number: number): GatewayPort | null {
    return this.ports.find(({ port, transport }) => port === number && transport === "udp") ?? null;
  }

  /** Whether it would be made the same again. */
  isCurrent(version: string, material: Material): boolean {
    return this.version === version && this.#needs.areMetBy(material);
  }
}

/** Makes a gateway ready; what is wrong with it becomes reasons of the material. */
export function buildGateway(model: GatewayModel, version: string, material: Material): Gateway {
  const needs = new Needs(material);
  const ports = model.ports.map((port) => buildPort(model.name, port, needs, material));
  return new Gateway(model, version, Object.freeze(ports), needs);
}

function buildPort(gateway: string, model: GatewayPortModel, needs: Needs, material: Material): GatewayPort {
  const listeners = model.listeners.map((listener) => buildListener(gateway, listener, needs, material));
  const byHost = listeners.map((listener, i) => [model.listeners[i]!.hostname, listener] as const);
  return new GatewayPort(model, Object.freeze(listeners), new HostChain(byHost, material.scan.seed));
}

function buildListener(
  gateway: string,
  model: GatewayListenerModel,
  needs: Needs,
  material: Material,
): GatewayListener {
  const of = `the listener "${model.name}" of the gateway "${gateway}"`;
  const place = { guards: [], of, needs, material };
  const hosts = (model.hosts ?? []).map(({ hostname, rules }) => [hostname, buildRules(rules, place).router] as const);
  const connections = model.hosts === undefined ? buildConnections(model.connections ?? [], place) : null;
  return new GatewayListener(model, new HostChain(hosts, material.scan.seed), connections);
}
