import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { type Compiled, compile, type Module } from "../../core/compile/mod.ts";
import { hasErrors, type Problem } from "../../core/config/mod.ts";
import { CONTINUE, type Plugin } from "../../core/plugin/mod.ts";
import { PathScan } from "../../core/route/mod.ts";
import { type Document, documentKey, parseDocuments } from "../../core/schema/mod.ts";
import { buildSnapshot } from "../../core/snapshot/mod.ts";
import { seeded } from "../harness/http1-reader.ts";

/** Set MESH_FUZZ_ROUNDS for a longer run; a failure names its input. */
const ROUNDS = Number(Bun.env["MESH_FUZZ_ROUNDS"] ?? 1);
const TEXTS = 200 * ROUNDS;
const VALUES = 120 * ROUNDS;
const SEED = Number(Bun.env["MESH_FUZZ_SEED"] ?? 20260106);

const FOLDER = join(import.meta.dir, "../fixtures/config");

/** Manifests with nothing wrong and everything in use, and those of the golden files. */
const WHOLE = `apiVersion: v1
kind: Service
metadata: {name: web, labels: {app: web}}
spec:
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: 8080}, {name: alt, port: 8080}]
---
apiVersion: v1
kind: Service
metadata: {name: sql}
spec: {selector: {app: web}, ports: [{name: tcp-sql, port: 5432, appProtocol: tcp}]}
---
apiVersion: mesh.dev/v1
kind: Workload
metadata: {name: web-1}
spec:
  address: 10.0.0.1
  identity: spiffe://cluster.local/ns/default/sa/web
  labels: {app: web, version: v1}
  locality: here/there
  weight: 2
  service: web
  ports: [{name: http, port: 8080, inboundPort: 15006, protocol: http}, {port: 5432}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-x, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
endpoints: [{addresses: [10.0.0.2], conditions: {ready: true}, targetRef: {name: pod}}]
ports: [{name: http, port: 8080}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web, creationTimestamp: "2026-01-01T00:00:00Z"}
spec:
  parentRefs: [{group: "", kind: Service, name: web, port: 80}]
  rules:
    - name: special
      matches:
        - path: {type: Exact, value: /a/b}
          method: GET
          headers: [{name: X-A, value: "1"}, {name: x-b, type: RegularExpression, value: "[a-z]+"}]
          queryParams: [{name: q, value: "1"}]
      filters:
        - {type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: x, value: y}], add: [{name: z, value: w}], remove: [v]}}
        - {type: ResponseHeaderModifier, responseHeaderModifier: {remove: [server]}}
      timeouts: {request: 10s, backendRequest: 1s}
      backendRefs: [{name: web, port: 80, weight: 3, filters: [{type: RequestHeaderModifier, requestHeaderModifier: {remove: [x]}}]}]
    - backendRefs: [{name: web, port: 80}]
---
apiVersion: mesh.dev/v1
kind: Plugin
metadata: {name: auth}
spec:
  phase: Authentication
  source: {builtin: auth}
  targetRefs: [{kind: Service, name: web}, {group: gateway.networking.k8s.io, kind: HTTPRoute, name: web, sectionName: special}]
  config: {key: value, deep: {a: [1]}}
  destinations: [{name: web, port: 80}]
  limits: {fuel: 100000, memoryPages: 16}
  failureMode: Closed
  order: 1
---
apiVersion: mesh.dev/v1
kind: Mesh
metadata: {name: mesh}
spec: {trustDomain: cluster.local, trustDomainAliases: [old.local], mtls: {mode: STRICT}, egress: {policy: ALLOW_ANY}, timeouts: {request: 1m}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  gatewayClassName: mesh
  listeners:
    - {name: http, port: 80, protocol: HTTP, hostname: "*.example.com", allowedRoutes: {namespaces: {from: All}, kinds: [{kind: HTTPRoute}, {kind: GRPCRoute}]}}
    - {name: tls, port: 443, protocol: TLS, tls: {mode: Passthrough}}
    - {name: tcp, port: 5432, protocol: TCP, allowedRoutes: {namespaces: {from: Selector, selector: {matchExpressions: [{key: kubernetes.io/metadata.name, operator: In, values: [default]}]}}}}
    - {name: udp, port: 53, protocol: UDP}
    - {name: calls, port: 8081, protocol: HTTP, allowedRoutes: {kinds: [{kind: GRPCRoute}]}}
  allowedListeners: {namespaces: {from: Same}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: ListenerSet
metadata: {name: more}
spec: {parentRef: {name: edge}, listeners: [{name: more, port: 8080, protocol: HTTP}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: edge}
spec:
  parentRefs: [{name: edge, sectionName: http}, {kind: ListenerSet, name: more}]
  hostnames: [a.example.com, "*.b.example.com"]
  rules:
    - matches: [{path: {type: PathPrefix, value: /old}}]
      filters: [{type: RequestRedirect, requestRedirect: {scheme: https, hostname: new.example.com, port: 8443, statusCode: 301, path: {type: ReplacePrefixMatch, replacePrefixMatch: /new}}}]
    - matches: [{path: {type: RegularExpression, value: "/v[0-9]+/.*"}}]
      filters:
        - {type: URLRewrite, urlRewrite: {hostname: inner.example.com, path: {type: ReplaceFullPath, replaceFullPath: /x}}}
        - {type: RequestMirror, requestMirror: {backendRef: {name: web, port: 8080}, fraction: {numerator: 1, denominator: 3}}}
        - {type: CORS, cors: {allowOrigins: ["https://*.example.com"], allowMethods: [GET, POST], allowHeaders: [x-a], exposeHeaders: ["*"], maxAge: 10, allowCredentials: true}}
      retry: {attempts: 2, codes: [500, 503], backoff: 100ms}
      sessionPersistence: {sessionName: s, type: Cookie, absoluteTimeout: 1h, idleTimeout: 5m, cookieConfig: {lifetimeType: Permanent}}
      backendRefs: [{name: web, port: 80}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata: {name: calls}
spec:
  parentRefs: [{name: edge, sectionName: calls}, {group: "", kind: Service, name: web, sectionName: alt}]
  rules:
    - matches: [{method: {service: a.B, method: C}}, {method: {type: RegularExpression, method: "Get.*"}, headers: [{name: x-a, value: b}]}]
      filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: x, value: y}]}}]
      backendRefs: [{name: web, port: 80}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: TLSRoute
metadata: {name: names}
spec: {parentRefs: [{name: edge, sectionName: tls}], hostnames: ["*.example.com"], rules: [{backendRefs: [{name: sql, port: 5432}]}]}
---
apiVersion: gateway.networking.k8s.io/v1alpha2
kind: TCPRoute
metadata: {name: bytes}
spec:
  parentRefs: [{name: edge, sectionName: tcp}, {group: "", kind: Service, name: sql, port: 5432}]
  rules: [{backendRefs: [{name: sql, port: 5432, weight: 2}, {name: sql, namespace: default, port: 5432}]}]
---
apiVersion: v1
kind: Service
metadata: {name: dns}
spec: {selector: {app: web}, ports: [{name: dns, port: 53, protocol: UDP}]}
---
apiVersion: gateway.networking.k8s.io/v1alpha2
kind: UDPRoute
metadata: {name: datagrams}
spec: {parentRefs: [{name: edge, port: 53}], rules: [{backendRefs: [{name: dns, port: 53}]}]}
---
apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata: {name: grant}
spec: {from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: other}], to: [{group: "", kind: Service, name: web}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: {name: tls}
spec:
  targetRefs: [{group: "", kind: Service, name: web, sectionName: http}]
  validation: {hostname: web.example.com, wellKnownCACertificates: System, subjectAltNames: [{type: URI, uri: "spiffe://a/b"}]}
---
apiVersion: v1
kind: Secret
metadata: {name: secret}
type: Opaque
data: {a: aGk=}
stringData: {b: text}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: map}
data: {a: b}
binaryData: {c: aGk=}
`;

test("the manifests that are changed here have nothing wrong before", () => {
  const { problems, documents } = parseDocuments([{ file: "x", text: WHOLE }]);

  expect([...problems, ...compiledOf(documents).problems]).toEqual([]);
});

test("manifests with text moved about give documents and problems, and what runs is runnable", () => {
  const corpus = [WHOLE, ...golden()];
  const random = seeded(SEED);
  for (let i = 0; i < TEXTS; i++) holds(mutatedText(corpus[below(corpus.length, random)]!, random));
});

test("manifests with a value changed give documents and problems, and what runs is runnable", () => {
  const random = seeded(SEED + 1);
  const ends = { ran: 0, refused: 0 };
  for (let i = 0; i < VALUES; i++) ends[holds(mutatedValue(WHOLE, random)) ? "ran" : "refused"]++;

  // A fuzzer that is always refused at the door tests nothing behind it.
  expect(Math.min(ends.ran, ends.refused)).toBeGreaterThan(VALUES / 50);
});

/** What must be true of any text; true where it would be taken. */
function holds(text: string): boolean {
  try {
    const lines = text.split("\n").length;
    const { documents, problems } = parseDocuments([{ file: "mesh.yaml", text }]);
    for (const problem of problems) isTold(problem, lines);
    for (const document of documents) survivesItsStore(document);
    const compiled = compiledOf(documents);
    for (const problem of compiled.problems) isTold(problem, lines);
    if (hasErrors([...problems, ...compiled.problems])) return false;
    isRun(compiled);
    return true;
  } catch (error) {
    throw new Error(`Cannot hold what was promised for:\n${text}`, { cause: error });
  }
}

function isTold({ message, file, line, column }: Problem, lines: number): void {
  expect(message).not.toBe("");
  // A rule that throws would be told like this, and not where it is broken.
  expect(message).not.toStartWith("Cannot read");
  expect(file).toBe("mesh.yaml");
  expect(line).toBeGreaterThanOrEqual(0);
  expect(line).toBeLessThanOrEqual(lines);
  expect(column).toBeGreaterThanOrEqual(0);
}

/** The control plane keeps what was written and reads it again after a restart. */
function survivesItsStore(document: Document): void {
  const again = parseDocuments([{ file: "kept", text: JSON.stringify(document.raw) }]);

  expect(again.documents.map(({ body }) => body)).toEqual([document.body]);
}

/** What has no errors is never refused by a proxy. */
function isRun({ resources }: Compiled): void {
  const plugins = new Map(
    resources.flatMap((own) => (own.kind === "plugin" ? [[own.name, pluginOf(own.name)] as const] : [])),
  );

  buildSnapshot({ revision: "1-x", resources }, null, {
    plugins,
    scan: new PathScan(1),
    events: { eject: () => {} } as never,
  });
}

function pluginOf(id: string): Plugin {
  return { id, onRequest: () => CONTINUE } as never;
}

function compiledOf(documents: readonly Document[]): Compiled {
  const module: Module = { sha256: "0".repeat(64), bytes: new Uint8Array(1) };
  const plugins = documents.filter(({ kind }) => kind === "Plugin");
  return compile(documents, [], { modules: new Map(plugins.map((plugin) => [documentKey(plugin), module])) });
}

function golden(): readonly string[] {
  return readdirSync(FOLDER).map((name) => readFileSync(join(FOLDER, name), "utf8").split("----------\n")[0]!);
}

const PIECES = [
  "",
  " ",
  "\n",
  "\t",
  "- ",
  ": ",
  "---\n",
  "&a ",
  "*a",
  "!x ",
  "|\n",
  '"',
  "'",
  "{",
  "}",
  "[",
  "]",
  "#",
  "\0",
  "é",
  "~",
  "<<: ",
];

function mutatedText(text: string, random: () => number): string {
  let result = text;
  for (let i = below(4, random); i >= 0; i--) {
    const at = below(result.length + 1, random);
    const end = Math.min(result.length, at + below(12, random));
    const moved =
      below(2, random) === 0 ? PIECES[below(PIECES.length, random)]! : result.slice(at, at + below(60, random));
    result = result.slice(0, at) + moved + result.slice(end);
  }
  return result;
}

const VALUES_TO_PUT: readonly unknown[] = [
  null,
  "",
  " ",
  "a",
  "web",
  "A",
  "/",
  "//",
  "é",
  "x".repeat(300),
  "http",
  "0s",
  "[",
  "(a|b)*c{2,3}",
  "2026-01-01",
  "__proto__",
  0,
  -1,
  1,
  80,
  1.5,
  65_536,
  1e308,
  true,
  [],
  {},
  [null],
  [[]],
  [{}],
  { name: "web" },
  { type: "Exact" },
  { __proto__: null, a: 1 },
];

/** Puts another value at a random place of a random document, drops one, or repeats one of a list. */
function mutatedValue(text: string, random: () => number): string {
  const documents: unknown[] = (parseAllDocuments(text) as { toJS(): unknown }[]).map((document) => document.toJS());
  // Mostly one, for two are refused twice as often and reach the compiler half as often.
  for (let i = below(4, random) === 0 ? 1 : 0; i >= 0; i--) {
    const holders = holdersIn(documents[below(documents.length, random)]);
    const holder = holders[below(holders.length, random)]!;
    const keys = Object.keys(holder);
    const key = keys[below(keys.length, random)] ?? "added";
    const choice = below(8, random);
    if (choice === 0) delete holder[key];
    else if (choice === 1 && Array.isArray(holder)) holder.push(structuredClone(holder[0]));
    else holder[key] = structuredClone(anotherValue(holder[key], choice > 3, random));
  }
  return documents.map((document) => JSON.stringify(document, null, 1)).join("\n---\n");
}

function anotherValue(value: unknown, sameType: boolean, random: () => number): unknown {
  const alike = VALUES_TO_PUT.filter((other) => !sameType || typeof other === typeof value);
  return alike[below(alike.length, random)];
}

type Holder = Record<string, unknown>;

function holdersIn(value: unknown): readonly Holder[] {
  if (typeof value !== "object" || value === null) return [];
  return [value as Holder, ...Object.values(value).flatMap(holdersIn)];
}

function below(limit: number, random: () => number): number {
  return Math.floor(random() * limit);
}
