import { expect, test } from "bun:test";
import type { ClusterModel } from "../cluster/mod.ts";
import type { RuleModel } from "../route/mod.ts";
import { parseText } from "../schema/mod.ts";
import type { ServiceModel, ServicePortModel, WorkloadModel } from "../snapshot/mod.ts";
import { compile } from "./mod.ts";
import type { RouteStatus } from "./status.ts";

const WEB = service("web", "[{port: 80}]");

test("every filter of a rule and of a backend reaches the model", () => {
  const [rule] = rulesOf(
    WEB,
    service("copy", "[{port: 80}]"),
    route(
      "HTTPRoute",
      `- filters:
    - {type: RequestMirror, requestMirror: {backendRef: {name: copy, port: 80}, percent: 20}}
    - {type: RequestMirror, requestMirror: {backendRef: {name: copy, port: 80}, fraction: {numerator: 1, denominator: 3}}}
    - {type: RequestMirror, requestMirror: {backendRef: {name: gone, port: 80}}}
    - {type: URLRewrite, urlRewrite: {hostname: inner.example, path: {type: ReplacePrefixMatch, replacePrefixMatch: /v2}}}
    - type: CORS
      cors: {allowOrigins: ["https://*.example.com"], allowMethods: [GET], exposeHeaders: [x-a], allowCredentials: true}
  backendRefs:
    - name: web
      port: 80
      filters:
        - {type: RequestRedirect, requestRedirect: {scheme: https, port: 8443, statusCode: 308, path: {type: ReplaceFullPath, replaceFullPath: /x}}}`,
    ),
  );

  expect(rule?.mirrors).toEqual([
    { cluster: "default/copy:80", name: "copy", fraction: 0.2 },
    { cluster: "default/copy:80", name: "copy", fraction: 1 / 3 },
    { cluster: null, name: "gone", fraction: 1 },
  ]);
  expect(rule?.rewrite).toEqual({ hostname: "inner.example", path: { type: "ReplacePrefixMatch", value: "/v2" } });
  expect(rule?.cors).toEqual({
    allowOrigins: ["https://*.example.com"],
    allowMethods: ["GET"],
    allowHeaders: [],
    exposeHeaders: ["x-a"],
    maxAgeSeconds: 5,
    allowCredentials: true,
  });
  expect(rule?.backends[0]?.redirect).toEqual({
    scheme: "https",
    port: 8443,
    status: 308,
    path: { type: "ReplaceFullPath", value: "/x" },
  });
});

test("a redirect needs no backend", () => {
  const { problems, rules } = compiled(
    WEB,
    route("HTTPRoute", "- filters: [{type: RequestRedirect, requestRedirect: {hostname: new.example}}]"),
  );

  expect(problems).toEqual([]);
  expect(rules[0]).toMatchObject({ redirect: { hostname: "new.example", status: 302 }, backends: [] });
});

test("a filter of a kind that nobody knows makes the rule fail, and is not passed over", () => {
  const extension = "filters: [{type: ExtensionRef, extensionRef: {group: example.com, kind: Magic, name: m}}]";
  const { rules, status } = compiled(
    WEB,
    route(
      "HTTPRoute",
      `- {${extension}, backendRefs: [{name: web, port: 80}]}\n- backendRefs: [{name: web, port: 80, ${extension}}]`,
    ),
  );

  expect(rules.map(({ backends }) => backends[0]?.cluster)).toEqual([null, null]);
  expect(status[0]?.conditions).toMatchObject([
    { type: "Accepted", status: "True" },
    { type: "ResolvedRefs", status: "False", reason: "InvalidKind" },
  ]);
});

test("retries, timeouts and sessions of a rule reach the model", () => {
  const [first, second] = rulesOf(
    WEB,
    route(
      "HTTPRoute",
      `- backendRefs: [{name: web, port: 80}]
  timeouts: {request: 5s, backendRequest: 2s}
  retry: {attempts: 3, codes: [500, 503], backoff: 100ms}
  sessionPersistence: {sessionName: s, absoluteTimeout: 1h, idleTimeout: 5m, cookieConfig: {lifetimeType: Permanent}}
- backendRefs: [{name: web, port: 80}]
  retry: {}
  sessionPersistence: {type: Header}`,
    ),
  );

  expect(first).toMatchObject({
    requestTimeoutMs: 5000,
    backendTimeoutMs: 2000,
    retry: { attempts: 3, statuses: [500, 503], backoff: { baseMs: 100, maxMs: 1000 } },
    session: {
      type: "Cookie",
      name: "s",
      lifetime: "Permanent",
      absoluteTimeoutMs: 3_600_000,
      idleTimeoutMs: 300_000,
    },
  });
  expect(second).toMatchObject({ retry: { attempts: 2 }, session: { type: "Header", lifetime: "Session" } });
  expect(second?.session?.name).toMatch(/^mesh-session-[0-9a-f]{8}$/);
});

test("a call of gRPC is matched by its path", () => {
  const matches: readonly (readonly [match: string, path: object])[] = [
    ["{method: {service: a.B, method: C}}", { type: "Exact", value: "/a.B/C" }],
    ["{method: {service: a.B}}", { type: "PathPrefix", value: "/a.B" }],
    ["{method: {method: C}}", { type: "RegularExpression", value: "/[^/]+/(?:C)" }],
    [
      '{method: {type: RegularExpression, service: "a|b", method: "C.*"}}',
      { type: "RegularExpression", value: "/(?:a|b)/(?:C.*)" },
    ],
    ['{method: {type: RegularExpression, service: "^a$"}}', { type: "RegularExpression", value: "/(?:a)/[^/]+" }],
    ["{headers: [{name: X-Tenant, value: t}]}", { type: "PathPrefix", value: "/" }],
  ];
  const [rule, any] = rulesOf(
    WEB,
    route(
      "GRPCRoute",
      `- backendRefs: [{name: web, port: 80}]\n  matches: [${matches.map(([match]) => match).join(", ")}]\n- name: rest\n  backendRefs: [{name: web, port: 80}]`,
    ),
  );

  expect(rule?.matches.map(({ path }) => path) as unknown).toEqual(matches.map(([, path]) => path));
  expect(rule?.matches.at(-1)?.headers).toEqual([{ name: "x-tenant", type: "Exact", value: "t" }]);
  expect(rule?.id).toBe("GRPCRoute/default/r/0");
  expect(any).toMatchObject({
    id: "GRPCRoute/default/r/rest",
    matches: [{ path: { type: "PathPrefix", value: "/" } }],
  });
});

test("a backend in another namespace takes a ReferenceGrant there", () => {
  const rules = "- backendRefs: [{name: db, namespace: data, port: 80}]";
  const grant = `{apiVersion: gateway.networking.k8s.io/v1beta1, kind: ReferenceGrant, metadata: {name: g, namespace: data},
    spec: {from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: default}], to: [{group: "", kind: Service}]}}`;
  const db = service("db", "[{port: 80}]", "data");

  const without = compiled(WEB, db, route("HTTPRoute", rules));
  const granted = compiled(WEB, db, grant, route("HTTPRoute", rules));

  expect(without.rules[0]?.backends[0]?.cluster).toBeNull();
  expect(without.status[0]?.conditions[1]).toMatchObject({ status: "False", reason: "RefNotPermitted" });
  expect(granted.rules[0]?.backends[0]?.cluster).toBe("data/db:80");
  expect(granted.status[0]?.conditions[1]).toMatchObject({ status: "True", reason: "ResolvedRefs" });
});

test("a route in another namespace than its Service is for its own callers, and others keep what they have", () => {
  const { rules, status } = compiled(
    WEB,
    service("stub", "[{port: 80}]", "tests"),
    route("HTTPRoute", "- backendRefs: [{name: stub, port: 80}]", { namespace: "tests", parent: "namespace: default" }),
  );

  expect(rules).toMatchObject([
    { id: "HTTPRoute/tests/r/0", consumers: "tests", backends: [{ cluster: "tests/stub:80" }] },
    { id: "Service/default/web", backends: [{ cluster: "default/web:80" }] },
  ]);
  expect(rules[1]).not.toHaveProperty("consumers");
  expect(status[0]).toMatchObject({
    parentRef: { group: "", kind: "Service", namespace: "default", name: "web" },
    conditions: [{ type: "Accepted", status: "True" }, { type: "ResolvedRefs" }],
  });
});

test("a caller's route leads back to the Service it shapes without a ReferenceGrant", () => {
  const back = "- backendRefs: [{name: web, namespace: default, port: 80}]";
  const other = "- backendRefs: [{name: other, namespace: default, port: 80}]";
  const options = { namespace: "tests", parent: "namespace: default" };

  const own = compiled(WEB, route("HTTPRoute", back, options));
  const gateway = `${options.parent}}, {kind: Gateway, name: edge`;
  const exposed = compiled(WEB, route("HTTPRoute", back, { ...options, parent: gateway }));
  const beside = compiled(WEB, service("other", "[{port: 80}]"), route("HTTPRoute", other, options));

  expect(own.rules[0]?.backends[0]?.cluster).toBe("default/web:80");
  expect(exposed.rules[0]?.backends[0]?.cluster).toBeNull();
  expect(beside.status[0]?.conditions[1]).toMatchObject({ status: "False", reason: "RefNotPermitted" });
});

test("sectionName and port choose the port of the parent", () => {
  const two = service("web", "[{name: http-a, port: 80}, {name: http-b, port: 8080}]");
  const shaped = (parent: string) =>
    compiled(two, route("HTTPRoute", "- backendRefs: [{name: web, port: 80}]", { parent }))
      .service.ports.filter(({ rules }) => rules[0]?.id.startsWith("HTTPRoute"))
      .map(({ port }) => port);

  expect(shaped("")).toEqual([80, 8080]);
  expect(shaped("sectionName: http-b")).toEqual([8080]);
  expect(shaped("sectionName: http-b, port: 80")).toEqual([]);
});

test("connections to a port that is not HTTP go to the Service itself, or where its routes say", () => {
  const database = service("web", "[{name: tcp-sql, port: 5432}]");
  const tls = route("TLSRoute", "- backendRefs: [{name: web, port: 5432}]", { more: "hostnames: [a.example]" });
  const tcp = route("TCPRoute", "- backendRefs: [{name: web, port: 5432, weight: 3}, {name: gone, port: 1}]");

  expect(compiled(database).service.ports[0]?.connections).toEqual([
    { id: "Service/default/web", order: 0, backends: [{ cluster: "default/web:5432", name: "web", weight: 1 }] },
  ]);
  expect(compiled(database, tls, tcp).service.ports[0]?.connections).toEqual([
    {
      id: "TLSRoute/default/r/0",
      order: 0,
      serverNames: ["a.example"],
      backends: [{ cluster: "default/web:5432", name: "web", weight: 1 }],
    },
    {
      id: "TCPRoute/default/r/0",
      order: 1,
      backends: [
        { cluster: "default/web:5432", name: "web", weight: 3 },
        { cluster: null, name: "gone", weight: 1 },
      ],
    },
  ]);
});

test("a port for datagrams has a cluster of its own, whose endpoints are the apps themselves", () => {
  const dns = service(
    "web",
    "[{name: dns, port: 53, protocol: UDP}, {name: tcp-dns, port: 53}]",
    "default",
    "{app: dns}",
  );
  const { service: model, cluster } = compiled(
    dns,
    `{apiVersion: mesh.dev/v1, kind: Workload, metadata: {name: dns}, spec: {address: 10.0.0.1, labels: {app: dns},
      identity: "spiffe://cluster.local/ns/default/sa/dns",
      ports: [{port: 53, protocol: udp}, {name: tcp-dns, port: 53, inboundPort: 15006}]}}`,
    route("UDPRoute", "- backendRefs: [{name: web, port: 53}]"),
  );

  expect(model.ports.map(({ port, protocol }) => `${port} ${protocol}`)).toEqual(["53 tcp", "53 udp"]);
  expect(model.ports[1]).toMatchObject({
    rules: [],
    connections: [{ id: "UDPRoute/default/r/0", backends: [{ cluster: "default/web:53-udp" }] }],
  });
  expect(cluster("default/web:53-udp").endpoints).toMatchObject([{ address: "10.0.0.1", port: 53 }]);
  expect(cluster("default/web:53-udp").endpoints[0]).not.toHaveProperty("identity");
  expect(cluster("default/web:53").endpoints).toMatchObject([{ port: 15006, identity: expect.any(String) }]);
});

test("a route for another transport than that of its backend is told so", () => {
  const { status } = compiled(
    service("web", "[{name: dns, port: 53, protocol: UDP}, {name: http, port: 80}]"),
    route("HTTPRoute", "- backendRefs: [{name: web, port: 53}]"),
  );

  expect(status[0]?.conditions[1]).toMatchObject({ status: "False", reason: "UnsupportedProtocol" });
});

test("a Gateway as parent shapes no Service, and one that is not there gives the route no status", () => {
  const { rules, status, problems } = compiled(
    WEB,
    `apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: r}
spec: {parentRefs: [{name: web}], hostnames: [a.example], rules: [{backendRefs: [{name: web, port: 80}]}]}`,
  );

  expect(rules.map(({ id }) => id)).toEqual(["Service/default/web"]);
  expect(status).toEqual([]);
  expect(problems).toMatchObject([
    { severity: "warning", path: "spec.parentRefs[0]", message: expect.stringContaining("no Gateway/default/web") },
  ]);
});

function rulesOf(...texts: readonly string[]): readonly RuleModel[] {
  return compiled(...texts).rules;
}

function compiled(...texts: readonly string[]) {
  const { documents, problems } = parseText({ file: "mesh.yaml", text: texts.join("\n---\n") });
  expect(problems).toEqual([]);
  const output = compile(documents, []);
  const find = (kind: string, name: string) =>
    output.resources.find((resource) => resource.kind === kind && resource.name === name)?.model;
  const model = find("service", "default/web") as ServiceModel;
  const port = model.ports[0] as ServicePortModel;
  const status = output.statuses.flatMap((one) => (one.status as RouteStatus).parents);
  const cluster = (name: string) => find("cluster", name) as ClusterModel;
  const workload = (name: string) => find("workload", name) as WorkloadModel;
  return { service: model, rules: port.rules, status, cluster, workload, problems: output.problems };
}

function service(name: string, ports: string, namespace = "default", selector = "{}"): string {
  return `{apiVersion: v1, kind: Service, metadata: {name: ${name}, namespace: ${namespace}}, spec: {selector: ${selector}, ports: ${ports}}}`;
}

function route(kind: string, rules: string, { namespace = "default", parent = "", more = "" } = {}): string {
  const version = kind === "TCPRoute" || kind === "UDPRoute" ? "v1alpha2" : "v1";
  return `apiVersion: gateway.networking.k8s.io/${version}
kind: ${kind}
metadata: {name: r, namespace: ${namespace}}
spec:
  parentRefs: [{group: "", kind: Service, name: web${parent === "" ? "" : `, ${parent}`}}]
  ${more}
  rules:
    ${rules.replaceAll("\n", "\n    ")}`;
}
