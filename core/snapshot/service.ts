import type { Plugin } from "../plugin/mod.ts";
import { type RouteMatch, Router, Rule, type RuleModel } from "../route/mod.ts";
import type { ServiceModel, ServicePortModel } from "./model.ts";
import { attempt, type Material, Needs } from "./needs.ts";

/** What the router finds: a rule, and the policies that run before it. */
export class RouteEntry {
  readonly rule: Rule;
  /** In the order in which they run: the Service's guards where the caller runs them, then the rule's own. */
  readonly policies: readonly Plugin[];

  constructor(rule: Rule, policies: readonly Plugin[]) {
    this.rule = rule;
    this.policies = policies;
    Object.freeze(this);
  }
}

/** One port of a Service with its rules. */
export class ServicePort {
  readonly port: number;
  readonly protocol: ServicePortModel["protocol"];
  readonly router: Router<RouteEntry>;
  /** In the order of the model; what comes by tcp takes the first, without a match. */
  readonly entries: readonly RouteEntry[];

  constructor(model: ServicePortModel, entries: readonly RouteEntry[], router: Router<RouteEntry>) {
    this.port = model.port;
    this.protocol = model.protocol;
    this.entries = entries;
    this.router = router;
    Object.freeze(this);
  }
}

/** A Service as its callers see it, made ready. Immutable. */
export class Service {
  /** `<namespace>/<name>` */
  readonly name: string;
  readonly version: string;
  readonly model: ServiceModel;
  readonly ports: readonly ServicePort[];
  readonly #needs: Needs;
  /** Port for an authority that names none; null without ports. */
  readonly #usual: ServicePort | null;

  constructor(model: ServiceModel, version: string, ports: readonly ServicePort[], needs: Needs) {
    this.name = model.name;
    this.version = version;
    this.model = model;
    this.ports = ports;
    this.#needs = needs;
    this.#usual =
      ports.find((port) => port.port === 80) ?? ports.find((port) => port.protocol === "http") ?? ports[0] ?? null;
    Object.freeze(this);
  }

  /**
   * The port of a number; null where the Service has no such port. 0 is an
   * authority without one: port 80, else the first http port, else the first.
   */
  port(number: number): ServicePort | null {
    if (number === 0) return this.#usual;
    const ports = this.ports;
    for (let i = 0; i < ports.length; i++) if (ports[i]!.port === number) return ports[i]!;
    return null;
  }

  /** Whether it would be made the same again. */
  isCurrent(version: string, material: Material): boolean {
    return this.version === version && this.#needs.areMetBy(material);
  }
}

/** Makes a service ready; what is wrong with it becomes reasons of the material. */
export function buildService(model: ServiceModel, version: string, material: Material): Service {
  const needs = new Needs(material);
  const ports = model.ports.map((port) => buildPort(model.name, port, needs, material));
  return new Service(model, version, Object.freeze(ports), needs);
}

function buildPort(service: string, model: ServicePortModel, needs: Needs, material: Material): ServicePort {
  const entries: RouteEntry[] = [];
  const matches = model.rules.flatMap((rule, ruleIndex) => {
    const where = placeOf(rule.id, service);
    const value = attempt(where, material.reasons, () => buildEntry(model, rule, where, needs, material));
    if (value === null) return [];
    entries.push(value);
    return rule.matches.map((match) => ({ match, order: rule.order, ruleIndex, value }));
  });
  return new ServicePort(model, Object.freeze(entries), buildRouter(service, matches, material));
}

function buildRouter(
  service: string,
  matches: readonly RouteMatch<RouteEntry>[],
  material: Material,
): Router<RouteEntry> {
  const { scan, reasons } = material;
  const router = attempt("", [], () => new Router(matches, scan));
  if (router !== null) return router;
  // One by one, so that all that is wrong is told, and where.
  for (const match of matches) attempt(placeOf(match.value.rule.id, service), reasons, () => new Router([match], scan));
  return new Router<RouteEntry>([], scan);
}

function placeOf(rule: string, service: string): string {
  return `Rule "${rule}" of the service "${service}"`;
}

function buildEntry(
  port: ServicePortModel,
  model: RuleModel,
  where: string,
  needs: Needs,
  material: Material,
): RouteEntry {
  const rule = new Rule(model, {
    requestTimeoutMs: material.mesh.requestTimeoutMs,
    clusterNamed: (name) => needs.cluster(name, where, material),
  });
  const ids = port.guardedByCaller ? [...port.guards, ...model.policies] : model.policies;
  return new RouteEntry(rule, needs.policies(ids, where, material));
}
