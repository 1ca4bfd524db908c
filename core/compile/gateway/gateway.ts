import type { Cidr } from "../../config/mod.ts";
import { type Document, type DocumentOf, documentKey } from "../../schema/mod.ts";
import type { GatewayModel, KeyPairModel } from "../../snapshot/mod.ts";
import type { Catalog } from "../catalog.ts";
import type { Report } from "../report.ts";
import type { CompiledRoute } from "../route.ts";
import { byAge, GATEWAY_GROUP } from "../route-document.ts";
import type { CompiledRule } from "../rule.ts";
import {
  CONTROLLER_NAME,
  conditionsOf,
  type DocumentStatus,
  finding,
  type ListenerStatus,
  type RouteParent,
} from "../status.ts";
import { type AddressBook, type Granted, grantAddresses } from "./address.ts";
import { type Attached, attachRoutes, type Parent } from "./attach.ts";
import { Bound, type BoundReport } from "./bound.ts";
import { DEFAULT_CLASS, warnOfClasses } from "./class.ts";
import { SUPPORTED_FEATURES } from "./feature.ts";
import {
  acceptedListener,
  findingsOfGateway,
  findingsOfListener,
  findingsOfSet,
  type GatewayFacts,
  isGatewayAccepted,
  isSetAccepted,
} from "./findings.ts";
import { judgeListeners } from "./listener.ts";
import {
  type GatewayDocument,
  isAccepted,
  isServed,
  type Listener,
  type ListenerSetDocument,
  nameOf,
} from "./model.ts";
import { Namespaces } from "./namespace.ts";
import { rulesByHost } from "./reach.ts";
import type { Certificates } from "./reference.ts";
import { gatewayModel, type Shape } from "./serve.ts";

/** Addresses that Gateways may have, and those they have already. */
export interface GatewayAddresses {
  /** Null: proxies bind what they were told. */
  readonly pool: Cidr | null;
  readonly kept?: AddressBook;
}

export interface GatewayInput {
  readonly catalog: Catalog;
  readonly routes: readonly CompiledRoute[];
  readonly addresses: GatewayAddresses;
  /** What the proxies of a Gateway say of it, by its name. */
  readonly reports: (gateway: string) => readonly BoundReport[];
  readonly certificates: Certificates;
  readonly shape: Shape;
}

export interface CompiledGateways {
  readonly models: readonly GatewayModel[];
  readonly statuses: readonly DocumentStatus[];
  readonly parents: readonly RouteParent[];
  /** What every Gateway has of the pool now. */
  readonly addresses: AddressBook;
  /** Gateways at which a route has effect. */
  readonly gatewaysOf: (route: Document) => readonly GatewayDocument[];
  /** By the hosts of listeners. */
  readonly rulesAt: ReadonlyMap<string, readonly CompiledRule[]>;
}

/** A Gateway of ours with everything that is known of it before its routes. */
interface Judged {
  readonly facts: GatewayFacts;
  /** Of the sets that name it, whether it takes them in or not. */
  readonly sets: readonly {
    readonly set: ListenerSetDocument;
    readonly isAllowed: boolean;
    readonly listeners: readonly Listener[];
  }[];
  readonly backendCertificate: KeyPairModel | null;
}

/** Makes of Gateways, their ListenerSets and routes what proxies run, and says of each how it is. */
export function compileGateways(input: GatewayInput, report: Report): CompiledGateways {
  const { catalog, routes, addresses } = input;
  const namespaces = new Namespaces(catalog.all("Namespace"));
  const classes = catalog.all("GatewayClass").filter(({ body }) => body.spec.controllerName === CONTROLLER_NAME);
  const gateways = ownGateways(catalog, classes).toSorted(byAge);
  const granted = grantAddresses(gateways.map(wishesOf), addresses.pool, addresses.kept);
  const judged = judgeAll(gateways, granted, namespaces, input);
  warnOfClasses(catalog, report);
  for (const one of judged) warnOf(one, report);
  warnOfStraySets(catalog.all("ListenerSet"), judged, report);
  const attached = attachRoutes(routes, parentsOf(judged), namespaces, report);
  return {
    models: judged.map((one) => modelOf(one, attached, input.shape)),
    statuses: [...classes.map(classStatus), ...judged.flatMap((one) => statusesOf(one, attached))],
    parents: attached.parents,
    addresses: new Map(Array.from(granted, ([name, { addresses }]) => [name, addresses])),
    gatewaysOf: reaching(judged, attached),
    rulesAt: rulesByHost(attached),
  };
}

/** Gateways of other controllers are left alone. */
function ownGateways(catalog: Catalog, classes: readonly DocumentOf<"GatewayClass">[]): readonly GatewayDocument[] {
  const names = new Set(classes.filter(isAcceptable).map(({ name }) => name));
  if (catalog.find("GatewayClass", "", DEFAULT_CLASS) === null) names.add(DEFAULT_CLASS);
  return catalog.all("Gateway").filter(({ body }) => names.has(body.spec.gatewayClassName));
}

function isAcceptable({ body }: DocumentOf<"GatewayClass">): boolean {
  return body.spec.parametersRef === undefined;
}

function wishesOf(gateway: GatewayDocument) {
  return { gateway: nameOf(gateway), addresses: gateway.body.spec.addresses };
}

function judgeAll(
  gateways: readonly GatewayDocument[],
  granted: ReadonlyMap<string, Granted>,
  namespaces: Namespaces,
  { catalog, certificates, reports }: GatewayInput,
): readonly Judged[] {
  const setsOf = setsByGateway(catalog.all("ListenerSet"));
  return gateways.map((gateway) => {
    const sets = setsOf.get(documentKey(gateway)) ?? [];
    const bound = new Bound(reports(nameOf(gateway)));
    return judge(gateway, sets, { namespaces, certificates, bound, granted: granted.get(nameOf(gateway))! });
  });
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

interface Around {
  readonly namespaces: Namespaces;
  readonly certificates: Certificates;
  readonly bound: Bound;
  readonly granted: Granted;
}

function judge(gateway: GatewayDocument, sets: readonly ListenerSetDocument[], around: Around): Judged {
  const { namespaces, certificates, bound, granted } = around;
  const rule = gateway.body.spec.allowedListeners?.namespaces ?? { from: "None" as const };
  const allowed = sets.filter((set) => namespaces.allows(rule, gateway.namespace, set.namespace));
  const [listeners = [], ...ofSets] = judgeListeners(gateway, allowed, certificates);
  const ref = gateway.body.spec.tls?.backend?.clientCertificateRef;
  const backend = certificates.pairs(gateway, ref === undefined ? [] : [ref]);
  return {
    facts: { gateway, listeners, granted, bound, backend: backend.problem },
    sets: sets.map((set) => {
      const at = allowed.indexOf(set);
      return { set, isAllowed: at >= 0, listeners: ofSets[at] ?? [] };
    }),
    backendCertificate: backend.pairs[0] ?? null,
  };
}

/** What routes may name: Gateways, and sets, a set that is not taken in without a listener. */
function parentsOf(judged: readonly Judged[]): ReadonlyMap<string, Parent> {
  const parents = new Map<string, Parent>();
  for (const { facts, sets } of judged) {
    const { gateway, listeners } = facts;
    parents.set(documentKey(gateway), { listeners, isDefault: gateway.body.spec.defaultScope === "All" });
    for (const { set, listeners } of sets) parents.set(documentKey(set), { listeners, isDefault: false });
  }
  return parents;
}

function modelOf({ facts, sets, backendCertificate }: Judged, { at }: Attached, shape: Shape): GatewayModel {
  const { gateway, granted } = facts;
  const { addresses } = granted;
  // None of the addresses it asks for: to bind whatever else there is would be another Gateway.
  const isHomeless = addresses.length === 0 && (granted.unusable.length > 0 || granted.missing > 0);
  const isServing = isGatewayAccepted(facts) && !isHomeless;
  const listeners = isServing ? [...facts.listeners, ...sets.flatMap(({ listeners }) => listeners)] : [];
  return gatewayModel({ gateway, listeners, at, addresses, backendCertificate, shape });
}

function statusesOf({ facts, sets }: Judged, attached: Attached): readonly DocumentStatus[] {
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

function classStatus(document: DocumentOf<"GatewayClass">): DocumentStatus {
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

function reaching(judged: readonly Judged[], { at }: Attached): CompiledGateways["gatewaysOf"] {
  const byRoute = new Map<string, Set<GatewayDocument>>();
  for (const { facts, sets } of judged)
    for (const listener of [...facts.listeners, ...sets.flatMap(({ listeners }) => listeners)])
      for (const { attached } of at.get(listener) ?? []) {
        const key = documentKey(attached.route);
        const known = byRoute.get(key);
        if (known === undefined) byRoute.set(key, new Set([facts.gateway]));
        else known.add(facts.gateway);
      }
  return (route) => [...(byRoute.get(documentKey(route)) ?? [])];
}

/** A set whose Gateway is not there has no status that would tell. */
function warnOfStraySets(sets: readonly ListenerSetDocument[], judged: readonly Judged[], report: Report): void {
  const known = new Set(judged.flatMap(({ sets }) => sets.map(({ set }) => set)));
  for (const set of sets) {
    if (known.has(set)) continue;
    const { kind, namespace = set.namespace, name } = set.body.spec.parentRef;
    const message = `must name a Gateway of the mesh: there is no ${kind} ${namespace}/${name}`;
    report.warn(set, ["spec", "parentRef", "name"], message, { found: name });
  }
}

/** Tells people who only validate what the status would say. */
function warnOf({ facts, sets }: Judged, report: Report): void {
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
