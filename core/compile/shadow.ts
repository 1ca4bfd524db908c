import type { MatchModel } from "../route/mod.ts";
import type { Report } from "./report.ts";
import type { CompiledRule } from "./rule.ts";

/**
 * Tells of rules that no request can reach: every match of theirs is taken by
 * an equal one of a rule before. Equal means the same conditions; a match that
 * is merely wider takes nothing, because the narrower one wins.
 */
export function warnOfShadowed(rulesAt: Iterable<readonly [string, readonly CompiledRule[]]>, report: Report): void {
  const told = new Set<CompiledRule>();
  for (const [place, rules] of rulesAt) {
    const takenBy = new Map<string, CompiledRule>();
    // Callers of a namespace with rules of its own meet those alone.
    const keyOf = (rule: CompiledRule) => (match: MatchModel) => `${rule.model.consumers ?? ""} ${matchKey(match)}`;
    for (const rule of rules) {
      const keys = rule.model.matches.map(keyOf(rule));
      const owners = keys.map((key) => takenBy.get(key));
      const [first] = owners;
      if (first !== undefined && owners.every((owner) => owner !== undefined) && !told.has(rule)) {
        told.add(rule);
        const message = `is never reached at ${place}: ${first.model.id} takes the same matches before it`;
        report.warn(rule.route, ["spec", "rules", rule.index], message);
      }
      for (const key of keys) if (!takenBy.has(key)) takenBy.set(key, rule);
    }
  }
}

function matchKey({ path, method, headers = [], query = [] }: MatchModel): string {
  // "/a" and "/a/" are the same prefix; header and query conditions have no order.
  const value = path.type === "PathPrefix" ? path.value.replace(/\/$/, "") : path.value;
  const conditions = [headers, query].map((list) => list.map((match) => JSON.stringify(match)).sort());
  return JSON.stringify([path.type, value, method ?? "", conditions]);
}
