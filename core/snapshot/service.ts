import type { Plugin } from "../plugin/mod.ts";
import {
  type ConnectionRuleModel,
  ConnectionRules,
  prefixLengthOf,
  type RouteMatch,
  Router,
  Rule,
  type RuleModel,
  WHOLE_PATH,
} from "../route/mod.ts";
import type { ServiceModel, ServicePortModel } from "./model.ts";
import { attempt, type Material, Needs } from "./needs.ts";

/** What the router finds: a rule, the policies that run before it, and how the match was made. */
export class RouteEntry {
  readonly rule: Rule;
  /** In the order in which they run: the Service's guards where the caller runs them, then the rule's own. */
  readonly policies: readonly Plugin[];
  /** Length of the prefix that was matched, in the path's normal form; `WHOLE_PATH` for another match. */
  readonly prefix: number;

  constructor(rule: Rule, policies: readonly Plugin[], prefix: number = WHOLE_PATH) {
    this.rule = rule;
    this.policies = policies;
    this.prefix = prefix;
    Object.freeze(this);
  }
}

/** One port of a Service with its rules. */
export class ServicePort {
  readonly port: number;
  readonly protocol: ServicePortModel["protocol"];
  readonly router: Router<RouteEntry>;
  readonly entries: readonly RouteEntry[];
  /** What becomes of connections; null where requests are read. */
  readonly connections: ConnectionRules | null;

  constructor(
    model: ServicePortModel,
    entries: readonly RouteEntry[],
    router: Router<RouteEntry>,
    connections: ConnectionRules | null,
  ) {
    this.port = model.port;
    this.protocol = model.protocol;
    this.entries = entries;
    this.router = router;
    this.connections = connections;
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
  /** Ports that connections are made to. */
  readonly #streams: readonly ServicePort[];
  /** Port for an authority that names none; null without ports. */
  readonly #usual: ServicePort | null;

  constructor(model: ServiceModel, version: string, ports: readonly ServicePort[], needs: Needs) {
    this.name = model.name;
    this.version = version;
    this.model = model;
    this.ports = ports;
    this.#needs = needs;
    this.#streams = ports.filter(({ protocol }) => protocol !== "udp");
    this.#usual =
      this.#streams.find((port) => port.port === 80) ??
      this.#streams.find((port) => port.protocol === "http") ??
      this.#streams[0] ??
      null;
    Object.freeze(this);
  }

  /**
   * The port of a number; null where the Service has no such port. 0 is an
   * authority without one: port 80, else the first http port, else the first.
   */
  port(number: number): ServicePort | null {
    if (number === 0) return this.#usual;
    const ports = this.#streams;
    for (let i = 0; i < ports.length; i++) if (ports[i]!.port === number) return ports[i]!;
    return null;
  }

  /** The port for datagrams; 0 is the first. */
  datagramPort(number: number): ServicePort | null {
    return this.ports.find(({ protocol, port }) => protocol === "udp" && (number === 0 || port === number)) ?? null;
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
  if (model.protocol !== "http") return buildConnectionPort(service, model, needs, material);
  const { entries, router } = buildRules(rulesFor(material.namespace, model.rules), {
    guards: model.guardedByCaller ? model.guards : [],
    of: `the service "${service}"`,
    needs,
    material,
  });
  return new ServicePort(model, entries, router, null);
}

/** Without rules of its own, the port leads where its first rule for requests would. */
function buildConnectionPort(service: string, model: ServicePortModel, needs: Needs, material: Material): ServicePort {
  const rules = model.connections ?? model.rules.slice(0, 1).map(({ id, backends }) => ({ id, order: 0, backends }));
  const connections = buildConnections(rules, { guards: [], of: `the service "${service}"`, needs, material });
  return new ServicePort(model, [], new Router<RouteEntry>([], material.scan), connections);
}

/** What rules are built with. */
export interface RulesPlace {
  /** Plugins that run in front of every rule's own. */
  readonly guards: readonly string[];
  /** Whose rules they are, for problems. */
  readonly of: string;
  readonly needs: Needs;
  readonly material: Material;
}

/** Makes rules ready, and the router that finds them. */
export function buildRules(
  models: readonly RuleModel[],
  place: RulesPlace,
): { readonly entries: readonly RouteEntry[]; readonly router: Router<RouteEntry> } {
  const entries: RouteEntry[] = [];
  const matches = models.flatMap((rule, ruleIndex) => {
    const entry = attempt(placeOf(rule.id, place), place.material.reasons, () => buildEntry(rule, place));
    if (entry === null) return [];
    entries.push(entry);
    return rule.matches.map((match) => {
      const value = new RouteEntry(entry.rule, entry.policies, prefixLengthOf(match));
      return { match, order: rule.order, ruleIndex, value };
    });
  });
  return { entries: Object.freeze(entries), router: buildRouter(matches, place) };
}

/** Makes the rules of connections ready. */
export function buildConnections(models: readonly ConnectionRuleModel[], place: RulesPlace): ConnectionRules {
  const { namespace, scan } = place.material;
  return new ConnectionRules(rulesFor(namespace, models), (model) => buildRule(model, place), scan.seed);
}

/** Rules that the caller's namespace has made for itself replace all others (GAMMA, consumer routes). */
function rulesFor<R extends { readonly consumers?: string }>(
  namespace: string | null,
  rules: readonly R[],
): readonly R[] {
  const own = rules.filter(({ consumers }) => consumers !== undefined && consumers === namespace);
  return own.length > 0 ? own : rules.filter(({ consumers }) => consumers === undefined);
}

function buildRouter(matches: readonly RouteMatch<RouteEntry>[], place: RulesPlace): Router<RouteEntry> {
  const { scan, reasons } = place.material;
  const router = attempt("", [], () => new Router(matches, scan));
  if (router !== null) return router;
  // One by one, so that all that is wrong is told, and where.
  for (const match of matches) attempt(placeOf(match.value.rule.id, place), reasons, () => new Router([match], scan));
  return new Router<RouteEntry>([], scan);
}

function placeOf(rule: string, { of }: RulesPlace): string {
  return `Rule "${rule}" of ${of}`;
}

function buildEntry(model: RuleModel, place: RulesPlace): RouteEntry {
  const { guards, needs, material } = place;
  const where = placeOf(model.id, place);
  const rule = buildRule(model, place);
  return new RouteEntry(rule, needs.policies([...guards, ...model.policies], where, material));
}

function buildRule(model: RuleModel, place: RulesPlace): Rule {
  const { needs, material } = place;
  const where = placeOf(model.id, place);
  return new Rule(model, {
    requestTimeoutMs: material.mesh.requestTimeoutMs,
    clusterNamed: (name) => needs.cluster(name, where, material),
    scan: material.scan,
    trustDomain: material.mesh.trustDomain,
  });
}
