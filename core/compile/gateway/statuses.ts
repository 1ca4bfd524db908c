import type { DocumentOf } from "../../schema/mod.ts";
import { GATEWAY_GROUP } from "../route-document.ts";
import { conditionsOf, type DocumentStatus, finding, type ListenerStatus } from "../status.ts";
import type { Attached } from "./attach.ts";
import type { Bound } from "./bound.ts";
import { isAcceptable } from "./class.ts";
import { SUPPORTED_FEATURES } from "./feature.ts";
import { findingsOfGateway, findingsOfListener, findingsOfSet, isSetAccepted } from "./findings.ts";
import type { Judged } from "./judge.ts";
import type { Listener } from "./model.ts";

/** The status of a Gateway and of the ListenerSets that name it. */
export function statusesOf({ facts, sets }: Judged, attached: Attached): readonly DocumentStatus[] {
  const { gateway, listeners, granted, bound } = facts;
  const { kind, namespace, name } = gateway;
  const setFacts = sets.map(({ isAllowed, listeners }) => ({ isAllowed, gateway: facts, listeners }));
  const ofGateway: DocumentStatus = {
    ...{ kind, namespace, name },
    status: {
      addresses: (granted.addresses.length > 0 ? granted.addresses : bound.addresses).map((value) => ({
        type: "IPAddress",
        value,
      })),
      conditions: conditionsOf(gateway, findingsOfGateway(facts)),
      listeners: listeners.map((listener) => listenerStatus(listener, facts.bound, attached)),
      attachedListenerSets: setFacts.filter(isSetAccepted).length,
    },
  };
  const ofSets = sets.map(({ set, listeners }, i): DocumentStatus => {
    const conditions = conditionsOf(set, findingsOfSet(setFacts[i]!));
    const status = {
      conditions,
      listeners: listeners.map((listener) => listenerStatus(listener, facts.bound, attached)),
    };
    return { kind: set.kind, namespace: set.namespace, name: set.name, status };
  });
  return [ofGateway, ...ofSets];
}

function listenerStatus(listener: Listener, bound: Bound, { at }: Attached): ListenerStatus {
  return {
    name: listener.spec.name,
    supportedKinds: listener.kinds.map((kind) => ({ group: GATEWAY_GROUP, kind })),
    attachedRoutes: at.get(listener)?.length ?? 0,
    conditions: conditionsOf(listener.owner, findingsOfListener(listener, bound)),
  };
}

export function classStatus(document: DocumentOf<"GatewayClass">): DocumentStatus {
  const { kind, namespace, name } = document;
  const accepted = isAcceptable(document)
    ? finding("Accepted", true, "Accepted")
    : finding("Accepted", false, "InvalidParameters", "There are no parameters for a GatewayClass here");
  const conditions = conditionsOf(document, [accepted, finding("SupportedVersion", true, "SupportedVersion")]);
  return {
    kind,
    namespace,
    name,
    status: { conditions, supportedFeatures: SUPPORTED_FEATURES.map((name) => ({ name })) },
  };
}
