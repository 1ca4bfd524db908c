import { compareText } from "../config/mod.ts";
import type { DocumentOf } from "../schema/mod.ts";
import type { Catalog } from "./catalog.ts";

/** The group of routes and of what they are attached to. */
export const GATEWAY_GROUP = "gateway.networking.k8s.io";

/** A route whose requests are read. */
export type Route = DocumentOf<"HTTPRoute"> | DocumentOf<"GRPCRoute">;

/** A route for connections, or for datagrams. */
export type ConnectionRoute = DocumentOf<"TLSRoute"> | DocumentOf<"TCPRoute"> | DocumentOf<"UDPRoute">;

export type AnyRoute = Route | ConnectionRoute;

export type ParentRef = AnyRoute["body"]["spec"]["parentRefs"][number];

export function routesIn(catalog: Catalog): readonly AnyRoute[] {
  return [
    ...catalog.all("HTTPRoute"),
    ...catalog.all("GRPCRoute"),
    ...catalog.all("TLSRoute"),
    ...catalog.all("TCPRoute"),
    ...catalog.all("UDPRoute"),
  ];
}

/** A route that policies may be attached to. */
export function routeIn(catalog: Catalog, kind: string, namespace: string, name: string): Route | null {
  if (kind === "HTTPRoute") return catalog.find("HTTPRoute", namespace, name);
  return kind === "GRPCRoute" ? catalog.find("GRPCRoute", namespace, name) : null;
}

export function isConnectionRoute(route: AnyRoute): route is ConnectionRoute {
  return route.kind !== "HTTPRoute" && route.kind !== "GRPCRoute";
}

/** What has an age: the older goes first in all of Gateway API, then what comes first by name. */
interface Aged {
  readonly namespace: string;
  readonly name: string;
  readonly body: { readonly metadata: { readonly creationTimestamp?: string | undefined } };
}

/** A file tells no age: it comes after those that do. */
export function byAge(a: Aged, b: Aged): number {
  return ageOf(a) - ageOf(b) || compareText(a.namespace, b.namespace) || compareText(a.name, b.name);
}

function ageOf({ body }: Aged): number {
  const { creationTimestamp } = body.metadata;
  return creationTimestamp === undefined ? Number.MAX_SAFE_INTEGER : Date.parse(creationTimestamp);
}
