import type { Cidr } from "../../config/mod.ts";
import { type Document, documentKey } from "../../schema/mod.ts";
import type { GatewayModel } from "../../snapshot/mod.ts";
import type { Catalog } from "../catalog.ts";
import type { Report } from "../report.ts";
import type { CompiledRoute } from "../route.ts";
import { byAge } from "../route-document.ts";
import type { CompiledRule } from "../rule.ts";
import { CONTROLLER_NAME, type DocumentStatus, type RouteParent } from "../status.ts";
import { type AddressBook, grantAddresses } from "./address.ts";
import { type Attached, attachRoutes, type Parent } from "./attach.ts";
import type { BoundReport } from "./bound.ts";
import { ownGateways, warnOfClasses } from "./class.ts";
import { isGatewayAccepted } from "./findings.ts";
import { type Judged, judgeAll } from "./judge.ts";
import { type GatewayDocument, nameOf } from "./model.ts";
import { Namespaces } from "./namespace.ts";
import { rulesByHost } from "./reach.ts";
import type { Certificates } from "./reference.ts";
import { gatewayModel, type Shape } from "./serve.ts";
import { classStatus, statusesOf } from "./statuses.ts";
import { warnOf, warnOfStraySets } from "./warn.ts";

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

/** Makes of Gateways, their ListenerSets and routes what proxies run, and says of each how it is. */
export function compileGateways(input: GatewayInput, report: Report): CompiledGateways {
  const { catalog, routes, addresses } = input;
  const namespaces = new Namespaces(catalog.all("Namespace"));
  const classes = catalog.all("GatewayClass").filter(({ body }) => body.spec.controllerName === CONTROLLER_NAME);
  const gateways = ownGateways(catalog, classes).toSorted(byAge);
  const granted = grantAddresses(gateways.map(wishesOf), addresses.pool, addresses.kept);
  const judged = judgeAll(gateways, catalog.all("ListenerSet"), { ...input, namespaces, granted });
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

function wishesOf(gateway: GatewayDocument) {
  return { gateway: nameOf(gateway), addresses: gateway.body.spec.addresses };
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
