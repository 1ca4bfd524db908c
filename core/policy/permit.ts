import { type Plugin, type Verdict, VerdictKind } from "../plugin/mod.ts";
import { PolicyFault } from "./fault.ts";
import type { Filterable } from "./filterable.ts";

declare const permit: unique symbol;

/** A routed exchange that every policy of its route has let through. Only `filterRequest()` makes one. */
export interface Permitted {
  readonly [permit]: true;
}

/**
 * Puts an exchange to the policies of its route, in their order, until one
 * answers itself. Null where one did: its answer is `exchange.refusal`.
 * Allocates nothing where no policy changes anything.
 *
 * @throws {PolicyFault} when a policy that must not be skipped cannot decide.
 */
export function filterRequest<E extends Filterable>(exchange: E): (E & Permitted) | null {
  const { policies } = exchange;
  for (let i = 0; i < policies.length; i++) {
    const plugin = policies[i]!;
    const verdict = plugin.onRequest(exchange.request, exchange);
    if (verdict.kind === VerdictKind.Respond) return refuse(exchange, plugin, verdict);
    if (verdict.kind === VerdictKind.Fault) pass(exchange, plugin, verdict);
    else if (verdict.kind === VerdictKind.Route) choose(exchange, plugin, verdict);
    if (verdict.changes !== null) change(exchange, verdict);
  }
  return exchange as E & Permitted;
}

function refuse(exchange: Filterable, plugin: Plugin, verdict: Verdict): null {
  exchange.policy = plugin.model.id;
  exchange.refusal = verdict;
  return null;
}

/** A policy that faults denies, unless its failure mode is open: then it is as if it were not there, and on record. */
function pass(exchange: Filterable, plugin: Plugin, verdict: Verdict): void {
  exchange.policy = plugin.model.id;
  exchange.detail = `policy "${plugin.model.id}" faulted: ${verdict.reason}`;
  if (plugin.model.failureMode === "closed") throw new PolicyFault(plugin.model.id, verdict.reason, verdict.detail);
}

/** The last policy that names a destination wins. */
function choose(exchange: Filterable, plugin: Plugin, verdict: Verdict): void {
  exchange.policy = plugin.model.id;
  exchange.destination = verdict.destination;
  exchange.router = plugin;
}

function change(exchange: Filterable, verdict: Verdict): void {
  const { changes } = exchange;
  exchange.changes = changes === null ? verdict.changes : changes.followedBy(verdict.changes!);
}
