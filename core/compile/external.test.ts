import { expect, test } from "bun:test";
import type { ClusterModel } from "../cluster/mod.ts";
import { parseDocuments } from "../schema/mod.ts";
import type { ServiceModel } from "../snapshot/mod.ts";
import { compile } from "./mod.ts";

test("a service outside the mesh answers to its hosts alone, and its endpoints are what they resolve to", () => {
  const mesh = compiled("{hosts: [api.example.com], ports: [{port: 80, targetPort: 8443}], tls: {}}");

  expect(mesh.service).toMatchObject({ hosts: ["api.example.com"], external: "Names" });
  expect(mesh.service.ports[0]!.rules[0]!.backends).toEqual([{ cluster: "default/api:80", name: "api", weight: 1 }]);
  expect(mesh.cluster).toMatchObject({
    service: { namespace: "default", name: "api", host: "api.example.com" },
    endpoints: [],
    resolve: { type: "Names", names: [{ host: "api.example.com", port: 8443, weight: 1 }] },
    tls: { serverName: "api.example.com" },
  });
});

test("endpoints by address need no resolver, and TLS names what the certificate must have", () => {
  const mesh = compiled(
    "{hosts: [api.example.com], ports: [{port: 443, protocol: grpc}], resolution: Static, endpoints: [{address: 10.0.0.1, weight: 3}], tls: {serverName: inner.example.com, subjectAltNames: [{type: URI, value: 'spiffe://x/y'}]}}",
  );

  expect(mesh.cluster.endpoints).toMatchObject([{ address: "10.0.0.1", port: 443, weight: 3 }]);
  expect(mesh.cluster).not.toHaveProperty("resolve");
  expect(mesh.cluster).toMatchObject({
    http2: true,
    tls: { serverName: "inner.example.com", names: [{ type: "URI", value: "spiffe://x/y" }] },
  });
});

test("a wildcard is looked up by the host of each request", () => {
  const mesh = compiled('{hosts: ["*.example.com"], ports: [{port: 80}]}');

  expect(mesh.service.external).toBe("Request");
  expect(mesh.cluster.resolve).toEqual({ type: "Request", port: 80 });
});

test("a wildcard by TLS is asked for by the host of each request, unless one name is given", () => {
  const tls = (spec: string) => compiled(`{hosts: ["*.example.com"], ports: [{port: 443}], tls: ${spec}}`).cluster.tls;

  expect(tls("{}")).toEqual({ serverName: "" });
  expect(tls("{serverName: inner.example.com}")).toEqual({ serverName: "inner.example.com" });
});

test("TLS is not begun again for bytes that are not read", () => {
  const mesh = compiled("{hosts: [db.example.com], ports: [{port: 5432, protocol: tls}], tls: {}}");

  expect(mesh.cluster).not.toHaveProperty("tls");
});

test("a wildcard is no backend for requests that name another host", () => {
  const text = `
apiVersion: mesh.dev/v1
kind: ExternalService
metadata: { name: wild }
spec: { hosts: ["*.example.com"], ports: [{ port: 80 }] }
---
apiVersion: v1
kind: Service
metadata: { name: web }
spec: { ports: [{ port: 80 }] }
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: own }
spec:
  parentRefs: [{ group: mesh.dev, kind: ExternalService, name: wild }]
  rules: [{ backendRefs: [{ group: mesh.dev, kind: ExternalService, name: wild, port: 80 }] }]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: other }
spec:
  parentRefs: [{ group: "", kind: Service, name: web }]
  rules: [{ backendRefs: [{ group: mesh.dev, kind: ExternalService, name: wild, port: 80 }] }]
`;
  const { problems } = compile(parseDocuments([{ file: "mesh.yaml", text }]).documents, []);

  expect(problems.map(({ line, message }) => `${line} ${message.slice(0, 63)}`)).toEqual([
    "24 spec.rules[0].backendRefs[0].name must have endpoints: its host",
  ]);
});

function compiled(spec: string): { readonly service: ServiceModel; readonly cluster: ClusterModel } {
  const text = `{apiVersion: mesh.dev/v1, kind: ExternalService, metadata: {name: api}, spec: ${spec}}`;
  const parsed = parseDocuments([{ file: "mesh.yaml", text }]);
  expect(parsed.problems).toEqual([]);
  const { resources } = compile(parsed.documents, []);
  const modelOf = (kind: string) => resources.find((resource) => resource.kind === kind)!.model;
  return { service: modelOf("service") as ServiceModel, cluster: modelOf("cluster") as ClusterModel };
}

test("routes and policies refer to a service outside the mesh by its kind, and to none by another", () => {
  const text = `
apiVersion: mesh.dev/v1
kind: ExternalService
metadata: { name: api }
spec: { hosts: [api.example.com], ports: [{ port: 80 }] }
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: api }
spec:
  parentRefs: [{ group: mesh.dev, kind: ExternalService, name: api }]
  rules:
    - backendRefs:
        - { group: mesh.dev, kind: ExternalService, name: api, port: 80 }
        - { name: api, port: 80 }
---
apiVersion: mesh.dev/v1
kind: Fault
metadata: { name: api }
spec: { targetRefs: [{ kind: ExternalService, name: api }], delay: { fixed: 1s } }
---
apiVersion: mesh.dev/v1
kind: Fault
metadata: { name: wrong }
spec: { targetRefs: [{ kind: Service, name: api }], delay: { fixed: 1s } }
`;
  const compiledAll = compile(parseDocuments([{ file: "mesh.yaml", text }]).documents, []);
  const service = compiledAll.resources.find(({ kind }) => kind === "service")!.model as ServiceModel;

  const [rule] = service.ports[0]!.rules;
  expect(rule!.id).toBe("HTTPRoute/default/api/0");
  expect(rule!.backends.map(({ cluster }) => cluster)).toEqual(["default/api:80", null]);
  expect(rule!.faults?.map(({ id }) => id)).toEqual(["Fault/default/api"]);
  expect(compiledAll.problems.map(({ message }) => message)).toEqual([
    "spec.rules[0].backendRefs[1].name must name a Service: there is no Service default/api: its share of requests gets 500",
    "spec.targetRefs must name something there is: the Fault is attached to nothing",
    "spec.targetRefs[0].name must name a Service: there is no Service default/api",
  ]);
});
