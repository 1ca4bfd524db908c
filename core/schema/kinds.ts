import type { z } from "zod";
import { backendTlsPolicy } from "./kind/backend-tls-policy.ts";
import { configMap } from "./kind/config-map.ts";
import { endpointSlice } from "./kind/endpoint-slice.ts";
import { externalService } from "./kind/external-service.ts";
import { fault } from "./kind/fault.ts";
import { gateway } from "./kind/gateway.ts";
import { gatewayClass } from "./kind/gateway-class.ts";
import { grpcRoute } from "./kind/grpc-route.ts";
import { httpRoute } from "./kind/http-route.ts";
import { listenerSet } from "./kind/listener-set.ts";
import { mesh } from "./kind/mesh.ts";
import { namespace } from "./kind/namespace.ts";
import { plugin } from "./kind/plugin.ts";
import { referenceGrant } from "./kind/reference-grant.ts";
import { secret } from "./kind/secret.ts";
import { service } from "./kind/service.ts";
import { tcpRoute } from "./kind/tcp-route.ts";
import { tlsRoute } from "./kind/tls-route.ts";
import { trafficPolicy } from "./kind/traffic-policy.ts";
import { udpRoute } from "./kind/udp-route.ts";
import { workload } from "./kind/workload.ts";

/** The kinds of this version. A new one is a file in `kind/` and a line here. */
export const KINDS = {
  Service: service,
  Namespace: namespace,
  EndpointSlice: endpointSlice,
  Secret: secret,
  ConfigMap: configMap,
  GatewayClass: gatewayClass,
  Gateway: gateway,
  ListenerSet: listenerSet,
  HTTPRoute: httpRoute,
  GRPCRoute: grpcRoute,
  TLSRoute: tlsRoute,
  TCPRoute: tcpRoute,
  UDPRoute: udpRoute,
  ReferenceGrant: referenceGrant,
  BackendTLSPolicy: backendTlsPolicy,
  Mesh: mesh,
  Workload: workload,
  Plugin: plugin,
  Fault: fault,
  TrafficPolicy: trafficPolicy,
  ExternalService: externalService,
} as const;

export type KindName = keyof typeof KINDS;

export const KIND_NAMES = Object.keys(KINDS) as readonly KindName[];

/** A validated document of a kind, defaults filled in. */
export type Body<K extends KindName> = z.output<(typeof KINDS)[K]["schema"]>;

/** Kinds of the same groups that this version cannot run yet. */
export const PLANNED_KINDS: readonly string[] = [
  "MutualTLS",
  "Authentication",
  "Authorization",
  "RateLimit",
  "Telemetry",
];

/** API groups that are about traffic alone: an unknown kind of theirs is a mistake, not somebody else's. */
export const OWN_GROUPS: readonly string[] = ["gateway.networking.k8s.io", "mesh.dev"];

export function isKindName(kind: string): kind is KindName {
  return Object.hasOwn(KINDS, kind);
}

/** True for kinds whose documents live in a namespace. */
export function isNamespaced(kind: KindName): boolean {
  return KINDS[kind].scope === "Namespaced";
}

/** The group of an apiVersion: "" for "v1". */
export function groupOf(apiVersion: string): string {
  const slash = apiVersion.indexOf("/");
  return slash < 0 ? "" : apiVersion.slice(0, slash);
}
