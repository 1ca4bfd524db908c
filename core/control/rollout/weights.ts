import { backendCluster } from "../../compile/mod.ts";
import type { Document, DocumentOf } from "../../schema/mod.ts";
import { isInForce, type RolloutPlan, type RolloutRecord } from "./model.ts";

export type RouteDocument = DocumentOf<"HTTPRoute"> | DocumentOf<"GRPCRoute">;
type Rule = RouteDocument["body"]["spec"]["rules"][number];

/** A whole of 1000 divides every percentage of the steps. */
const WHOLE = 1000;

/** The new backend's share is `percent`; the others keep their proportions. */
export function weightsAt(before: readonly number[], to: number, percent: number): readonly number[] {
  const own = Math.round((WHOLE * percent) / 100);
  const others = before.filter((_, i) => i !== to);
  const sum = others.reduce((all, weight) => all + weight, 0);
  return before.map((weight, i) => {
    if (i === to) return own;
    const share = sum === 0 ? 1 / others.length : weight / sum;
    return Math.round((WHOLE - own) * share);
  });
}

/** The rule of a plan with its place; null where the document has none such. */
export function ruleOf(document: RouteDocument, rule: string): { readonly rule: Rule; readonly index: number } | null {
  const rules: readonly Rule[] = document.body.spec.rules;
  const index = /^\d+$/.test(rule) ? Number(rule) : rules.findIndex(({ name }) => name === rule);
  return rules[index] === undefined ? null : { rule: rules[index], index };
}

/** Weights as the document has them. */
export function writtenWeights(rule: Rule): readonly number[] {
  return rule.backendRefs.map(({ weight }) => weight);
}

/** The backends of a rule, in their order. */
export function backendsOf(rule: Rule): readonly string[] {
  return rule.backendRefs.map(({ namespace = "", name, port = 0 }) => `${namespace}/${name}:${port}`);
}

/** Whether a rule has the backends and the weights that it had when its rollout began. */
export function isAsBefore(rule: Rule, { before, backends }: RolloutRecord): boolean {
  return writtenWeights(rule).join() === before.join() && backendsOf(rule).join() === backends.join();
}

/** Clusters of the new backend, and of those it is compared with. */
export function sidesOf(document: RouteDocument, rule: Rule, to: string): Record<"new" | "old", readonly string[]> {
  const clusters = rule.backendRefs.map((ref) => backendCluster(ref, document.namespace));
  const isNew = (i: number): boolean => rule.backendRefs[i]?.name === to;
  return { new: clusters.filter((_, i) => isNew(i)), old: clusters.filter((_, i) => !isNew(i)) };
}

/** The document of a plan among others; null without one. */
export function routeOf(documents: readonly Document[], plan: RolloutPlan): RouteDocument | null {
  const found = documents.find(
    ({ kind, namespace, name }) => kind === plan.kind && namespace === plan.namespace && name === plan.route,
  );
  return (found as RouteDocument | undefined) ?? null;
}

/** The rule of a plan with its document and place; null where one of them is gone. */
export function foundIn(documents: readonly Document[], plan: RolloutPlan) {
  const document = routeOf(documents, plan);
  const found = document === null ? null : ruleOf(document, plan.rule);
  return document === null || found === null ? null : { document, ...found };
}

/** The documents with the weights of the rollouts that are in force, where their rules are still what they were. */
export function withWeights(documents: readonly Document[], rollouts: Iterable<RolloutRecord>): readonly Document[] {
  const inForce = [...rollouts].filter(isInForce);
  if (inForce.length === 0) return documents;
  return documents.map((document) => {
    if (document.kind !== "HTTPRoute" && document.kind !== "GRPCRoute") return document;
    const own = inForce.filter(({ plan }) => routeOf([document], plan) !== null);
    return own.reduce<Document>((route, rollout) => withRuleWeights(route as RouteDocument, rollout), document);
  });
}

function withRuleWeights(document: RouteDocument, rollout: RolloutRecord): Document {
  const { plan, weights } = rollout;
  const found = ruleOf(document, plan.rule);
  if (found === null || !isAsBefore(found.rule, rollout)) return document;
  const backendRefs = found.rule.backendRefs.map((ref, i) => ({ ...ref, weight: weights[i]! }));
  const rules = document.body.spec.rules.map((rule, i) => (i === found.index ? { ...rule, backendRefs } : rule));
  return { ...document, body: { ...document.body, spec: { ...document.body.spec, rules } } } as Document;
}

/** What was written, with other weights in one rule: to be applied again. */
export function rewritten(document: RouteDocument, rule: number, weights: readonly number[]): unknown {
  const raw = structuredClone(document.raw) as { spec: { rules: { backendRefs: { weight: number }[] }[] } };
  raw.spec.rules[rule]?.backendRefs.forEach((ref, i) => {
    ref.weight = weights[i]!;
  });
  return raw;
}
