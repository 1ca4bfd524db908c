import { expect, test } from "bun:test";
import { type DocumentOf, parseText } from "../schema/mod.ts";
import { ReferenceGrants } from "./reference.ts";

const ROUTE = { group: "gateway.networking.k8s.io", kind: "HTTPRoute", namespace: "shop" };
const SERVICE = { group: "", kind: "Service", namespace: "data", name: "db" };

test("a reference within a namespace needs no grant", () => {
  expect(grants().permits(ROUTE, { ...SERVICE, namespace: "shop" })).toBe(true);
});

test("a reference to another namespace is permitted by a grant there for its kind, namespace and target alone", () => {
  const given = grants(grant("data", "to: [{group: '', kind: Service}]"));

  expect(given.permits(ROUTE, SERVICE)).toBe(true);
  expect(given.permits({ ...ROUTE, kind: "TCPRoute" }, SERVICE)).toBe(false);
  expect(given.permits({ ...ROUTE, namespace: "tests" }, SERVICE)).toBe(false);
  expect(given.permits({ ...ROUTE, group: "mesh.dev" }, SERVICE)).toBe(false);
  expect(given.permits(ROUTE, { ...SERVICE, kind: "Secret" })).toBe(false);
  expect(given.permits(ROUTE, { ...SERVICE, namespace: "other" })).toBe(false);
});

test("a grant in the namespace that refers permits nothing: it is not its to give", () => {
  expect(grants(grant("shop", "to: [{group: '', kind: Service}]")).permits(ROUTE, SERVICE)).toBe(false);
});

test("a grant that names an object permits that one, and two grants add up", () => {
  const one = grant("data", "to: [{group: '', kind: Service, name: db}]");
  const two = grant("data", "to: [{group: '', kind: Service, name: cache}]");

  expect(grants(one).permits(ROUTE, { ...SERVICE, name: "cache" })).toBe(false);
  expect(grants(one, two).permits(ROUTE, { ...SERVICE, name: "cache" })).toBe(true);
  expect(grants(one, two).permits(ROUTE, { ...SERVICE, name: "other" })).toBe(false);
});

function grants(...texts: readonly string[]): ReferenceGrants {
  const { documents, problems } = parseText({ file: "g.yaml", text: texts.join("\n---\n") });
  expect(problems).toEqual([]);
  return new ReferenceGrants(documents as readonly DocumentOf<"ReferenceGrant">[]);
}

function grant(namespace: string, to: string): string {
  return `{apiVersion: gateway.networking.k8s.io/v1beta1, kind: ReferenceGrant, metadata: {name: g, namespace: ${namespace}},
    spec: {from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: shop}], ${to}}}`;
}
