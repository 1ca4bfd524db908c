import type { Backends, BrokenRef } from "./backend.ts";
import { type CompiledConnectionRule, connectionRulesOf } from "./connection-rule.ts";
import type { Report } from "./report.ts";
import { type AnyRoute, byAge, isConnectionRoute } from "./route-document.ts";
import { type CompiledRule, References, rulesOf } from "./rule.ts";
import type { Service } from "./service.ts";
import { ServiceParents } from "./service-parent.ts";
import type { RouteParent } from "./status.ts";

/** A route with what it means wherever it is attached: one of the two lists is empty. */
export interface CompiledRoute {
  readonly route: AnyRoute;
  readonly rules: readonly CompiledRule[];
  readonly connections: readonly CompiledConnectionRule[];
  /** The first of its references that leads nowhere. */
  readonly broken: BrokenRef | null;
}

/** Routes, and what became of those with Services as parents. */
export interface CompiledRoutes {
  /** The oldest first. */
  readonly all: readonly CompiledRoute[];
  /** By the Service port they shape, named by its cluster, in the order of their routes. */
  readonly rulesAt: ReadonlyMap<string, readonly CompiledRule[]>;
  readonly connectionsAt: ReadonlyMap<string, readonly CompiledConnectionRule[]>;
  readonly parents: readonly RouteParent[];
}

/** What routes are compiled with. */
interface Around {
  readonly services: ReadonlyMap<string, Service>;
  readonly backends: Backends;
}

/** Compiles every route once, and puts its rules at the ports of the Services that are its parents. */
export function compileRoutes(routes: readonly AnyRoute[], around: Around, report: Report): CompiledRoutes {
  const all = routes.toSorted(byAge).map((route) => compileRoute(route, around.backends, report));
  const parents = new ServiceParents(around.services, report);
  for (const compiled of all) {
    parents.attach(compiled);
    warnOfNoEffect(compiled.route, report);
  }
  return { all, ...parents.attached() };
}

function compileRoute(route: AnyRoute, backends: Backends, report: Report): CompiledRoute {
  const references = new References(route, backends, report);
  const isConnection = isConnectionRoute(route);
  const rules = isConnection ? [] : rulesOf(route, references, report);
  const connections = isConnection ? connectionRulesOf(route, references, report) : [];
  return { route, rules, connections, broken: references.broken[0] ?? null };
}

function warnOfNoEffect(route: AnyRoute, report: Report): void {
  const { parentRefs, rules, useDefaultGateways } = route.body.spec;
  if (parentRefs.length === 0 && useDefaultGateways === "None")
    report.warn(route, ["spec", "parentRefs"], "must name a Service or a Gateway: the route has no effect");
  if (rules.length === 0) report.warn(route, ["spec", "rules"], "must hold a rule: the route has no effect");
}
