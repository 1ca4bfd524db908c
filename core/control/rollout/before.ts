import type { Document } from "../../schema/mod.ts";
import type { RolloutPlan, RolloutRecord } from "./model.ts";
import { RolloutRefused } from "./refused.ts";
import { backendsOf, routeOf, ruleOf, writtenWeights } from "./weights.ts";

/**
 * What the rule of a plan is before its rollout, and which of its backends is
 * to take over.
 *
 * @throws {RolloutRefused} where there is no such rule, or it has nothing to move between.
 */
export function beforeOf(
  documents: readonly Document[],
  plan: RolloutPlan,
): Pick<RolloutRecord, "before" | "backends"> & { readonly to: number } {
  const where = `${plan.kind} ${plan.namespace}/${plan.route}`;
  const document = routeOf(documents, plan);
  if (document === null) throw new RolloutRefused(`Cannot start a rollout: there is no ${where}`);
  const found = ruleOf(document, plan.rule);
  if (found === null) throw new RolloutRefused(`Cannot start a rollout: ${where} has no rule "${plan.rule}"`);
  const names = found.rule.backendRefs.map(({ name }) => name);
  const to = names.indexOf(plan.to);
  const known = names.join(", ") || "none";
  if (to < 0 || names.lastIndexOf(plan.to) !== to)
    throw new RolloutRefused(
      `Cannot start a rollout: "${plan.to}" must be one backend of the rule, which has ${known}`,
    );
  if (names.length < 2)
    throw new RolloutRefused(`Cannot start a rollout: the rule has one backend; add the old one beside ${plan.to}`);
  return { before: writtenWeights(found.rule), backends: backendsOf(found.rule), to };
}
