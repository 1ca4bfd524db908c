import { expect } from "bun:test";
import { compile } from "../../core/compile/mod.ts";
import type {
  Condition,
  GatewayClassStatus,
  GatewayStatus,
  ListenerSetStatus,
  RouteStatus,
} from "../../core/compile/status.ts";
import { parseDocuments } from "../../core/schema/mod.ts";
import type { GatewayModel } from "../../core/snapshot/mod.ts";

/* What tests of the compilation of Gateways are written with: manifests of few words, and what became of them. */

type Options = Parameters<typeof compile>[2];

/** Compiles manifests, with options where one of the parts is not text. */
export function compiled(...parts: readonly (string | Options)[]) {
  const text = parts.filter((part) => typeof part === "string").join("\n---\n");
  const { documents, problems } = parseDocuments([{ file: "mesh.yaml", text }]);
  expect(problems).toEqual([]);
  const output = compile(documents, [], parts.find((part) => typeof part !== "string") ?? {});
  const statusOf = <T>(kind: string, name: string): T => {
    const found = output.statuses.find((status) => status.kind === kind && status.name === name);
    if (found === undefined) throw new Error(`There is no status of ${kind} ${name}`);
    return found.status as T;
  };
  const gatewayStatus = (name: string) => statusOf<GatewayStatus>("Gateway", name);
  return {
    output,
    problems: output.problems,
    gateway: (name: string): GatewayModel => {
      const found = output.resources.find((one) => one.kind === "gateway" && one.name === name);
      if (found?.kind !== "gateway") throw new Error(`There is no gateway ${name}`);
      return found.model;
    },
    status: {
      class: (name: string) => statusOf<GatewayClassStatus>("GatewayClass", name),
      gateway: gatewayStatus,
      listener: (name: string, section: string) => {
        const found = gatewayStatus(name).listeners.find((one) => one.name === section);
        if (found === undefined) throw new Error(`There is no listener ${section}`);
        return found;
      },
      set: (name: string) => statusOf<ListenerSetStatus>("ListenerSet", name),
      route: (name: string, kind = "HTTPRoute") => statusOf<RouteStatus>(kind, name),
    },
  };
}

/** Conditions as `Type Status Reason`. */
export function told(conditions: readonly Condition[]): readonly string[] {
  return conditions.map(({ type, status, reason }) => `${type} ${status} ${reason}`);
}

export const API = "gateway.networking.k8s.io/v1";

export function gatewayOf(
  name: string,
  listeners: readonly string[],
  more: Readonly<Record<string, string>> = {},
): string {
  const { metadata = "", class: className = "mesh", allowedListeners, ...rest } = more;
  const allowed = allowedListeners === undefined ? "" : `, allowedListeners: {namespaces: {from: ${allowedListeners}}}`;
  const others = Object.entries(rest).map(([field, value]) => `, ${field}: ${value}`);
  return `{apiVersion: ${API}, kind: Gateway, metadata: {name: ${name}${metadata === "" ? "" : `, ${metadata}`}},
    spec: {gatewayClassName: ${className}, listeners: [${listeners.join(", ")}]${allowed}${others.join("")}}}`;
}

export function setOf(name: string, listeners: readonly string[], namespace = "default", created = ""): string {
  const age = created === "" ? "" : `, creationTimestamp: "${created}"`;
  return `{apiVersion: ${API}, kind: ListenerSet, metadata: {name: ${name}, namespace: ${namespace}${age}},
    spec: {parentRef: {name: edge, namespace: default}, listeners: [${listeners.join(", ")}]}}`;
}

export function listener(
  name: string,
  protocol: string,
  port: number,
  more: Readonly<Record<string, string>> = {},
): string {
  const others = Object.entries(more).map(([field, value]) => `, ${field}: "${value}"`);
  const fields = others.map((text) => text.replace(/"([{[].*[}\]])"$/s, "$1"));
  return `{name: ${name}, protocol: ${protocol}, port: ${port}${fields.join("")}}`;
}

export function https(name: string, port: number, refs: string): string {
  return listener(name, "HTTPS", port, { tls: `{certificateRefs: ${refs}}` });
}

export function classOf(name: string, controller: string): string {
  return `{apiVersion: ${API}, kind: GatewayClass, metadata: {name: ${name}}, spec: {controllerName: ${controller}}}`;
}

export function service(name: string): string {
  return `{apiVersion: v1, kind: Service, metadata: {name: ${name}}, spec: {ports: [{port: 80}]}}`;
}

export function route(name: string, spec: Readonly<Record<string, string>>): string {
  const { parentRefs = "[]", hostnames = "[]", namespace = "default", metadata = "" } = spec;
  return `{apiVersion: ${API}, kind: HTTPRoute, metadata: {name: ${name}, namespace: ${namespace}${metadata === "" ? "" : `, ${metadata}`}},
    spec: {parentRefs: ${parentRefs}, hostnames: ${hostnames}, rules: [{backendRefs: [{name: web, port: 80}]}]}}`;
}

export function secret(name: string, certificate: string, privateKey: string, namespace = "default"): string {
  const data = { "tls.crt": certificate, "tls.key": privateKey };
  const metadata = { name, namespace };
  return JSON.stringify({ apiVersion: "v1", kind: "Secret", metadata, type: "kubernetes.io/tls", stringData: data });
}

export function configMap(name: string, roots: string): string {
  return JSON.stringify({ apiVersion: "v1", kind: "ConfigMap", metadata: { name }, data: { "ca.crt": roots } });
}

export function grant(namespace: string, fromKind: string, toKind: string): string {
  return `{apiVersion: ${API}, kind: ReferenceGrant, metadata: {name: grant, namespace: ${namespace}},
    spec: {from: [{group: gateway.networking.k8s.io, kind: ${fromKind}, namespace: default}], to: [{group: "", kind: ${toKind}}]}}`;
}
