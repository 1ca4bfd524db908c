import { expect, test } from "bun:test";
import { pathText } from "../config/mod.ts";
import { type Document, describe, documentKey, parseDocuments } from "./mod.ts";

const MESH = `# a comment first
apiVersion: v1
kind: Service
metadata:
  name: web
spec:
  ports:
    - name: http
      port: 80
--- # another
apiVersion: mesh.dev/v1
kind: Workload
metadata: { name: web-1, namespace: shop, labels: { "example.com/app": web } }
spec: { address: 10.0.0.1, ports: [{ port: 8080 }] }
`;

test("a document knows the place of every value it holds", () => {
  const [service, workload] = read(MESH);

  expect(service?.locate(["kind"])).toEqual({ line: 3, column: 7 });
  expect(service?.locate(["spec", "ports", 0, "port"])).toEqual({ line: 9, column: 13 });
  expect(service?.locate(["spec", "ports"])).toEqual({ line: 7, column: 3 });
  expect(service?.locate(["spec", "ports", 0])).toEqual({ line: 8, column: 7 });
  expect(workload?.locate(["metadata", "labels", "example.com/app"])).toEqual({ line: 13, column: 72 });
});

test("the place of a value that is not there is that of what encloses it", () => {
  const [service] = read(MESH);

  expect(service?.locate(["spec", "ports", 0, "targetPort"])).toEqual({ line: 8, column: 7 });
  expect(service?.locate(["spec", "ports", 7, "port"])).toEqual({ line: 7, column: 3 });
  expect(service?.locate(["status", "x"])).toEqual({ line: 2, column: 1 });
});

test("an item of a List knows its place in the List", () => {
  const [service] = read(`kind: List
apiVersion: v1
items:
  - apiVersion: v1
    kind: Service
    metadata: {name: web}
    spec: {ports: [{port: 80}]}
`);

  expect(service?.locate(["metadata", "name"])).toEqual({ line: 6, column: 22 });
});

test("a document that names no namespace is in default, a Namespace and a Mesh are in none", () => {
  const documents = read(`${MESH}---
{apiVersion: v1, kind: Namespace, metadata: {name: shop}}
---
{apiVersion: mesh.dev/v1, kind: Mesh, metadata: {name: m}}
`);

  expect(documents.map(documentKey)).toEqual([
    "Service/default/web",
    "Workload/shop/web-1",
    "Namespace/shop",
    "Mesh/m",
  ]);
});

test("defaults are filled in, and what the user wrote is kept beside them", () => {
  const [service] = read(MESH);

  expect(service?.body).toMatchObject({ spec: { selector: {}, ports: [{ name: "http", port: 80, protocol: "TCP" }] } });
  expect(service?.raw).toEqual({
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "web" },
    spec: { ports: [{ name: "http", port: 80 }] },
  });
});

test("a merge key is read as Kubernetes reads it", () => {
  const [, second] = read(`apiVersion: v1
kind: List
items:
  - &first
    apiVersion: v1
    kind: Service
    metadata: {name: a}
    spec: {ports: [{port: 80}]}
  - <<: *first
    metadata: {name: b}
`);

  expect(second?.body).toMatchObject({ metadata: { name: "b" }, spec: { ports: [{ port: 80 }] } });
});

test("a key named __proto__ changes nothing of what is read", () => {
  const [plugin] = read(`{apiVersion: mesh.dev/v1, kind: Plugin, metadata: {name: p}, spec: {phase: Routing,
    source: {builtin: x}, targetRefs: [{kind: Service, name: web}], config: {__proto__: {polluted: 1}, a: b}}}`);

  const { config } = (plugin as Extract<Document, { kind: "Plugin" }>).body.spec;
  expect(config["polluted"]).toBeUndefined();
  expect(config["a"]).toBe("b");
});

test("text of any shape gives problems, never an exception", () => {
  const texts = [
    "",
    "\0",
    "[".repeat(100_000),
    "{".repeat(5000),
    "&a : *a",
    "? [a]: b",
    "%YAML 9\n---\n",
    "- ".repeat(3000),
  ];
  for (const text of texts) {
    const { documents, problems } = parseDocuments([{ file: "x", text }]);

    expect(documents).toEqual([]);
    expect(problems.every(({ message }) => message !== "")).toBe(true);
    expect(problems.length).toBeLessThan(100);
  }
});

test("what a document holds cannot move the cursor of a terminal", () => {
  const text = '{apiVersion: "x\\e[2J/v1", kind: "K\\e[1m", metadata: {"a\\e": 1}}';

  const { problems } = parseDocuments([
    { file: "a", text },
    { file: "b", text: `{apiVersion: v1, kind: Service, "a\\e[2J": 1}` },
  ]);

  expect(problems.length).toBeGreaterThan(1);
  for (const { message } of problems) expect(message).not.toContain("\u001b");
});

test("problems are in the order of files, lines and columns", () => {
  const bad = "apiVersion: v1\nkind: Service\nmetadata: {name: A}\nspec: {bogus: 1}\n";

  const { problems } = parseDocuments([
    { file: "b.yaml", text: bad },
    { file: "a.yaml", text: bad },
  ]);

  expect(problems.map(({ file, line }) => `${file}:${line}`)).toEqual(["a.yaml:3", "a.yaml:4", "b.yaml:3", "b.yaml:4"]);
});

test("a problem is plain data with its path, what was found and what was expected", () => {
  const { problems } = parseDocuments([
    { file: "a.yaml", text: "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: [{port: 0}]}\n" },
  ]);

  expect(problems).toEqual([
    {
      severity: "error",
      file: "a.yaml",
      line: 4,
      column: 23,
      path: pathText(["spec", "ports", 0, "port"]),
      found: "0",
      expected: "a port from 1 to 65535",
      message: "spec.ports[0].port must be a port from 1 to 65535: current value is 0",
    },
  ]);
});

test("a list of documents has a line for each", () => {
  expect(describe(read(MESH))).toEqual([
    { kind: "Service", namespace: "default", name: "web", summary: "ports 80" },
    { kind: "Workload", namespace: "shop", name: "web-1", summary: "10.0.0.1 ports 8080" },
  ]);
});

function read(text: string): readonly Document[] {
  const { documents, problems } = parseDocuments([{ file: "mesh.yaml", text }]);
  expect(problems).toEqual([]);
  return documents;
}

test("an Extism manifest beside the documents is none of them, and no mistake", () => {
  const parsed = parseDocuments([{ file: "manifest.yaml", text: "wasm: [{path: p.wasm}]\nconfig: {a: b}\n" }]);

  expect(parsed).toEqual({ documents: [], problems: [] });
});
