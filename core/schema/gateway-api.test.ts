import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Body, type KindName, parseText } from "./mod.ts";

const MANIFESTS = join(import.meta.dir, "../../test/fixtures/vectors/gateway-api/manifests");

test("every manifest of the conformance suite is valid", () => {
  const files = readdirSync(MANIFESTS, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".yaml"));
  expect(files.length).toBeGreaterThan(10);

  for (const file of files) {
    const { documents, problems } = parseText({ file, text: readFileSync(join(MANIFESTS, file), "utf8") });

    expect(documents.length).toBeGreaterThan(0);
    expect(problems.filter(({ severity }) => severity === "error")).toEqual([]);
  }
});

test("a Gateway has the defaults of its definition", () => {
  const { spec } = bodyOf(
    "Gateway",
    "{gatewayClassName: mesh, listeners: [{name: a, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: c}]}}]}",
  );

  expect(spec).toMatchObject({ addresses: [], defaultScope: "None" });
  expect(spec.listeners[0]).toMatchObject({
    tls: { mode: "Terminate", certificateRefs: [{ group: "", kind: "Secret", name: "c" }], options: {} },
    allowedRoutes: { namespaces: { from: "Same" }, kinds: [] },
  });
});

test("an HTTPRoute without rules has one that takes everything, and its parents are Gateways", () => {
  const { spec } = bodyOf("HTTPRoute", "{parentRefs: [{name: edge}, {kind: Service, name: web}]}");

  expect(spec.parentRefs).toMatchObject([
    { group: "gateway.networking.k8s.io", kind: "Gateway" },
    { group: "", kind: "Service" },
  ]);
  expect(spec.rules).toMatchObject([{ matches: [], filters: [], backendRefs: [] }]);
});

test("a Secret gives what its data means, and its text wins", () => {
  const text = `{apiVersion: v1, kind: Secret, metadata: {name: s}, data: {a: "aGk=", b: "aGk=", c: ""}, stringData: {b: text}}`;
  const [secret] = parseText({ file: "s.yaml", text }).documents;

  expect(secret?.body).toMatchObject({ type: "Opaque", data: { a: "hi", b: "text", c: "" } });
});

test("text that is not YAML is not quoted where it may be of a Secret", () => {
  const broken = (kind: string, text: string) =>
    parseText({ file: "s.yaml", text: `apiVersion: v1\nkind: ${kind}\nmetadata: {name: s}\nstringData: ${text}` })
      .problems.map(({ message }) => message)
      .join();

  for (const text of ["{a: !hush x}", "]hush", "{a: [}", "\n  a: |hush\n"]) {
    expect(broken("Secret", text)).toStartWith("the text is not YAML: ");
    expect(broken("Secret", text)).not.toContain("hush");
  }
  expect(broken("Service", "]hush")).toContain("hush");
});

test("a rule of a route takes what Gateway API allows at most, and not more", () => {
  const routeWith = (count: number, matches: number) => {
    const match = `{path: {value: /a}}`;
    const rule = `{matches: [${Array(matches).fill(match).join(", ")}]}`;
    const spec = `{parentRefs: [{name: edge}], rules: [${Array(count).fill(rule).join(", ")}]}`;
    return problemsOf("HTTPRoute", spec);
  };

  expect(routeWith(2, 64)).toEqual([]);
  expect(routeWith(16, 8)).toEqual([]);
  expect(routeWith(1, 65)).toEqual([
    "spec.rules[0].matches must be a list of 0 to 64 matches: current value is a list",
  ]);
  expect(routeWith(17, 1)).toEqual(["spec.rules must be a list of 1 to 16 rules: current value is a list"]);
  expect(routeWith(3, 43)).toEqual([
    "spec.rules must be rules with at most 128 matches together: current value is a list",
  ]);
});

function bodyOf<K extends KindName>(kind: K, spec: string): Body<K> {
  expect(problemsOf(kind, spec)).toEqual([]);
  return parsed(kind, spec).documents[0]!.body as Body<K>;
}

function problemsOf(kind: string, spec: string): readonly string[] {
  return parsed(kind, spec).problems.map(({ message }) => message);
}

function parsed(kind: string, spec: string) {
  const text = `{apiVersion: gateway.networking.k8s.io/v1, kind: ${kind}, metadata: {name: x}, spec: ${spec}}`;
  return parseText({ file: "x.yaml", text });
}
