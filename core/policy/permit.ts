import type { RequestHead } from "../http/mod.ts";
import type { Plugin, RequestFacts, Verdict } from "../plugin/mod.ts";
import { VerdictKind } from "../plugin/mod.ts";
import { type HeaderEdits, mergeChanges } from "./changes.ts";
import { denial, faultDenial, type Refusal } from "./refusal.ts";

declare const permit: unique symbol;

/** An exchange whose route is known: what the policies judge, and what they leave behind. */
export interface Routed extends RequestFacts {
  readonly request: RequestHead;
  /** In the order in which they run. */
  readonly policies: readonly Plugin[];
  /** Header changes for the request on its way up; null without any. */
  changes: HeaderEdits | null;
  /** Destination that a routing policy named, as it wrote it; "" without. */
  destination: string;
  /** Id of the policy that decided something, the last of several. */
  policy: string;
  /** Why the exchange is not permitted; null while it is. */
  refusal: Refusal | null;
  /** Policies that faulted and let the exchange pass; "" without. */
  faulted: string;
}

/** A routed exchange that every policy of its route has let through. Only `filterRequest()` makes one. */
export interface Permitted extends Routed {
  readonly [permit]: true;
}

/**
 * Asks the policies of a route, in order. The first that answers by itself, or
 * that faults and is closed to faults, ends it: then the result is null and
 * `refusal` says what to answer. Synchronous; allocates nothing where no
 * policy changes anything.
 */
export function filterRequest<E extends Routed>(exchange: E): (E & Permitted) | null {
  const { policies } = exchange;
  for (let i = 0; i < policies.length; i++) {
    const plugin = policies[i]!;
    const verdict = plugin.onRequest(exchange.request, exchange);
    if (verdict.kind !== VerdictKind.Continue || verdict.setHeaders.length > 0) judge(exchange, plugin, verdict);
    if (exchange.refusal !== null) return null;
  }
  return exchange as unknown as E & Permitted;
}

function judge(exchange: Routed, plugin: Plugin, verdict: Verdict): void {
  const { id, failureMode } = plugin.model;
  if (verdict.kind === VerdictKind.Fault) {
    if (failureMode === "closed") {
      exchange.policy = id;
      exchange.refusal = faultDenial(id, verdict);
    } else exchange.faulted = exchange.faulted === "" ? id : `${exchange.faulted},${id}`;
    return;
  }
  exchange.policy = id;
  if (verdict.kind === VerdictKind.Respond) {
    exchange.refusal = denial(id, verdict);
    return;
  }
  if (verdict.kind === VerdictKind.Route) exchange.destination = verdict.destination;
  if (verdict.setHeaders.length > 0) exchange.changes = mergeChanges(exchange.changes, verdict.setHeaders);
}
