import { type Finding, finding } from "../status.ts";
import type { Granted } from "./address.ts";
import type { Bound } from "./bound.ts";
import { type GatewayDocument, isAccepted, isServed, type Listener, type Problem } from "./model.ts";

/** The conditions of a listener. */
export function findingsOfListener(listener: Listener, bound: Bound): readonly Finding[] {
  const { conflict, unresolved, overlaps } = listener;
  return [
    acceptedListener(listener),
    programmedListener(listener, bound),
    conflict === null
      ? finding("Conflicted", false, "NoConflicts")
      : finding("Conflicted", true, conflict, CONFLICT_TEXT[conflict]),
    resolvedRefs(unresolved),
    ...(overlaps ? [finding("OverlappingTLSConfig", true, "OverlappingHostnames", OVERLAP_TEXT)] : []),
  ];
}

// Owners of ListenerSets learn nothing here of what others have on the port.
const CONFLICT_TEXT = {
  HostnameConflict: "Another listener of the Gateway has the same port and hostname",
  ProtocolConflict: "Another listener of the Gateway speaks another protocol on the same port",
} as const;

const OVERLAP_TEXT = "Another listener on the port has TLS for some of the same hosts";

/** Whether a listener is one of its Gateway at all. */
export function acceptedListener({ transport, conflict, refused, spec }: Listener): Finding {
  if (transport === null)
    return finding("Accepted", false, "UnsupportedProtocol", `The protocol ${spec.protocol} is not known here`);
  if (conflict !== null) return finding("Accepted", false, conflict, CONFLICT_TEXT[conflict]);
  if (refused !== null) return finding("Accepted", false, refused.reason, refused.message);
  return finding("Accepted", true, "Accepted");
}

function programmedListener(listener: Listener, bound: Bound): Finding {
  const { conflict, refused, unresolved, spec } = listener;
  const unbound = bound.problemAt(spec.port);
  if (isServed(listener))
    return unbound === null
      ? finding("Programmed", true, "Programmed")
      : finding("Programmed", false, "PortUnavailable", `A proxy cannot serve the port: ${unbound}`);
  if (conflict !== null) return finding("Programmed", false, conflict, CONFLICT_TEXT[conflict]);
  const message = refused?.message ?? unresolved?.message ?? "The listener is not accepted";
  return finding("Programmed", false, "Invalid", message);
}

function resolvedRefs(problem: Problem | null): Finding {
  return problem === null
    ? finding("ResolvedRefs", true, "ResolvedRefs")
    : finding("ResolvedRefs", false, problem.reason, problem.message);
}

/** What the conditions of a Gateway are made of. */
export interface GatewayFacts {
  readonly gateway: GatewayDocument;
  /** Its own ones. */
  readonly listeners: readonly Listener[];
  readonly granted: Granted;
  readonly bound: Bound;
  /** Why its client certificate toward backends cannot be had; null where it can, or none is asked for. */
  readonly backend: Problem | null;
}

export function findingsOfGateway(facts: GatewayFacts): readonly Finding[] {
  return [acceptedGateway(facts), programmedGateway(facts), resolvedGateway(facts), ...insecure(facts.gateway)];
}

/** True where some of what a Gateway wants can be served. */
export function isGatewayAccepted(facts: GatewayFacts): boolean {
  return acceptedGateway(facts).status === "True";
}

function isGatewayProgrammed(facts: GatewayFacts): boolean {
  return programmedGateway(facts).status === "True";
}

function acceptedGateway({ gateway, listeners, granted }: GatewayFacts): Finding {
  const parameters = gateway.body.spec.infrastructure?.parametersRef;
  if (parameters !== undefined) {
    const message = `There are no parameters of the kind ${parameters.kind}: ${parameters.name} means nothing here`;
    return finding("Accepted", false, "InvalidParameters", message);
  }
  const [unsupported] = granted.unsupported;
  if (unsupported !== undefined)
    return finding(
      "Accepted",
      false,
      "UnsupportedAddress",
      `Addresses of the type ${unsupported.type} are not known here`,
    );
  const invalid = listeners.filter((listener) => !isAccepted(listener));
  if (invalid.length === 0) return finding("Accepted", true, "Accepted");
  return finding("Accepted", invalid.length < listeners.length, "ListenersNotValid", notAccepted(invalid));
}

function programmedGateway(facts: GatewayFacts): Finding {
  const { granted, listeners, bound } = facts;
  const accepted = acceptedGateway(facts);
  if (accepted.status !== "True") return finding("Programmed", false, "Invalid", accepted.message);
  const [unusable] = granted.unusable;
  if (unusable !== undefined)
    return finding(
      "Programmed",
      false,
      "AddressNotUsable",
      `The address ${unusable.value} cannot be had: ${unusable.why}`,
    );
  if (granted.missing > 0)
    return finding("Programmed", false, "AddressNotAssigned", "The pool of addresses for Gateways has none left");
  const served = listeners.filter(isServed);
  if (served.length === 0) return finding("Programmed", false, "Invalid", "None of its listeners can be served");
  if (served.some(({ spec }) => bound.problemAt(spec.port) === null)) return finding("Programmed", true, "Programmed");
  const problem = bound.problemAt(served[0]!.spec.port);
  return finding("Programmed", false, "AddressNotUsable", `No port of it can be served: ${problem}`);
}

function resolvedGateway({ listeners, backend }: GatewayFacts): Finding {
  if (backend !== null) {
    const reason = backend.reason === "InvalidCertificateRef" ? "InvalidClientCertificateRef" : backend.reason;
    return finding("ResolvedRefs", false, reason, backend.message);
  }
  const broken = listeners.filter(({ unresolved }) => unresolved !== null);
  if (broken.length === 0) return finding("ResolvedRefs", true, "ResolvedRefs");
  return finding("ResolvedRefs", false, "ListenersNotResolved", `Listeners with broken references: ${namesOf(broken)}`);
}

/** Only told while it is so: whoever reads it should worry. */
function insecure({ body }: GatewayDocument): readonly Finding[] {
  const frontend = body.spec.tls?.frontend;
  const all = [frontend?.default, ...(frontend?.perPort ?? []).map(({ tls }) => tls)];
  if (!all.some((tls) => tls?.validation?.mode === "AllowInsecureFallback")) return [];
  const message = "Clients are let in without a valid certificate (AllowInsecureFallback)";
  return [finding("InsecureFrontendValidationMode", true, "ConfigurationChanged", message)];
}

/** What a ListenerSet is to its Gateway. */
export interface SetFacts {
  readonly isAllowed: boolean;
  readonly gateway: GatewayFacts;
  readonly listeners: readonly Listener[];
}

export function findingsOfSet(facts: SetFacts): readonly Finding[] {
  const accepted = acceptedSet(facts);
  return [accepted, programmedSet(facts, accepted)];
}

export function isSetAccepted(facts: SetFacts): boolean {
  return acceptedSet(facts).status === "True";
}

function acceptedSet({ isAllowed, gateway, listeners }: SetFacts): Finding {
  if (!isAllowed)
    return finding("Accepted", false, "NotAllowed", "The Gateway takes in no ListenerSet of the namespace");
  if (!isGatewayAccepted(gateway))
    return finding("Accepted", false, "ParentNotAccepted", "The Gateway is not accepted");
  const invalid = listeners.filter((listener) => !isServed(listener));
  if (invalid.length === listeners.length) return finding("Accepted", false, "ListenersNotValid", notServed(invalid));
  return finding("Accepted", true, "Accepted", invalid.length === 0 ? "" : notServed(invalid));
}

function programmedSet({ gateway }: SetFacts, accepted: Finding): Finding {
  if (accepted.status !== "True") return { ...accepted, type: "Programmed" };
  if (isGatewayProgrammed(gateway)) return finding("Programmed", true, "Programmed");
  return finding("Programmed", false, "ParentNotProgrammed", "The Gateway is not programmed");
}

function notAccepted(invalid: readonly Listener[]): string {
  return `Listeners that are not accepted: ${namesOf(invalid)}`;
}

function notServed(invalid: readonly Listener[]): string {
  return `Listeners that cannot be served: ${namesOf(invalid)}`;
}

function namesOf(listeners: readonly Listener[]): string {
  return listeners.map(({ spec }) => spec.name).join(", ");
}
