import { documentKey } from "../../schema/mod.ts";
import type { KeyPairModel } from "../../snapshot/mod.ts";
import { byAge, GATEWAY_GROUP } from "../route-document.ts";
import type { Granted } from "./address.ts";
import { Bound, type BoundReport } from "./bound.ts";
import type { GatewayFacts } from "./findings.ts";
import { judgeListeners } from "./listener.ts";
import { type GatewayDocument, type Listener, type ListenerSetDocument, nameOf } from "./model.ts";
import type { Namespaces } from "./namespace.ts";
import type { Certificates } from "./reference.ts";

/** A Gateway of ours with everything that is known of it before its routes. */
export interface Judged {
  readonly facts: GatewayFacts;
  /** Of the sets that name it, whether it takes them in or not. */
  readonly sets: readonly {
    readonly set: ListenerSetDocument;
    readonly isAllowed: boolean;
    readonly listeners: readonly Listener[];
  }[];
  readonly backendCertificate: KeyPairModel | null;
}

/** What Gateways are judged by. */
export interface JudgingAround {
  readonly namespaces: Namespaces;
  readonly certificates: Certificates;
  /** By the name of the Gateway. */
  readonly granted: ReadonlyMap<string, Granted>;
  /** What the proxies of a Gateway say of it, by its name. */
  readonly reports: (gateway: string) => readonly BoundReport[];
}

/** Judges Gateways, each with the ListenerSets that name it, in the order of their precedence. */
export function judgeAll(
  gateways: readonly GatewayDocument[],
  sets: readonly ListenerSetDocument[],
  around: JudgingAround,
): readonly Judged[] {
  const setsOf = setsByGateway(sets);
  return gateways.map((gateway) => judge(gateway, setsOf.get(documentKey(gateway)) ?? [], around));
}

function setsByGateway(sets: readonly ListenerSetDocument[]): ReadonlyMap<string, readonly ListenerSetDocument[]> {
  const meant = sets.filter(
    ({ body: { spec } }) => spec.parentRef.kind === "Gateway" && spec.parentRef.group === GATEWAY_GROUP,
  );
  return Map.groupBy(meant.toSorted(byAge), ({ body, namespace }) => {
    const { parentRef } = body.spec;
    return documentKey({ kind: "Gateway", namespace: parentRef.namespace ?? namespace, name: parentRef.name });
  });
}

function judge(gateway: GatewayDocument, sets: readonly ListenerSetDocument[], around: JudgingAround): Judged {
  const { namespaces, certificates } = around;
  const name = nameOf(gateway);
  const rule = gateway.body.spec.allowedListeners?.namespaces ?? { from: "None" as const };
  const allowed = sets.filter((set) => namespaces.allows(rule, gateway.namespace, set.namespace));
  const [listeners = [], ...ofSets] = judgeListeners(gateway, allowed, certificates);
  const ref = gateway.body.spec.tls?.backend?.clientCertificateRef;
  const backend = certificates.pairs(gateway, ref === undefined ? [] : [ref]);
  return {
    facts: {
      ...{ gateway, listeners, backend: backend.problem },
      ...{ granted: around.granted.get(name)!, bound: new Bound(around.reports(name)) },
    },
    sets: sets.map((set) => {
      const at = allowed.indexOf(set);
      return { set, isAllowed: at >= 0, listeners: ofSets[at] ?? [] };
    }),
    backendCertificate: backend.pairs[0] ?? null,
  };
}
