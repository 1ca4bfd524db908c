import type { Report } from "../report.ts";
import { acceptedListener } from "./findings.ts";
import type { Judged } from "./judge.ts";
import { isAccepted, isServed, type Listener, type ListenerSetDocument, nameOf } from "./model.ts";

/** A set whose Gateway is not there has no status that would tell. */
export function warnOfStraySets(sets: readonly ListenerSetDocument[], judged: readonly Judged[], report: Report): void {
  const known = new Set(judged.flatMap(({ sets }) => sets.map(({ set }) => set)));
  for (const set of sets) {
    if (known.has(set)) continue;
    const { kind, namespace = set.namespace, name } = set.body.spec.parentRef;
    const message = `must name a Gateway of the mesh: there is no ${kind} ${namespace}/${name}`;
    report.warn(set, ["spec", "parentRef", "name"], message, { found: name });
  }
}

/** Tells people who only validate what the status would say. */
export function warnOf({ facts, sets }: Judged, report: Report): void {
  const { gateway, granted, listeners, backend } = facts;
  const { infrastructure } = gateway.body.spec;
  if (infrastructure?.parametersRef !== undefined)
    report.warn(
      gateway,
      ["spec", "infrastructure", "parametersRef"],
      "means nothing here: the Gateway is not accepted",
    );
  for (const { type } of granted.unsupported)
    report.warn(gateway, ["spec", "addresses"], `must be of the type IPAddress: ${type} is not known here`);
  for (const { value, why } of granted.unusable)
    report.warn(gateway, ["spec", "addresses"], `must be addresses that can be had: not ${value}, ${why}`);
  if (backend !== null)
    report.warn(gateway, ["spec", "tls", "backend", "clientCertificateRef"], `leads nowhere: ${backend.message}`);
  for (const { set, isAllowed } of sets)
    if (!isAllowed)
      report.warn(
        set,
        ["spec", "parentRef"],
        `has no effect: Gateway ${nameOf(gateway)} takes in no ListenerSet of ${set.namespace}`,
      );
  for (const listener of [...listeners, ...sets.flatMap(({ listeners }) => listeners)])
    warnOfListener(listener, report);
}

function warnOfListener(listener: Listener, report: Report): void {
  const { owner, index, unresolved } = listener;
  const path = ["spec", "listeners", index];
  if (!isAccepted(listener)) report.warn(owner, path, `serves nothing: ${acceptedListener(listener).message}`);
  else if (unresolved !== null)
    report.warn(owner, path, `${isServed(listener) ? "serves in part" : "serves nothing"}: ${unresolved.message}`);
}
