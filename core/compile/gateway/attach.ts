import type { Path } from "../../config/mod.ts";
import { documentKey } from "../../schema/mod.ts";
import type { Report } from "../report.ts";
import type { CompiledRoute } from "../route.ts";
import { type AnyRoute, GATEWAY_GROUP, type ParentRef } from "../route-document.ts";
import { referenceOf, resolvedRefs } from "../service-parent.ts";
import { finding, type RouteParent } from "../status.ts";
import { commonHosts, hostsOverlap } from "./hostname.ts";
import type { Listener, Problem } from "./model.ts";
import type { Namespaces } from "./namespace.ts";

/** A Gateway or a ListenerSet as routes see it. */
export interface Parent {
  readonly listeners: readonly Listener[];
  /** Routes that ask for defaults are attached to it, beside the parents they name. */
  readonly isDefault: boolean;
}

/** A route at a listener, under the hosts they share. */
export interface Attachment {
  readonly attached: CompiledRoute;
  readonly hosts: readonly string[];
}

export interface Attached {
  /** In the order of the routes. */
  readonly at: ReadonlyMap<Listener, readonly Attachment[]>;
  readonly parents: readonly RouteParent[];
}

/** Attaches routes to the listeners of their parents, in the order given. */
export function attachRoutes(
  routes: readonly CompiledRoute[],
  parents: ReadonlyMap<string, Parent>,
  namespaces: Namespaces,
  report: Report,
): Attached {
  const attaching = new Attaching(parents, namespaces, report);
  for (const route of routes) attaching.attach(route);
  return attaching;
}

/** What is meant by a parentRef to a Gateway or a ListenerSet, or null for another kind. */
function parentKey(route: AnyRoute, { group, kind, namespace, name }: ParentRef): string | null {
  if (group !== GATEWAY_GROUP || (kind !== "Gateway" && kind !== "ListenerSet")) return null;
  return documentKey({ kind, namespace: namespace ?? route.namespace, name });
}

class Attaching implements Attached {
  readonly at = new Map<Listener, Attachment[]>();
  readonly parents: RouteParent[] = [];
  readonly #byKey: ReadonlyMap<string, Parent>;
  readonly #defaults: readonly (readonly [string, Parent])[];
  readonly #namespaces: Namespaces;
  readonly #report: Report;

  constructor(parents: ReadonlyMap<string, Parent>, namespaces: Namespaces, report: Report) {
    this.#byKey = parents;
    this.#defaults = [...parents].filter(([, { isDefault }]) => isDefault);
    this.#namespaces = namespaces;
    this.#report = report;
  }

  attach(attached: CompiledRoute): void {
    const { route } = attached;
    const { parentRefs } = route.body.spec;
    for (const [index, ref] of parentRefs.entries()) this.#attachTo(attached, index, ref);
    if (route.body.spec.useDefaultGateways !== "All") return;
    const named = parentRefs.map((ref) => parentKey(route, ref));
    for (const [i, [key, parent]] of this.#defaults.entries()) {
      if (named.includes(key)) continue;
      const [, namespace = "", name = ""] = key.split("/");
      const ref = { group: GATEWAY_GROUP, kind: "Gateway", namespace, name, sectionName: undefined, port: undefined };
      this.#judge(attached, parentRefs.length + i, ref, parent);
    }
  }

  #attachTo(attached: CompiledRoute, index: number, given: ParentRef): void {
    const { route } = attached;
    const key = parentKey(route, given);
    if (key === null) return;
    const parent = this.#byKey.get(key);
    const problem =
      parent === undefined
        ? { reason: "NoMatchingParent", message: `There is no ${key} of the mesh` }
        : this.#judge(attached, index, given, parent);
    if (problem === null) return;
    const path: Path = ["spec", "parentRefs", index];
    this.#report.warn(route, path, `attaches the route to nothing: ${problem.message}`, { found: given.name });
  }

  /** Attaches a route to what it may be attached to of one parent; a problem where that is nothing. */
  #judge(attached: CompiledRoute, index: number, ref: ParentRef, parent: Parent): Problem | null {
    const { route, broken } = attached;
    const found = this.#accepting(route, ref, parent);
    const isAccepted = "attachments" in found;
    if (isAccepted) for (const [listener, hosts] of found.attachments) this.#put(listener, { attached, hosts });
    const accepted = isAccepted
      ? finding("Accepted", true, "Accepted")
      : finding("Accepted", false, found.reason, found.message);
    this.parents.push({ route, parent: index, ref: referenceOf(ref), findings: [accepted, resolvedRefs(broken)] });
    return isAccepted ? null : found;
  }

  #accepting(
    route: AnyRoute,
    ref: ParentRef,
    { listeners }: Parent,
  ): { readonly attachments: readonly (readonly [Listener, readonly string[]])[] } | Problem {
    const meant = listeners.filter(({ spec }) => isMeant(ref, spec));
    if (meant.length === 0) return { reason: "NoMatchingParent", message: noListener(ref) };
    const allowing = meant.filter((listener) => this.#allows(listener, route));
    if (allowing.length === 0)
      return { reason: "NotAllowedByListeners", message: `No listener takes a ${route.kind} of ${route.namespace}` };
    const hosts = hostsOf(route);
    const attachments = allowing
      .map((listener) => [listener, isByHost(listener) ? commonHosts(listener.hostname, hosts) : [""]] as const)
      .filter(([, common]) => common.length > 0);
    if (attachments.length === 0)
      return { reason: "NoMatchingListenerHostname", message: `No listener is for ${hosts.join(" or ")}` };
    const free = attachments.filter(([listener, common]) => this.#ownerOf(listener, route, common) === null);
    if (free.length > 0) return { attachments: free };
    const [[listener, common]] = attachments as [(typeof attachments)[number]];
    const { kind, namespace, name } = this.#ownerOf(listener, route, common)!;
    return { reason: "Conflicted", message: `${kind} ${namespace}/${name} has these hosts there, and is older` };
  }

  /**
   * The route that keeps another one out: requests and calls do not share a
   * host (GRPCRoute, `hostnames`); the older of both stays, and routes come in
   * that order.
   */
  #ownerOf(listener: Listener, { kind }: AnyRoute, hosts: readonly string[]): AnyRoute | null {
    const other = kind === "HTTPRoute" ? "GRPCRoute" : kind === "GRPCRoute" ? "HTTPRoute" : null;
    if (other === null) return null;
    const found = this.at
      .get(listener)
      ?.find(
        ({ attached, hosts: theirs }) =>
          attached.route.kind === other && theirs.some((host) => hosts.some((own) => hostsOverlap(host, own))),
      );
    return found?.attached.route ?? null;
  }

  #allows({ kinds, spec, owner }: Listener, { kind, namespace }: AnyRoute): boolean {
    return kinds.includes(kind) && this.#namespaces.allows(spec.allowedRoutes.namespaces, owner.namespace, namespace);
  }

  #put(listener: Listener, attachment: Attachment): void {
    const list = this.at.get(listener);
    if (list === undefined) this.at.set(listener, [attachment]);
    // Two parentRefs may mean the same listener: it has the route once.
    else if (list.at(-1)?.attached !== attachment.attached) list.push(attachment);
  }
}

function isMeant({ sectionName, port }: ParentRef, spec: Listener["spec"]): boolean {
  return (sectionName === undefined || spec.name === sectionName) && (port === undefined || spec.port === port);
}

function noListener({ kind, name, sectionName, port }: ParentRef): string {
  const section = sectionName === undefined ? "" : ` named ${sectionName}`;
  return `${kind} ${name} takes in no listener${section}${port === undefined ? "" : ` on port ${port}`}`;
}

function hostsOf(route: AnyRoute): readonly string[] {
  return "hostnames" in route.body.spec ? route.body.spec.hostnames : [];
}

function isByHost({ transport }: Listener): boolean {
  return transport === "http" || transport === "tls";
}
