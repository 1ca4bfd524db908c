import type { ConnectionRuleModel } from "../route/mod.ts";
import type { Report } from "./report.ts";
import type { ConnectionRoute } from "./route-document.ts";
import { type References, ruleId } from "./rule.ts";
import { portCluster, type Service, type ServicePort } from "./service.ts";

/** A rule for connections before it is put at a port. */
export interface CompiledConnectionRule {
  readonly route: ConnectionRoute;
  readonly index: number;
  readonly model: Omit<ConnectionRuleModel, "order">;
}

/** What becomes of connections to a port that no route shapes. */
export function implicitConnectionRule(service: Service, port: ServicePort): Omit<ConnectionRuleModel, "order"> {
  const backend = { cluster: portCluster(service, port), name: service.name, weight: 1 };
  return { id: `Service/${service.namespace}/${service.name}`, backends: [backend] };
}

/** The rules of a route; references that lead nowhere become backends that refuse their share of connections. */
export function connectionRulesOf(
  route: ConnectionRoute,
  references: References,
  report: Report,
): readonly CompiledConnectionRule[] {
  const names = route.kind === "TLSRoute" ? route.body.spec.hostnames : [];
  return route.body.spec.rules.map((rule, index) => {
    const path = ["spec", "rules", index, "backendRefs"];
    if (rule.backendRefs.every(({ weight }) => weight === 0))
      report.warn(route, path, "must have a weight above 0: with none every connection is refused");
    const backends = rule.backendRefs.map((ref, i) => {
      const cluster = references.follow(ref, [...path, i], "its share of connections is refused");
      return { cluster, name: ref.name, weight: ref.weight };
    });
    const serverNames = names.length === 0 ? {} : { serverNames: names };
    return { route, index, model: { id: ruleId(route, index, rule.name ?? ""), ...serverNames, backends } };
  });
}
