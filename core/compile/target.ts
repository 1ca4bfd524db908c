import type { Path } from "../config/mod.ts";
import type { Document } from "../schema/mod.ts";
import type { Report } from "./report.ts";
import type { Route } from "./route-document.ts";
import type { CompiledRule } from "./rule.ts";
import type { Service } from "./service.ts";

/** A reference by which a policy attaches itself (Gateway API, policy attachment): always in its own namespace. */
export interface TargetRef {
  readonly kind: string;
  readonly name: string;
  /** Name of a port of a Service, or of a rule of a route. */
  readonly sectionName?: string | undefined;
}

/** What policies may refer to. */
export interface Targets {
  readonly services: ReadonlyMap<string, Service>;
  readonly findRoute: (kind: string, namespace: string, name: string) => Route | null;
}

/** A place that policies attach to, and the document that names it. */
export interface Place {
  readonly key: string;
  /** Set where the place is a Service or one of its ports. */
  readonly service: Service | null;
  /** Of the reference in its document. */
  readonly path: Path;
}

/** Key of a Service, or of one port of it by name. */
export function serviceTarget({ namespace, name }: Pick<Service, "namespace" | "name">, port = ""): string {
  return `Service/${namespace}/${name}/${port}`;
}

/** Key of a route, or of one rule of it by name. */
function routeTarget({ kind, namespace, name }: Pick<Route, "kind" | "namespace" | "name">, rule = ""): string {
  return `${kind}/${namespace}/${name}/${rule}`;
}

/** Keys that shape a rule of a Service's port, the widest first; without a rule, the port itself. */
export function targetsAt(service: Service, port: string, rule: CompiledRule | null): readonly string[] {
  const ofService = [serviceTarget(service), ...(port === "" ? [] : [serviceTarget(service, port)])];
  return rule === null ? ofService : [...ofService, ...targetsOfRule(rule)];
}

/** Keys of a rule wherever its route is attached, the widest first. */
export function targetsOfRule({ route, name }: Pick<CompiledRule, "route" | "name">): readonly string[] {
  return name === "" ? [routeTarget(route)] : [routeTarget(route), routeTarget(route, name)];
}

/** Where the references of a policy lead; one that leads nowhere is a warning. */
export function placesOf(
  document: Document,
  refs: readonly TargetRef[],
  targets: Targets,
  report: Report,
): readonly Place[] {
  const found = refs.flatMap((ref, i) => placeOf(document, ref, ["spec", "targetRefs", i], targets, report) ?? []);
  if (found.length === 0)
    report.warn(
      document,
      ["spec", "targetRefs"],
      `must name something there is: the ${document.kind} is attached to nothing`,
    );
  return found;
}

function placeOf(document: Document, ref: TargetRef, path: Path, targets: Targets, report: Report): Place | null {
  const { namespace } = document;
  const key = `${namespace}/${ref.name}`;
  const named = isServiceKind(ref.kind) ? targets.services.get(key) : undefined;
  const service = (named?.external == null) === (ref.kind === "Service") ? named : undefined;
  const route = isServiceKind(ref.kind) ? null : targets.findRoute(ref.kind, namespace, ref.name);
  if (service === undefined && route === null) {
    report.warn(
      document,
      [...path, "name"],
      `must name ${articleOf(ref.kind)} ${ref.kind}: there is no ${ref.kind} ${key}`,
    );
    return null;
  }
  const what = service === undefined ? `a rule of ${ref.kind}` : "a port of Service";
  const names =
    service?.ports.map(({ name }) => name) ?? route?.body.spec.rules.flatMap(({ name }) => name ?? []) ?? [];
  if (ref.sectionName !== undefined && !names.includes(ref.sectionName)) {
    const known = names.filter((name) => name !== "").join(", ") || "none";
    const message = `must name ${what} ${key} (${known}): current value is ${ref.sectionName}`;
    report.warn(document, [...path, "sectionName"], message, { found: ref.sectionName, expected: known });
    return null;
  }
  const place = service === undefined ? routeTarget(route!, ref.sectionName) : serviceTarget(service, ref.sectionName);
  return { key: place, service: service ?? null, path };
}

function isServiceKind(kind: string): boolean {
  return kind === "Service" || kind === "ExternalService";
}

function articleOf(kind: string): string {
  return /^([AEIO]|HTTP)/.test(kind) ? "an" : "a";
}

/** Policies by the places they are attached to. */
export class Attached<T> {
  readonly #at = new Map<string, T[]>();

  add(key: string, policy: T): void {
    const list = this.#at.get(key);
    if (list === undefined) this.#at.set(key, [policy]);
    else if (!list.includes(policy)) list.push(policy);
  }

  /** Those of all keys, in the order of the keys and then of the documents. */
  at(keys: readonly string[]): readonly T[] {
    return keys.flatMap((key) => this.#at.get(key) ?? []);
  }
}
