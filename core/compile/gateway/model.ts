import type { Body, DocumentOf } from "../../schema/mod.ts";
import type { GatewayTlsModel } from "../../snapshot/mod.ts";
import type { AnyRoute } from "../route-document.ts";

export type GatewayDocument = DocumentOf<"Gateway">;
export type ListenerSetDocument = DocumentOf<"ListenerSet">;
export type ListenerSpec = Body<"Gateway">["spec"]["listeners"][number];
export type Selector = NonNullable<ListenerSpec["allowedRoutes"]["namespaces"]["selector"]>;
export type SecretRef = NonNullable<ListenerSpec["tls"]>["certificateRefs"][number];

/** Which namespaces may attach something. */
export interface NamespaceRule {
  readonly from: "All" | "Selector" | "Same" | "None";
  readonly selector?: Selector | undefined;
}

export type RouteKind = AnyRoute["kind"];
export type Transport = "http" | "tls" | "tcp" | "udp";

export type ConflictReason = "HostnameConflict" | "ProtocolConflict";

/** A listener of a Gateway or of a ListenerSet, judged as far as it can be without its routes. */
export interface Listener {
  readonly owner: GatewayDocument | ListenerSetDocument;
  /** In `spec.listeners` of its owner. */
  readonly index: number;
  readonly spec: ListenerSpec;
  /** Lower case; "" for every host. */
  readonly hostname: string;
  /** Null: a protocol that is not served. */
  readonly transport: Transport | null;
  /** Kinds of routes that may be attached. */
  readonly kinds: readonly RouteKind[];
  readonly conflict: ConflictReason | null;
  /** Listeners on the same port have TLS for some of the same hosts. */
  readonly overlaps: boolean;
  /** With transport `tls`; null where there is nothing to serve it with. */
  readonly tls: GatewayTlsModel | null;
  /** First why its references cannot be followed; null where they can. */
  readonly unresolved: Problem | null;
  /** Why it is not accepted, beyond its protocol and conflicts. */
  readonly refused: Problem | null;
}

/** A reason of Gateway API with what is to be said to people. */
export interface Problem {
  readonly reason: string;
  readonly message: string;
}

/** True where a listener is one that the Gateway serves in principle: distinct from others, of a protocol we speak. */
export function isAccepted({ transport, conflict, refused }: Listener): boolean {
  return transport !== null && conflict === null && refused === null;
}

/** True where traffic is taken. */
export function isServed(listener: Listener): boolean {
  return isAccepted(listener) && (listener.transport !== "tls" || listener.tls !== null);
}

/** `HTTP` and `http` are the same protocol; null for one of others. */
export function protocolOf({ protocol }: ListenerSpec): keyof typeof PROTOCOLS | null {
  const upper = protocol.toUpperCase();
  return Object.hasOwn(PROTOCOLS, upper) ? (upper as keyof typeof PROTOCOLS) : null;
}

/** What listeners of a protocol are on the wire, and what may be attached to them. */
export const PROTOCOLS = {
  HTTP: { transport: "http", kinds: ["HTTPRoute", "GRPCRoute"] },
  HTTPS: { transport: "tls", kinds: ["HTTPRoute", "GRPCRoute"] },
  TLS: { transport: "tls", kinds: ["TLSRoute"] },
  TCP: { transport: "tcp", kinds: ["TCPRoute"] },
  UDP: { transport: "udp", kinds: ["UDPRoute"] },
} as const satisfies Readonly<Record<string, { readonly transport: Transport; readonly kinds: readonly RouteKind[] }>>;

/** `<namespace>/<name>` */
export function nameOf({ namespace, name }: { readonly namespace: string; readonly name: string }): string {
  return `${namespace}/${name}`;
}
