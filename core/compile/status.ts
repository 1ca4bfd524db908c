import { compareText } from "../config/mod.ts";
import { type Document, documentKey, type KindName } from "../schema/mod.ts";

/** The name under which the mesh writes status, and by which a GatewayClass is its own. */
export const CONTROLLER_NAME = "mesh.dev/gateway-controller";

/** A condition of Gateway API as `.status` has it, without its time: that is for whoever remembers the one before. */
export interface Condition {
  readonly type: string;
  readonly status: "True" | "False" | "Unknown";
  readonly reason: string;
  readonly message: string;
  readonly observedGeneration: number;
}

/** What is found of a condition, before it is known whose it is. */
export type Finding = Omit<Condition, "observedGeneration">;

/** What a route wrote as a parent, its defaults filled in. */
export interface ParentReference {
  readonly group: string;
  readonly kind: string;
  readonly namespace?: string;
  readonly name: string;
  readonly sectionName?: string;
  readonly port?: number;
}

export interface GatewayClassStatus {
  readonly conditions: readonly Condition[];
  readonly supportedFeatures: readonly { readonly name: string }[];
}

export interface GatewayStatus {
  readonly addresses: readonly { readonly type: string; readonly value: string }[];
  readonly conditions: readonly Condition[];
  readonly listeners: readonly ListenerStatus[];
  readonly attachedListenerSets: number;
}

export interface ListenerSetStatus {
  readonly conditions: readonly Condition[];
  readonly listeners: readonly ListenerStatus[];
}

export interface ListenerStatus {
  readonly name: string;
  readonly supportedKinds: readonly { readonly group: string; readonly kind: string }[];
  readonly attachedRoutes: number;
  readonly conditions: readonly Condition[];
}

export interface RouteStatus {
  readonly parents: readonly {
    readonly parentRef: ParentReference;
    readonly controllerName: string;
    readonly conditions: readonly Condition[];
  }[];
}

/** Of a policy: what it means to each thing above it. */
export interface PolicyStatus {
  readonly ancestors: readonly {
    readonly ancestorRef: ParentReference;
    readonly controllerName: string;
    readonly conditions: readonly Condition[];
  }[];
}

/** `.status` of a document. */
export interface DocumentStatus {
  readonly kind: KindName;
  readonly namespace: string;
  readonly name: string;
  readonly status: GatewayClassStatus | GatewayStatus | ListenerSetStatus | RouteStatus | PolicyStatus;
}

/** What became of a route at one of its parents. */
export interface RouteParent {
  readonly route: Document;
  /** Index in `spec.parentRefs`. */
  readonly parent: number;
  readonly ref: ParentReference;
  readonly findings: readonly Finding[];
}

/** A finding that something holds, or does not. */
export function finding(type: string, holds: boolean, reason: string, message = ""): Finding {
  return { type, status: holds ? "True" : "False", reason, message };
}

/** Findings as the conditions of a document, in its generation. */
export function conditionsOf(document: Document, findings: readonly Finding[]): readonly Condition[] {
  const observedGeneration = generationOf(document);
  return findings.map((found) => ({ ...found, observedGeneration }));
}

/** `metadata.generation`; 1 where nobody counts. */
function generationOf({ body }: Document): number {
  const { generation } = body.metadata;
  return typeof generation === "number" && Number.isInteger(generation) ? generation : 1;
}

/** The status of every route that has a parent here, its parents in the order in which it names them. */
export function routeStatuses(parents: Iterable<RouteParent>): readonly DocumentStatus[] {
  const byRoute = new Map<string, RouteParent[]>();
  for (const parent of parents) {
    const key = documentKey(parent.route);
    const list = byRoute.get(key);
    if (list === undefined) byRoute.set(key, [parent]);
    else list.push(parent);
  }
  return Array.from(byRoute.values(), routeStatus);
}

function routeStatus(parents: readonly RouteParent[]): DocumentStatus {
  const { kind, namespace, name } = parents[0]!.route;
  const sorted = parents.toSorted((a, b) => a.parent - b.parent);
  const entries = sorted.map(({ route, ref, findings }) => {
    return { parentRef: ref, controllerName: CONTROLLER_NAME, conditions: conditionsOf(route, findings) };
  });
  return { kind, namespace, name, status: { parents: entries } };
}

/** The order in which statuses are told: by kind, namespace, name. */
export function byDocument(a: DocumentStatus, b: DocumentStatus): number {
  return compareText(a.kind, b.kind) || compareText(a.namespace, b.namespace) || compareText(a.name, b.name);
}
