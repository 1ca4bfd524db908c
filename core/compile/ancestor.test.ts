import { expect, test } from "bun:test";
import type { ClusterModel } from "../cluster/mod.ts";
import { parseText } from "../schema/mod.ts";
import { compile } from "./mod.ts";
import type { PolicyStatus } from "./status.ts";

const WEB = "{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {ports: [{name: https, port: 443}]}}";

const POLICY = `{apiVersion: gateway.networking.k8s.io/v1, kind: BackendTLSPolicy, metadata: {name: p}, spec: {
  targetRefs: [{group: "", kind: Service, name: web}],
  validation: {hostname: web.example, caCertificateRefs: [{group: "", kind: ConfigMap, name: gone}]}}}`;

test("a policy for backends has its status at the Gateways whose routes lead to them", () => {
  const { ancestors, cluster } = compiled(
    WEB,
    POLICY,
    gateway("a"),
    gateway("b"),
    gateway("c"),
    route("r1", "a", "web"),
    route("r2", "b", "web"),
    route("r3", "c", "other"),
  );

  expect(ancestors.map(({ ancestorRef: { kind, name } }) => `${kind}/${name}`)).toEqual(["Gateway/a", "Gateway/b"]);
  expect(ancestors[0]?.conditions).toMatchObject([
    { type: "Accepted", status: "False", reason: "NoValidCACertificate" },
    { type: "ResolvedRefs", status: "False", reason: "InvalidCACertificateRef" },
  ]);
  expect(cluster("default/web:443")?.tls).toEqual({
    serverName: "web.example",
    invalid: "There is no ConfigMap default/gone",
  });
});

test("a policy that no Gateway leads to has its status at its Services", () => {
  const { ancestors } = compiled(WEB, POLICY);

  expect(ancestors.map(({ ancestorRef }) => ancestorRef)).toEqual([
    { group: "", kind: "Service", namespace: "default", name: "web" },
  ]);
});

function compiled(...texts: readonly string[]) {
  const { documents, problems } = parseText({ file: "mesh.yaml", text: texts.join("\n---\n") });
  expect(problems).toEqual([]);
  const { resources, statuses } = compile(documents, []);
  const status = statuses.find(({ kind }) => kind === "BackendTLSPolicy")?.status as PolicyStatus;
  const cluster = (name: string) =>
    resources.find((one) => one.kind === "cluster" && one.name === name)?.model as ClusterModel | undefined;
  return { ancestors: status.ancestors, cluster };
}

function gateway(name: string): string {
  return `{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: ${name}},
    spec: {gatewayClassName: mesh, listeners: [{name: http, port: 80, protocol: HTTP}]}}`;
}

function route(name: string, parent: string, backend: string): string {
  return `{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: ${name}},
    spec: {parentRefs: [{name: ${parent}}], rules: [{backendRefs: [{name: ${backend}, port: 443}]}]}}`;
}
