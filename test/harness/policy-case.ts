import { expect } from "bun:test";
import { ReferencePlugin } from "../../core/plugin/extism/mod.ts";
import { SharedCounters, type Verdict, VerdictKind } from "../../core/plugin/mod.ts";
import { builtin } from "../../plugins/builtin.ts";
import { fakeClock } from "./fake-clock.ts";
import { type RequestText, requestHead } from "./head.ts";
import { FACTS, policyEngine } from "./policy.ts";

/** A request to a policy, and what must come of it. */
export interface PolicyCase {
  readonly request: RequestText;
  readonly peer?: string | null;
  readonly address?: string;
  /** Time that passes before the request. */
  readonly afterMs?: number;
  readonly verdict: string;
}

/**
 * Runs a shipped policy through a table of requests, in our runtime and in the
 * one of the Extism project, each with counters of its own.
 */
export async function expectVerdicts(name: string, config: Record<string, string>, cases: readonly PolicyCase[]) {
  const { bytes } = (await builtin(name))!;
  const clock = fakeClock();
  const { shelf, load } = policyEngine(clock);
  const [own] = await load(shelf.put(bytes, { config }));
  const counters = new SharedCounters(SharedCounters.allocate(256, clock.now(), 3));
  const reference = await ReferencePlugin.start(bytes, { config, counters, scope: 1, clock });

  for (const one of cases) {
    clock.advance(one.afterMs ?? 0);
    const head = requestHead(one.request);
    const facts = {
      ...FACTS,
      peer: one.peer === undefined ? FACTS.peer : one.peer,
      address: one.address ?? "10.0.0.7",
    };
    const verdicts = [own!.onRequest(head, facts), await reference.onRequest(head, facts)];
    expect({ ...one, verdict: verdicts.map(told) }).toEqual({ ...one, verdict: [one.verdict, one.verdict] } as never);
  }
  await reference.close();
}

/** A verdict in one line. */
export function told(verdict: Verdict): string {
  const { status, destination, body, reason, detail } = verdict;
  const headers = (verdict.kind === VerdictKind.Respond ? verdict.headers : verdict.changes)?.list ?? [];
  const lines = headers.map(({ name, value }) => (value === null ? `-${name}` : `${name}=${value}`)).join(" ");
  if (verdict.kind === VerdictKind.Respond) return `${status} ${lines} ${body}`.trim();
  if (verdict.kind === VerdictKind.Route) return `to ${destination} ${lines}`.trim();
  return verdict.kind === VerdictKind.Fault ? `fault ${reason} ${detail}` : `continue ${lines}`.trim();
}
