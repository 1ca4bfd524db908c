import { expect, test } from "bun:test";
import type { ClusterModel } from "../cluster/mod.ts";
import type { PluginModel } from "../plugin/mod.ts";
import { parseDocuments } from "../schema/mod.ts";
import type { MeshModel, ServiceModel, ServicePortModel, WorkloadModel } from "../snapshot/mod.ts";
import { type Compiled, compile, isRunnable, type Module, type Registration } from "./mod.ts";
import type { RouteStatus } from "./status.ts";

test("a Service answers to its names, and to the short one only in the namespace default", () => {
  const mesh = compiled(service("web", "[{port: 80}]"), service("web", "[{port: 80}]", "shop"));

  expect(mesh.service("default/web").hosts).toEqual([
    "web",
    "web.default",
    "web.default.svc",
    "web.default.svc.cluster.local",
    "web.default.mesh",
  ]);
  expect(mesh.service("shop/web").hosts).toEqual([
    "web.shop",
    "web.shop.svc",
    "web.shop.svc.cluster.local",
    "web.shop.mesh",
  ]);
});

test("endpoints come from slices, workloads and registrations, and the sidecar wins where two tell of one app", () => {
  const mesh = compiled(
    service("web", "[{name: http, port: 80, targetPort: 8080}]", "default", "{app: web}"),
    slice("web", ["10.0.0.1", "10.0.0.2"], "[{name: http, port: 8080}]"),
    workload("outside", "{address: 10.0.0.3, labels: {app: web}, ports: [{port: 8080}], weight: 3}"),
    workload("drained", "{address: 10.0.0.4, labels: {app: web}, ports: [{port: 8080}], weight: 0}"),
    workload("other", "{address: 10.0.0.5, labels: {app: other}, ports: [{port: 8080}]}"),
    registration("web", { address: "10.0.0.2", labels: { app: "web", version: "v2" }, service: "" }),
  );

  expect(mesh.cluster("default/web:80")).toMatchObject({
    balancer: "PeakEWMA",
    service: { namespace: "default", name: "web", host: "web.default.svc.cluster.local" },
    endpoints: [
      { address: "10.0.0.1", port: 8080, weight: 1, workload: { app: "web", version: "unknown" } },
      {
        address: "10.0.0.2",
        port: 15006,
        identity: "spiffe://cluster.local/ns/default/sa/web",
        workload: { name: "web", app: "web", version: "v2" },
      },
      { address: "10.0.0.3", port: 8080, weight: 3 },
    ],
  });
  expect(mesh.cluster("default/web:80").endpoints[0]).not.toHaveProperty("identity");
});

test("an endpoint that is not ready takes no requests, one that says nothing does", () => {
  const mesh = compiled(
    service("web", "[{port: 80}]"),
    `{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4, ports: [{port: 80}],
      metadata: {name: web, labels: {kubernetes.io/service-name: web}},
      endpoints: [{addresses: [10.0.0.1], conditions: {ready: false}}, {addresses: [10.0.0.2], conditions: {}}]}`,
  );

  expect(mesh.cluster("default/web:80").endpoints.map(({ address }) => address)).toEqual(["10.0.0.2"]);
});

test("a target port is a number, a name, or by default the port itself", () => {
  const ports = "[{port: 9000, name: other}, {port: 8080, name: http}]";
  const mesh = compiled(
    service("by-number", "[{port: 80, targetPort: 9000}]", "default", "{app: web}"),
    service("by-name", "[{port: 80, targetPort: http}]", "default", "{app: web}"),
    service("by-itself", "[{port: 8080}]", "default", "{app: web}"),
    service("by-nothing", "[{port: 80}]", "default", "{app: web}"),
    workload("web", `{address: 10.0.0.1, labels: {app: web}, ports: ${ports}}`),
  );

  const portsOf = (name: string) => mesh.cluster(name).endpoints.map(({ port }) => port);
  expect(portsOf("default/by-number:80")).toEqual([9000]);
  expect(portsOf("default/by-name:80")).toEqual([8080]);
  expect(portsOf("default/by-itself:8080")).toEqual([8080]);
  expect(portsOf("default/by-nothing:80")).toEqual([]);
});

test("the only port of a workload that names the Service stands behind the Service's only port", () => {
  const mesh = compiled(service("web", "[{port: 80}]"), registration("web-1", { service: "web" }));

  expect(mesh.cluster("default/web:80").endpoints.map(({ port }) => port)).toEqual([15006]);
});

test("a Service that workloads name and nobody wrote has their ports", () => {
  const mesh = compiled(
    registration("cart-1", { service: "cart", namespace: "shop" }),
    registration("cart-2", {
      service: "cart",
      namespace: "shop",
      address: "10.0.0.9",
      ports: [
        { port: 8080, inboundPort: 15006 },
        { port: 5432, name: "tcp-sql", inboundPort: 15006 },
      ],
    }),
  );

  expect(mesh.service("shop/cart").ports.map(({ port, protocol }) => `${port} ${protocol}`)).toEqual([
    "5432 tcp",
    "8080 http",
  ]);
  expect(mesh.cluster("shop/cart:8080").endpoints).toHaveLength(2);
  expect(mesh.cluster("shop/cart:5432")).toMatchObject({
    balancer: "LeastRequest",
    endpoints: [{ address: "10.0.0.9" }],
  });
});

test.each([
  ["{port: 80}", "http"],
  ["{port: 80, name: http-web}", "http"],
  ["{port: 80, name: grpc}", "http"],
  ["{port: 80, name: tcp}", "tcp"],
  ["{port: 80, name: tls-x}", "tcp"],
  ["{port: 80, name: web}", "http"],
  ["{port: 80, name: tcp, appProtocol: http}", "http"],
  ["{port: 80, appProtocol: kubernetes.io/h2c}", "http"],
  ["{port: 80, appProtocol: example.com/mine}", "tcp"],
])("the port %s speaks %s", (port, protocol) => {
  expect(compiled(service("web", `[${port}]`)).port("default/web", 80).protocol).toBe(protocol as "http" | "tcp");
});

test("a Service without routes has one rule, to itself", () => {
  const mesh = compiled(service("web", "[{port: 80}]"));

  expect(mesh.port("default/web", 80)).toEqual({
    port: 80,
    protocol: "http",
    rules: [
      {
        id: "Service/default/web",
        matches: [{ path: { type: "PathPrefix", value: "/" } }],
        backends: [{ cluster: "default/web:80", name: "web", weight: 1 }],
        order: 0,
        policies: [],
      },
    ],
    guards: [],
    guardedByCaller: false,
  });
});

test("a route replaces what its Service does by itself, with everything its rules say", () => {
  const mesh = compiled(
    service("web", "[{port: 80}, {name: alt, port: 8080}]"),
    service("web-v2", "[{port: 80}]"),
    route(
      "split",
      `- name: tester
  matches:
    - path: {type: Exact, value: /a}
      method: POST
      headers: [{name: X-Tester, value: "1"}]
      queryParams: [{name: Q, type: RegularExpression, value: "a+"}]
    - path: {value: /b}
  filters:
    - {type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: X-A, value: a}], remove: [x-b]}}
    - {type: ResponseHeaderModifier, responseHeaderModifier: {add: [{name: x-c, value: c}]}}
  timeouts: {request: 1m30s, backendRequest: 500ms}
  backendRefs:
    - {name: web, port: 80, weight: 9}
    - name: web-v2
      port: 80
      filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: x-v, value: "2"}]}}]
- timeouts: {request: 0s, backendRequest: 0s}
  backendRefs: [{name: web, port: 80, weight: 0}]`,
      { parent: "port: 80" },
    ),
  );

  expect(mesh.port("default/web", 80).rules).toEqual([
    {
      id: "HTTPRoute/default/split/tester",
      matches: [
        {
          path: { type: "Exact", value: "/a" },
          method: "POST",
          headers: [{ name: "x-tester", type: "Exact", value: "1" }],
          query: [{ name: "Q", type: "RegularExpression", value: "a+" }],
        },
        { path: { type: "PathPrefix", value: "/b" } },
      ],
      order: 0,
      backends: [
        { cluster: "default/web:80", name: "web", weight: 9 },
        {
          cluster: "default/web-v2:80",
          name: "web-v2",
          weight: 1,
          requestHeaders: { set: [{ name: "x-v", value: "2" }] },
        },
      ],
      requestHeaders: { set: [{ name: "X-A", value: "a" }], remove: ["x-b"] },
      responseHeaders: { add: [{ name: "x-c", value: "c" }] },
      requestTimeoutMs: 90_000,
      backendTimeoutMs: 500,
      policies: [],
    },
    {
      id: "HTTPRoute/default/split/1",
      matches: [{ path: { type: "PathPrefix", value: "/" } }],
      order: 1,
      backends: [{ cluster: "default/web:80", name: "web", weight: 0 }],
      requestTimeoutMs: 0,
      policies: [],
    },
  ]);
  expect(mesh.port("default/web", 8080).rules.map(({ id }) => id)).toEqual(["Service/default/web"]);
});

test("rules stand in the order of their routes: by age, then by name, those without an age last", () => {
  const rules = "- backendRefs: [{name: web, port: 80}]";
  const mesh = compiled(
    service("web", "[{port: 80}]"),
    route("b", rules),
    route("a", rules),
    route("older", rules, { created: "2026-02-01T00:00:00Z" }),
    route("newer", rules, { created: "2026-01-31T23:30:00-01:00" }),
  );

  const inOrder = mesh.port("default/web", 80).rules.map(({ id, order }) => `${order} ${id.split("/")[2]}`);
  expect(inOrder).toEqual(["0 older", "1 newer", "2 a", "3 b"]);
});

test("a broken reference keeps its weight and loses its cluster, and the route's condition says why", () => {
  const mesh = compiled(
    service("web", "[{port: 80}]"),
    route("r", "- backendRefs: [{name: web, port: 80}, {name: web, namespace: other, port: 80, weight: 3}]"),
  );

  expect(mesh.port("default/web", 80).rules[0]?.backends).toEqual([
    { cluster: "default/web:80", name: "web", weight: 1 },
    { cluster: null, name: "web", weight: 3 },
  ]);
  expect(mesh.output.statuses).toMatchObject([
    { kind: "HTTPRoute", namespace: "default", name: "r", status: { parents: [{}] } },
  ]);
  expect(mesh.parent("r")).toMatchObject({
    parentRef: { group: "", kind: "Service", name: "web" },
    controllerName: "mesh.dev/gateway-controller",
    conditions: [
      { type: "Accepted", status: "True", reason: "Accepted", observedGeneration: 1 },
      { type: "ResolvedRefs", status: "False", reason: "RefNotPermitted", observedGeneration: 1 },
    ],
  });
  expect(isRunnable(mesh.output)).toBe(true);
});

test("a route without a parent that is there is not accepted", () => {
  const mesh = compiled(route("r", "- backendRefs: [{name: web, port: 80}]"));

  expect(mesh.parent("r")?.conditions[0]).toMatchObject({ status: "False", reason: "NoMatchingParent" });
});

test("a guard of a Service runs at the workloads behind it, on the ports behind it only", () => {
  const mesh = compiled(
    service("web", "[{port: 80, targetPort: 8080}]", "default", "{app: web}"),
    registration("web", {
      labels: { app: "web" },
      ports: [
        { port: 8080, inboundPort: 15006 },
        { port: 9090, name: "metrics", inboundPort: 15006 },
      ],
      service: "",
    }),
    plugin("auth", "phase: Authentication, targetRefs: [{kind: Service, name: web}]"),
    plugin("quota", "phase: RateLimit, order: 50, targetRefs: [{kind: Service, name: web}]"),
  );

  expect(mesh.port("default/web", 80)).toMatchObject({
    guards: ["default/quota", "default/auth"],
    guardedByCaller: false,
    rules: [{ policies: [] }],
  });
  expect(mesh.workload("default/web")).toEqual({
    name: "web",
    namespace: "default",
    identity: "spiffe://cluster.local/ns/default/sa/web",
    labels: { name: "web", namespace: "default", app: "web", version: "unknown" },
    mtls: "STRICT",
    ports: [
      {
        port: 8080,
        protocol: "http",
        service: { namespace: "default", name: "web", host: "web.default.svc.cluster.local" },
        policies: ["default/quota", "default/auth"],
      },
      {
        port: 9090,
        protocol: "http",
        service: { namespace: "default", name: "web", host: "web.default.svc.cluster.local" },
        policies: [],
      },
    ],
  });
});

test("the caller guards where an endpoint has no sidecar that would", () => {
  const mesh = compiled(
    service("web", "[{port: 80}]", "default", "{app: web}"),
    registration("web", { labels: { app: "web" }, ports: [{ port: 80, inboundPort: 15006 }], service: "" }),
    slice("web", ["10.9.9.9"], "[{port: 80}]"),
    plugin("auth", "phase: Authentication, targetRefs: [{kind: Service, name: web}]"),
  );

  expect(mesh.port("default/web", 80).guardedByCaller).toBe(true);
});

test("the caller guards where a route sends requests to workloads that are not the Service's own", () => {
  const parts = [
    service("web", "[{port: 80}]"),
    registration("web-v2", { service: "web-v2", ports: [{ port: 80, inboundPort: 15006 }] }),
    plugin("auth", "phase: Authentication, targetRefs: [{kind: Service, name: web}]"),
  ];

  const apart = compiled(...parts);
  const routed = compiled(...parts, route("r", "- backendRefs: [{name: web-v2, port: 80}]"));

  expect(apart.port("default/web", 80).guardedByCaller).toBe(false);
  expect(routed.port("default/web", 80).guardedByCaller).toBe(true);
});

test("the caller guards where a routing plugin may send requests elsewhere", () => {
  const mesh = compiled(
    service("web", "[{port: 80}]"),
    registration("web-v2", { service: "web-v2", ports: [{ port: 80, inboundPort: 15006 }] }),
    plugin("canary", "phase: Routing, targetRefs: [{kind: Service, name: web}], destinations: [{name: web-v2}]"),
  );

  expect(mesh.port("default/web", 80).guardedByCaller).toBe(true);
});

test("a route is no way around the guards of a backend whose endpoints have no sidecar", () => {
  const parts = [
    service("web", "[{port: 80}]"),
    service("bare", "[{port: 80}]"),
    slice("bare", ["10.9.9.9"], "[{port: 80}]"),
    registration("meshed", { ports: [{ port: 80, inboundPort: 15006 }] }),
    plugin("auth", "phase: Authentication, targetRefs: [{kind: Service, name: bare}]"),
    plugin("own", "phase: Authentication, targetRefs: [{kind: Service, name: meshed}]"),
  ];

  const routed = compiled(
    ...parts,
    route(
      "r",
      "- backendRefs: [{name: bare, port: 80}, {name: meshed, port: 80}]\n- backendRefs: [{name: meshed, port: 80}]",
    ),
  );
  const chosen = compiled(
    ...parts,
    plugin("canary", "phase: Routing, targetRefs: [{kind: Service, name: web}], destinations: [{name: bare}]"),
  );
  const mirror = "filters: [{type: RequestMirror, requestMirror: {backendRef: {name: bare, port: 80}}}]";
  const mirrored = compiled(
    ...parts,
    route(
      "r",
      `- ${mirror}\n  backendRefs: [{name: meshed, port: 80}]\n- backendRefs: [{name: meshed, port: 80, ${mirror}}]`,
    ),
  );

  expect(mirrored.port("default/web", 80).rules.map(({ policies }) => policies)).toEqual([
    ["default/auth"],
    ["default/auth"],
  ]);
  expect(routed.port("default/web", 80).rules.map(({ policies }) => policies)).toEqual([["default/auth"], []]);
  expect(chosen.port("default/web", 80).rules[0]?.policies).toEqual(["default/auth", "default/canary"]);
});

test("a guard of both a Service and its backend runs once", () => {
  const mesh = compiled(
    service("web", "[{port: 80}]"),
    service("bare", "[{port: 80}]"),
    slice("bare", ["10.9.9.9"], "[{port: 80}]"),
    plugin("auth", "phase: Authentication, targetRefs: [{kind: Service, name: web}, {kind: Service, name: bare}]"),
    route("r", "- backendRefs: [{name: bare, port: 80}]"),
  );

  expect(mesh.port("default/web", 80)).toMatchObject({
    guards: ["default/auth"],
    guardedByCaller: true,
    rules: [{ policies: [] }],
  });
});

test("replicas of one workload are guarded alike, whichever of them a Service selects", () => {
  const mesh = compiled(
    service("web", "[{port: 8080}]", "default", "{version: v2}"),
    registration("web", { service: "", address: "10.0.0.1", labels: { version: "v1" } }),
    registration("web", { service: "", address: "10.0.0.2", labels: { version: "v2" } }),
    plugin("auth", "phase: Authentication, targetRefs: [{kind: Service, name: web}]"),
  );

  expect(mesh.workload("default/web").ports).toMatchObject([{ port: 8080, policies: ["default/auth"] }]);
});

test("a workload without an identity has no proxy that would ask for its configuration", () => {
  const mesh = compiled(workload("web", "{address: 10.0.0.1, service: web, ports: [{port: 8080}]}"));

  expect(mesh.output.resources.map(({ kind }) => kind)).toEqual(["cluster", "mesh", "service"]);
});

test("plugins of a Service, a route and a named rule run at the rule in the order of their numbers", () => {
  const mesh = compiled(
    service("web", "[{port: 80}]"),
    route(
      "r",
      `- {name: special, backendRefs: [{name: web, port: 80}], matches: [{path: {value: /s}}]}\n- backendRefs: [{name: web, port: 80}]`,
    ),
    plugin("canary", "phase: Routing, targetRefs: [{kind: Service, name: web}]"),
    plugin("quota", "phase: RateLimit, targetRefs: [{kind: HTTPRoute, name: r}]"),
    plugin("auth", "phase: Authentication, targetRefs: [{kind: HTTPRoute, name: r, sectionName: special}]"),
    plugin("b-first", "phase: Routing, order: -1, targetRefs: [{kind: HTTPRoute, name: r, sectionName: special}]"),
    plugin("a-first", "phase: Routing, order: -1, targetRefs: [{kind: HTTPRoute, name: r, sectionName: special}]"),
  );

  const [special, rest] = mesh.port("default/web", 80).rules;
  expect(special?.policies).toEqual([
    "default/a-first",
    "default/b-first",
    "default/auth",
    "default/quota",
    "default/canary",
  ]);
  expect(rest?.policies).toEqual(["default/quota", "default/canary"]);
});

test("a plugin's model holds its config as text, its destinations as clusters, and shuts the door where it decides who passes", () => {
  const mesh = compiled(
    service("web", "[{port: 80}, {name: b, port: 81}]"),
    plugin(
      "auth",
      `phase: Authorization, targetRefs: [{kind: Service, name: web}], limits: {fuel: 5000},
       config: {b: text, a: {deep: [1, null]}, c: 1.5, d: true, e: null}, destinations: [{name: web, port: 81}]`,
    ),
    plugin("quota", "phase: RateLimit, targetRefs: [{kind: Service, name: web}]"),
    plugin("strict", "phase: RateLimit, failureMode: Closed, targetRefs: [{kind: Service, name: web}]"),
  );

  expect(mesh.plugin("default/auth")).toEqual({
    id: "default/auth",
    sha256: "sha-of-auth",
    config: { a: '{"deep":[1,null]}', b: "text", c: "1.5", d: "true", e: "null" },
    destinations: { web: "default/web:81" },
    failureMode: "closed",
    order: 200,
    limits: { fuel: 5000, memoryPages: 256 },
  });
  expect(mesh.plugin("default/quota").failureMode).toBe("open");
  expect(mesh.plugin("default/strict").failureMode).toBe("closed");
  expect([...mesh.output.blobs.keys()].sort()).toEqual(["sha-of-auth", "sha-of-quota", "sha-of-strict"]);
});

test("a plugin without its module keeps its place, so that nothing passes unguarded", () => {
  const mesh = compile(
    parse(
      service("web", "[{port: 80}]"),
      plugin("auth", "phase: Authentication, targetRefs: [{kind: Service, name: web}]"),
    ),
    [],
  );

  const web = mesh.resources.find(({ kind }) => kind === "service");
  expect(web?.model).toMatchObject({ ports: [{ guards: ["default/auth"] }] });
  expect(mesh.resources.filter(({ kind }) => kind === "plugin")).toEqual([]);
});

test("the mesh has what its document says, and strict defaults without one", () => {
  const written = compiled(
    `{apiVersion: mesh.dev/v1, kind: Mesh, metadata: {name: m}, spec: {trustDomain: example.org, trustDomainAliases: [old.org],
      mtls: {mode: PERMISSIVE}, egress: {policy: REGISTRY_ONLY}, timeouts: {request: 30s}}}`,
    registration("web", {}),
  );

  expect(written.mesh()).toEqual({
    trustDomain: "example.org",
    trustDomainAliases: ["old.org"],
    mtls: "PERMISSIVE",
    egress: "REGISTRY_ONLY",
    requestTimeoutMs: 30_000,
  });
  expect(written.workload("default/web").mtls).toBe("PERMISSIVE");
  expect(compiled().mesh()).toEqual({
    trustDomain: "cluster.local",
    trustDomainAliases: [],
    mtls: "STRICT",
    egress: "ALLOW_ANY",
    requestTimeoutMs: 0,
  });
});

test("a registration replaces the Workload document of its name", () => {
  const mesh = compiled(
    workload("web", "{address: 10.0.0.1, service: web, ports: [{port: 8080}]}"),
    registration("web", { address: "10.0.0.2" }),
  );

  expect(mesh.cluster("default/web:8080").endpoints.map(({ address }) => address)).toEqual(["10.0.0.2"]);
});

test("replicas of a workload are endpoints each and one workload", () => {
  const mesh = compiled(registration("web", { address: "10.0.0.2" }), registration("web", { address: "10.0.0.1" }));

  expect(mesh.cluster("default/web:8080").endpoints.map(({ address }) => address)).toEqual(["10.0.0.1", "10.0.0.2"]);
  expect(mesh.output.resources.filter(({ kind }) => kind === "workload")).toHaveLength(1);
});

test("a workload that only calls others has no port and is in no Service", () => {
  const mesh = compiled(registration("job", { service: "", ports: [] }));

  expect(mesh.workload("default/job").ports).toEqual([]);
  expect(mesh.output.resources.map(({ kind }) => kind)).toEqual(["mesh", "workload"]);
});

test("the same input gives the same resources, in whatever order it comes", () => {
  const parts = [
    service("web", "[{port: 80}]"),
    service("cart", "[{port: 80}]"),
    registration("a", { service: "cart" }),
    registration("b", { service: "cart", address: "10.0.0.9" }),
    route("r", "- backendRefs: [{name: cart, port: 80}]"),
  ];

  expect(compiled(...parts).output.resources).toEqual(compiled(...parts.toReversed()).output.resources);
});

test("a version changes with what a resource says, and not with the time it was confirmed", () => {
  const versions = (...parts: Part[]) =>
    new Map(compiled(...parts).output.resources.map(({ kind, name, version }) => [`${kind}/${name}`, version]));
  const before = versions(service("web", "[{port: 80}]"), registration("cart", { confirmedAt: 1 }));

  const later = versions(service("web", "[{port: 80}]"), registration("cart", { confirmedAt: 2 }));
  const moved = versions(service("web", "[{port: 80}]"), registration("cart", { address: "10.0.0.9" }));

  expect(later).toEqual(before);
  expect(moved.get("cluster/default/cart:8080")).not.toBe(before.get("cluster/default/cart:8080"));
  expect(moved.get("service/default/web")).toBe(before.get("service/default/web"));
});

test("a cluster was last confirmed when its least recent workload was", () => {
  const mesh = compiled(
    service("static", "[{port: 80}]"),
    registration("a", { service: "cart", confirmedAt: 300 }),
    registration("b", { service: "cart", confirmedAt: 200, address: "10.0.0.9" }),
  );

  expect(mesh.cluster("default/cart:8080").confirmedAt).toBe(200);
  expect(mesh.cluster("default/static:80").confirmedAt).toBe(NOW);
});

const NOW = 1000;

type Part = string | Registration;

function compiled(...parts: Part[]) {
  const texts = parts.filter((part) => typeof part === "string");
  const documents = parse(...texts);
  const modules = new Map<string, Module>();
  for (const { kind, namespace, name } of documents)
    if (kind === "Plugin")
      modules.set(`Plugin/${namespace}/${name}`, { sha256: `sha-of-${name}`, bytes: new Uint8Array(1) });
  const output = compile(
    documents,
    parts.filter((part) => typeof part !== "string"),
    { modules, now: NOW },
  );
  return lookup(output);
}

function lookup(output: Compiled) {
  const find = (kind: string, name: string): unknown => {
    const found = output.resources.find((resource) => resource.kind === kind && resource.name === name);
    if (found === undefined)
      throw new Error(`Cannot find ${kind} "${name}" among ${output.resources.length} resources`);
    return found.model;
  };
  const service = (name: string) => find("service", name) as ServiceModel;
  return {
    output,
    service,
    port: (name: string, port: number) => service(name).ports.find((own) => own.port === port) as ServicePortModel,
    cluster: (name: string) => find("cluster", name) as ClusterModel,
    workload: (name: string) => find("workload", name) as WorkloadModel,
    plugin: (name: string) => find("plugin", name) as PluginModel,
    mesh: () => find("mesh", "") as MeshModel,
    parent: (route: string) =>
      output.statuses.filter(({ name }) => name === route).map(({ status }) => (status as RouteStatus).parents[0])[0],
  };
}

function parse(...texts: readonly string[]) {
  const { documents, problems } = parseDocuments([{ file: "mesh.yaml", text: texts.join("\n---\n") }]);
  expect(problems).toEqual([]);
  return documents;
}

function service(name: string, ports: string, namespace = "default", selector = "{}"): string {
  return `{apiVersion: v1, kind: Service, metadata: {name: ${name}, namespace: ${namespace}}, spec: {selector: ${selector}, ports: ${ports}}}`;
}

function slice(service: string, addresses: readonly string[], ports: string): string {
  const endpoints = addresses.map((address) => `{addresses: [${address}]}`).join(", ");
  return `{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4, ports: ${ports},
    metadata: {name: ${service}, labels: {kubernetes.io/service-name: ${service}}}, endpoints: [${endpoints}]}`;
}

function workload(name: string, spec: string): string {
  return `{apiVersion: mesh.dev/v1, kind: Workload, metadata: {name: ${name}}, spec: ${spec}}`;
}

function plugin(name: string, spec: string): string {
  return `{apiVersion: mesh.dev/v1, kind: Plugin, metadata: {name: ${name}}, spec: {source: {builtin: ${name}}, ${spec}}}`;
}

function route(name: string, rules: string, { created = "", parent = "" } = {}): string {
  const age = created === "" ? "" : `, creationTimestamp: "${created}"`;
  const indented = rules.replaceAll("\n", "\n    ");
  return `apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: ${name}${age}}
spec:
  parentRefs: [{group: "", kind: Service, name: web${parent === "" ? "" : `, ${parent}`}}]
  rules:
    ${indented}`;
}

function registration(name: string, more: Partial<Registration>): Registration {
  const namespace = more.namespace ?? "default";
  return {
    name,
    namespace,
    service: name,
    address: "10.0.0.2",
    ports: [{ port: 8080, inboundPort: 15006 }],
    labels: {},
    identity: `spiffe://cluster.local/ns/${namespace}/sa/${name}`,
    weight: 1,
    ...more,
  };
}
