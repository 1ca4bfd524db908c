import { beforeAll, expect, test } from "bun:test";
import { keyPair } from "../../../test/harness/mod.ts";
import { parseCidr } from "../../config/mod.ts";
import { parseDocuments } from "../../schema/mod.ts";
import type { GatewayModel } from "../../snapshot/mod.ts";
import { compile } from "../mod.ts";
import type { Condition, GatewayClassStatus, GatewayStatus, ListenerSetStatus, RouteStatus } from "../status.ts";

/** A certificate with its key, and another key. */
const PAIR = { certificate: "", privateKey: "", stranger: "" };

beforeAll(async () => {
  Object.assign(PAIR, await keyPair(), { stranger: (await keyPair()).privateKey });
});

test("a Gateway serves its listeners with the rules of their routes, by port and host", () => {
  const { gateway, status } = compiled(
    gatewayOf("edge", [
      listener("http", "HTTP", 80),
      listener("shop", "HTTP", 80, { hostname: "*.shop.example" }),
      listener("admin", "HTTP", 8080),
    ]),
    service("web"),
    route("web", { parentRefs: "[{name: edge, port: 80}]", hostnames: "[a.shop.example, b.example]" }),
    route("admin", { parentRefs: "[{name: edge, sectionName: admin}]" }),
  );

  expect(gateway("default/edge").ports).toMatchObject([
    {
      port: 80,
      transport: "http",
      listeners: [
        { name: "default/edge/http", hostname: "", hosts: [{ hostname: "a.shop.example" }, { hostname: "b.example" }] },
        { name: "default/edge/shop", hostname: "*.shop.example", hosts: [{ hostname: "a.shop.example" }] },
      ],
    },
    { port: 8080, transport: "http", listeners: [{ hosts: [{ hostname: "", rules: [{ order: 0, policies: [] }] }] }] },
  ]);
  const shop = gateway("default/edge").ports[0]?.listeners[1]?.hosts?.[0]?.rules[0];
  expect(shop).toMatchObject({ id: "HTTPRoute/default/web/0", backends: [{ cluster: "default/web:80" }] });
  expect(status.gateway("edge").listeners.map(({ name, attachedRoutes }) => [name, attachedRoutes])).toEqual([
    ["http", 1],
    ["shop", 1],
    ["admin", 1],
  ]);
});

test("the status of a Gateway that is sound says so, in its generation", () => {
  const { status } = compiled(
    gatewayOf("edge", [listener("http", "http", 80), listener("tls", "TLS", 443, { tls: "{mode: Passthrough}" })], {
      metadata: "generation: 7",
    }),
  );
  const { conditions, listeners, addresses, attachedListenerSets } = status.gateway("edge");

  expect(conditions).toEqual([
    { type: "Accepted", status: "True", reason: "Accepted", message: "", observedGeneration: 7 },
    { type: "Programmed", status: "True", reason: "Programmed", message: "", observedGeneration: 7 },
    { type: "ResolvedRefs", status: "True", reason: "ResolvedRefs", message: "", observedGeneration: 7 },
  ]);
  expect(told(listeners[0]!.conditions)).toEqual([
    "Accepted True Accepted",
    "Programmed True Programmed",
    "Conflicted False NoConflicts",
    "ResolvedRefs True ResolvedRefs",
  ]);
  expect(listeners.map(({ supportedKinds }) => supportedKinds.map(({ kind }) => kind))).toEqual([
    ["HTTPRoute", "GRPCRoute"],
    ["TLSRoute"],
  ]);
  expect([addresses, attachedListenerSets]).toEqual([[], 0]);
});

test("of a Gateway with a listener that cannot be served the rest serves", () => {
  const { gateway, status, problems } = compiled(
    gatewayOf("edge", [listener("http", "HTTP", 80), listener("odd", "example.com/odd", 81)]),
    gatewayOf("odd", [listener("odd", "SCTP", 81)]),
  );

  expect(gateway("default/edge").ports.map(({ port }) => port)).toEqual([80]);
  expect(told(status.gateway("edge").conditions).slice(0, 2)).toEqual([
    "Accepted True ListenersNotValid",
    "Programmed True Programmed",
  ]);
  expect(told(status.listener("edge", "odd").conditions).slice(0, 2)).toEqual([
    "Accepted False UnsupportedProtocol",
    "Programmed False Invalid",
  ]);
  expect(status.listener("edge", "odd").supportedKinds).toEqual([]);
  expect(gateway("default/odd").ports).toEqual([]);
  expect(told(status.gateway("odd").conditions).slice(0, 2)).toEqual([
    "Accepted False ListenersNotValid",
    "Programmed False Invalid",
  ]);
  expect(problems.map(({ path }) => path)).toEqual(["spec.listeners[1]", "spec.listeners[0]"]);
});

test("listeners in conflict serve nothing and say why", () => {
  const { gateway, status } = compiled(
    gatewayOf("edge", [listener("http", "HTTP", 80), listener("tcp", "TCP", 80), listener("fine", "HTTP", 81)]),
  );

  expect(gateway("default/edge").ports.map(({ port }) => port)).toEqual([81]);
  for (const name of ["http", "tcp"])
    expect(told(status.listener("edge", name).conditions)).toEqual([
      "Accepted False ProtocolConflict",
      "Programmed False ProtocolConflict",
      "Conflicted True ProtocolConflict",
      "ResolvedRefs True ResolvedRefs",
    ]);
});

test("a listener terminates TLS with the certificates of its Secrets", () => {
  const { gateway, status } = compiled(
    gatewayOf("edge", [
      https("https", 443, "[{name: pair}]"),
      listener("pass", "TLS", 443, { hostname: "b.example", tls: "{mode: Passthrough}" }),
    ]),
    secret("pair", PAIR.certificate, PAIR.privateKey),
  );
  const { certificate, privateKey } = PAIR;

  expect(gateway("default/edge").ports).toMatchObject([
    {
      port: 443,
      transport: "tls",
      listeners: [
        { hostname: "", tls: { mode: "Terminate", certificates: [{ certificate, privateKey }] }, hosts: [] },
        { hostname: "b.example", tls: { mode: "Passthrough", certificates: [] }, connections: [] },
      ],
    },
  ]);
  expect(told(status.listener("edge", "https").conditions)).toContain("OverlappingTLSConfig True OverlappingHostnames");
});

test("what is wrong with a certificate keeps its listener from serving, and others not", () => {
  const table: readonly (readonly [string, string, string])[] = [
    ["[{name: none}]", "InvalidCertificateRef", "There is no Secret default/none"],
    ["[{name: pair, kind: ConfigMap}]", "InvalidCertificateRef", "is not a Secret"],
    ["[{name: odd}]", "InvalidCertificateRef", "its tls.key is not the key of its tls.crt"],
    ["[{name: pair, namespace: other}]", "RefNotPermitted", "No ReferenceGrant in other"],
  ];

  for (const [refs, reason, message] of table) {
    const { gateway, status } = compiled(
      gatewayOf("edge", [https("https", 443, refs), listener("http", "HTTP", 80)]),
      secret("pair", PAIR.certificate, PAIR.privateKey),
      secret("pair", PAIR.certificate, PAIR.privateKey, "other"),
      secret("odd", PAIR.certificate, PAIR.stranger),
    );
    const { conditions } = status.listener("edge", "https");

    expect(told(conditions)).toEqual([
      "Accepted True Accepted",
      "Programmed False Invalid",
      "Conflicted False NoConflicts",
      `ResolvedRefs False ${reason}`,
    ]);
    expect(conditions[3]?.message).toContain(message);
    expect(told(status.gateway("edge").conditions)).toEqual([
      "Accepted True Accepted",
      "Programmed True Programmed",
      "ResolvedRefs False ListenersNotResolved",
    ]);
    expect(gateway("default/edge").ports.map(({ port }) => port)).toEqual([80]);
    expect(JSON.stringify(gateway("default/edge"))).not.toContain("PRIVATE");
  }
});

test("with one of several certificates a listener serves, and says that another cannot be had", () => {
  const { gateway, status } = compiled(
    gatewayOf("edge", [https("https", 443, "[{name: none}, {name: pair}]")]),
    secret("pair", PAIR.certificate, PAIR.privateKey),
  );

  expect(gateway("default/edge").ports[0]?.listeners[0]?.tls?.certificates).toHaveLength(1);
  expect(told(status.listener("edge", "https").conditions)).toEqual([
    "Accepted True Accepted",
    "Programmed True Programmed",
    "Conflicted False NoConflicts",
    "ResolvedRefs False InvalidCertificateRef",
  ]);
});

test("a ReferenceGrant lets a Gateway use the certificate of another namespace, a ListenerSet not along with it", () => {
  const { status } = compiled(
    gatewayOf("edge", [https("https", 443, "[{name: pair, namespace: other}]")], { allowedListeners: "All" }),
    setOf("set", [https("https", 8443, "[{name: pair, namespace: other}]")]),
    secret("pair", PAIR.certificate, PAIR.privateKey, "other"),
    grant("other", "Gateway", "Secret"),
  );

  expect(told(status.listener("edge", "https").conditions)).toContain("ResolvedRefs True ResolvedRefs");
  expect(told(status.set("set").listeners[0]!.conditions)).toContain("ResolvedRefs False RefNotPermitted");
  // Its only listener has nothing to serve with.
  expect(told(status.set("set").conditions)).toEqual([
    "Accepted False ListenersNotValid",
    "Programmed False ListenersNotValid",
  ]);
});

test("clients of HTTPS are checked as the Gateway says, by port", () => {
  const frontend = `{default: {validation: {caCertificateRefs: [{group: "", kind: ConfigMap, name: roots}]}},
    perPort: [{port: 8443, tls: {validation: {mode: AllowInsecureFallback, caCertificateRefs: [{group: "", kind: ConfigMap, name: roots}]}}},
      {port: 9443, tls: {}}, {port: 9444, tls: {validation: {caCertificateRefs: [{group: "", kind: Secret, name: roots}]}}}]}`;
  const { gateway, status } = compiled(
    gatewayOf(
      "edge",
      [443, 8443, 9443, 9444].map((port) => https(`https-${port}`, port, "[{name: pair}]")),
      {
        tls: `{frontend: ${frontend}}`,
      },
    ),
    secret("pair", PAIR.certificate, PAIR.privateKey),
    configMap("roots", PAIR.certificate),
  );
  const clients = gateway("default/edge").ports.map(({ port, listeners }) => [port, listeners[0]?.tls?.clients?.mode]);

  expect(clients).toEqual([
    [443, "AllowValidOnly"],
    [8443, "AllowInsecureFallback"],
    [9443, undefined],
  ]);
  expect(told(status.listener("edge", "https-9444").conditions)).toEqual([
    "Accepted False NoValidCACertificate",
    "Programmed False Invalid",
    "Conflicted False NoConflicts",
    "ResolvedRefs False InvalidCACertificateKind",
  ]);
  expect(told(status.gateway("edge").conditions)).toContain("InsecureFrontendValidationMode True ConfigurationChanged");
});

test("a Gateway proves itself to backends with the certificate it names", () => {
  const tls = (name: string) => ({ tls: `{backend: {clientCertificateRef: {name: ${name}}}}` });
  const { gateway, status } = compiled(
    gatewayOf("edge", [listener("http", "HTTP", 80)], tls("pair")),
    gatewayOf("odd", [listener("http", "HTTP", 80)], tls("none")),
    secret("pair", PAIR.certificate, PAIR.privateKey),
  );

  expect(gateway("default/edge").backendCertificate?.certificate).toBe(PAIR.certificate);
  expect(gateway("default/odd").backendCertificate).toBeUndefined();
  expect(told(status.gateway("odd").conditions)).toEqual([
    "Accepted True Accepted",
    "Programmed True Programmed",
    "ResolvedRefs False InvalidClientCertificateRef",
  ]);
});

test("a listener says which of the kinds it names it cannot take", () => {
  const kinds = (...names: readonly string[]) => ({
    allowedRoutes: `{kinds: [${names.map((kind) => `{kind: ${kind}}`).join(", ")}]}`,
  });
  const { status } = compiled(
    gatewayOf("edge", [
      listener("some", "HTTP", 80, kinds("HTTPRoute", "TCPRoute")),
      listener("none", "HTTP", 81, kinds("OddRoute")),
      listener("grpc", "HTTP", 82, kinds("GRPCRoute")),
    ]),
    service("web"),
    route("web", { parentRefs: "[{name: edge}]" }),
  );
  const seen = ["some", "none", "grpc"].map((name) => {
    const { supportedKinds, conditions, attachedRoutes } = status.listener("edge", name);
    return [supportedKinds.map(({ kind }) => kind), told(conditions)[3], attachedRoutes];
  });

  expect(seen).toEqual([
    [["HTTPRoute"], "ResolvedRefs False InvalidRouteKinds", 1],
    [[], "ResolvedRefs False InvalidRouteKinds", 0],
    [["GRPCRoute"], "ResolvedRefs True ResolvedRefs", 0],
  ]);
});

test("a route is accepted where a listener that it names takes it, and its parent says why not", () => {
  const table: readonly (readonly [
    string,
    Partial<Record<"parentRefs" | "hostnames" | "namespace", string>>,
    string,
  ])[] = [
    ["of the own namespace", { parentRefs: "[{name: edge, sectionName: same}]" }, "Accepted True Accepted"],
    ["by port", { parentRefs: "[{name: edge, port: 81}]" }, "Accepted True Accepted"],
    ["no such listener", { parentRefs: "[{name: edge, sectionName: none}]" }, "Accepted False NoMatchingParent"],
    ["no such port", { parentRefs: "[{name: edge, port: 8081}]" }, "Accepted False NoMatchingParent"],
    [
      "listener of another port",
      { parentRefs: "[{name: edge, sectionName: same, port: 81}]" },
      "Accepted False NoMatchingParent",
    ],
    ["of another kind", { parentRefs: "[{name: edge, sectionName: tcp}]" }, "Accepted False NotAllowedByListeners"],
    [
      "for other hosts",
      { parentRefs: "[{name: edge, sectionName: host}]", hostnames: "[b.example]" },
      "Accepted False NoMatchingListenerHostname",
    ],
    [
      "of a foreign namespace",
      { namespace: "other", parentRefs: "[{name: edge, namespace: default, sectionName: same}]" },
      "Accepted False NotAllowedByListeners",
    ],
    [
      "of any namespace",
      { namespace: "other", parentRefs: "[{name: edge, namespace: default, sectionName: all}]" },
      "Accepted True Accepted",
    ],
    [
      "of a selected one",
      { namespace: "chosen", parentRefs: "[{name: edge, namespace: default, sectionName: chosen}]" },
      "Accepted True Accepted",
    ],
    [
      "of none selected",
      { namespace: "other", parentRefs: "[{name: edge, namespace: default, sectionName: chosen}]" },
      "Accepted False NotAllowedByListeners",
    ],
  ];
  const from = (rule: string) => ({ allowedRoutes: `{namespaces: ${rule}}` });
  const edge = gatewayOf("edge", [
    listener("same", "HTTP", 80),
    listener("all", "HTTP", 81, from("{from: All}")),
    listener("host", "HTTP", 82, { hostname: "a.example" }),
    listener("chosen", "HTTP", 83, from("{from: Selector, selector: {matchLabels: {team: chosen}}}")),
    listener("tcp", "TCP", 84),
  ]);
  const namespace = `{apiVersion: v1, kind: Namespace, metadata: {name: chosen, labels: {team: chosen}}}`;

  for (const [name, spec, accepted] of table) {
    const { status } = compiled(edge, namespace, route("r", spec));
    expect([name, told(status.route("r").parents[0]!.conditions)[0]]).toEqual([name, accepted]);
  }
});

test("a route has an entry for every parent and section it names, as it names them", () => {
  const { status } = compiled(
    gatewayOf("edge", [listener("a", "HTTP", 80), listener("b", "HTTP", 81)]),
    service("web"),
    route("r", {
      parentRefs:
        '[{name: edge, sectionName: b}, {name: gone}, {kind: Service, group: "", name: web, port: 80}, {name: edge, sectionName: none}]',
    }),
  );
  const group = "gateway.networking.k8s.io";

  expect(status.route("r").parents.map(({ parentRef, conditions }) => [parentRef, told(conditions)[0]])).toEqual([
    [{ group, kind: "Gateway", name: "edge", sectionName: "b" }, "Accepted True Accepted"],
    [{ group: "", kind: "Service", name: "web", port: 80 }, "Accepted True Accepted"],
    [{ group, kind: "Gateway", name: "edge", sectionName: "none" }, "Accepted False NoMatchingParent"],
  ]);
});

test("a route that asks for defaults is attached to the Gateways that are one", () => {
  const listeners = [listener("http", "HTTP", 80)];
  const { status } = compiled(
    gatewayOf("all", listeners, { defaultScope: "All" }),
    gatewayOf("edge", listeners),
    gatewayOf("other", listeners),
    `{apiVersion: ${API}, kind: HTTPRoute, metadata: {name: r}, spec: {useDefaultGateways: All, parentRefs: [{name: edge}], rules: [{}]}}`,
  );

  expect(status.route("r").parents.map(({ parentRef, conditions }) => [parentRef.name, told(conditions)[0]])).toEqual([
    ["edge", "Accepted True Accepted"],
    ["all", "Accepted True Accepted"],
  ]);
  expect(status.gateway("other").listeners[0]?.attachedRoutes).toBe(0);
});

test("the older route goes first, then the one whose name does", () => {
  const at = (name: string, time: string) =>
    route(name, { parentRefs: "[{name: edge}]", metadata: time === "" ? "" : `creationTimestamp: "${time}"` });
  const { gateway } = compiled(
    gatewayOf("edge", [listener("http", "HTTP", 80)]),
    service("web"),
    ...[at("b", ""), at("a", ""), at("new", "2026-02-01T00:00:00Z"), at("old", "2026-01-01T00:00:00Z")],
  );
  const rules = gateway("default/edge").ports[0]?.listeners[0]?.hosts?.[0]?.rules ?? [];

  expect(rules.map(({ id, order }) => `${order} ${id.split("/")[2]}`)).toEqual(["0 old", "1 new", "2 a", "3 b"]);
});

test("connections go by port, and by server name where there is one", () => {
  const backends = "rules: [{backendRefs: [{name: web, port: 80}]}]";
  const gatewayApi = "gateway.networking.k8s.io";
  const { gateway } = compiled(
    gatewayOf("edge", [
      listener("tcp", "TCP", 5432),
      listener("udp", "UDP", 53),
      listener("tls", "TLS", 443, { hostname: "*.example", tls: "{mode: Passthrough}" }),
    ]),
    service("web"),
    `{apiVersion: v1, kind: Service, metadata: {name: dns}, spec: {ports: [{port: 53, protocol: UDP}]}}`,
    `{apiVersion: ${gatewayApi}/v1alpha2, kind: TCPRoute, metadata: {name: tcp}, spec: {parentRefs: [{name: edge}], ${backends}}}`,
    `{apiVersion: ${gatewayApi}/v1alpha2, kind: UDPRoute, metadata: {name: udp}, spec: {parentRefs: [{name: edge}], rules: [{backendRefs: [{name: dns, port: 53}]}]}}`,
    `{apiVersion: ${gatewayApi}/v1, kind: TLSRoute, metadata: {name: tls}, spec: {parentRefs: [{name: edge}], hostnames: [a.example, a.test], ${backends}}}`,
  );
  const connections = gateway("default/edge").ports.map(({ transport, listeners }) => [
    transport,
    listeners[0]?.connections,
  ]);

  expect(connections).toEqual([
    [
      "tcp",
      [{ id: "TCPRoute/default/tcp/0", order: 0, backends: [{ cluster: "default/web:80", name: "web", weight: 1 }] }],
    ],
    ["udp", [{ id: "UDPRoute/default/udp/0", order: 0, backends: [expect.objectContaining({ name: "dns" })] }]],
    ["tls", [expect.objectContaining({ id: "TLSRoute/default/tls/0", serverNames: ["a.example"] })]],
  ]);
});

test("a Gateway takes in the ListenerSets it allows, and says how many", () => {
  const { gateway, status } = compiled(
    gatewayOf("edge", [listener("http", "HTTP", 80)], { allowedListeners: "Same" }),
    setOf("mine", [listener("more", "HTTP", 81)]),
    setOf("theirs", [listener("more", "HTTP", 82)], "other"),
    service("web"),
    route("r", { parentRefs: "[{name: mine, kind: ListenerSet}]" }),
    route("s", { parentRefs: "[{name: edge, sectionName: more}]" }),
  );

  expect(gateway("default/edge").ports.map(({ port, listeners }) => [port, listeners[0]?.name])).toEqual([
    [80, "default/edge/http"],
    [81, "default/mine/more"],
  ]);
  expect(status.gateway("edge").attachedListenerSets).toBe(1);
  expect(told(status.set("mine").conditions)).toEqual(["Accepted True Accepted", "Programmed True Programmed"]);
  expect(status.set("mine").listeners[0]?.attachedRoutes).toBe(1);
  expect(told(status.set("theirs").conditions)).toEqual(["Accepted False NotAllowed", "Programmed False NotAllowed"]);
  expect(told(status.route("r").parents[0]!.conditions)[0]).toBe("Accepted True Accepted");
  // A Gateway's own listeners only: the set's are for those who name the set.
  expect(told(status.route("s").parents[0]!.conditions)[0]).toBe("Accepted False NoMatchingParent");
});

test("a Gateway that says nothing of ListenerSets takes in none", () => {
  const { status } = compiled(
    gatewayOf("edge", [listener("http", "HTTP", 80)]),
    setOf("set", [listener("a", "HTTP", 81)]),
  );

  expect(told(status.set("set").conditions)).toEqual(["Accepted False NotAllowed", "Programmed False NotAllowed"]);
  expect(status.gateway("edge").attachedListenerSets).toBe(0);
});

test("a ListenerSet whose Gateway is not there has no status, and a warning", () => {
  const { output, problems } = compiled(setOf("set", [listener("a", "HTTP", 81)]));

  expect(output.statuses).toEqual([]);
  expect(problems).toMatchObject([
    { severity: "warning", path: "spec.parentRef.name", message: expect.stringContaining("no Gateway default/edge") },
  ]);
});

test("in conflict the Gateway wins over its sets, and the older set over the newer", () => {
  const { gateway, status } = compiled(
    gatewayOf("edge", [listener("http", "HTTP", 80, { hostname: "a.example" })], { allowedListeners: "All" }),
    setOf("all", [listener("a", "HTTP", 80, { hostname: "a.example" })]),
    setOf(
      "newer",
      [listener("b", "HTTP", 80, { hostname: "b.example" }), listener("c", "HTTP", 80)],
      "default",
      "2026-02-01T00:00:00Z",
    ),
    setOf("older", [listener("b", "HTTP", 80, { hostname: "b.example" })], "default", "2026-01-01T00:00:00Z"),
  );

  expect(gateway("default/edge").ports[0]?.listeners.map(({ name }) => name)).toEqual([
    "default/edge/http",
    "default/older/b",
    "default/newer/c",
  ]);
  expect(told(status.gateway("edge").conditions).slice(0, 2)).toEqual([
    "Accepted True Accepted",
    "Programmed True Programmed",
  ]);
  expect(status.gateway("edge").attachedListenerSets).toBe(2);
  expect(told(status.set("all").conditions)).toEqual([
    "Accepted False ListenersNotValid",
    "Programmed False ListenersNotValid",
  ]);
  expect(told(status.set("newer").conditions)).toEqual(["Accepted True Accepted", "Programmed True Programmed"]);
  expect(told(status.set("newer").listeners[0]!.conditions)).toContain("Conflicted True HostnameConflict");
});

test("Gateways have addresses of the pool, and conditions for those that cannot be had", () => {
  const pool = parseCidr("127.0.2.0/24");
  const listeners = [listener("http", "HTTP", 80)];
  const { gateway, status } = compiled(
    gatewayOf("any", listeners),
    gatewayOf("one", listeners, { addresses: "[{value: 127.0.2.9}]" }),
    gatewayOf("outside", listeners, { addresses: "[{value: 10.0.0.1}]" }),
    gatewayOf("part", listeners, { addresses: "[{value: 127.0.2.8}, {value: 10.0.0.1}]" }),
    gatewayOf("type", listeners, { addresses: "[{type: Hostname, value: a.example}]" }),
    { gatewayAddresses: { pool } },
  );
  const seen = ["any", "one", "outside", "part", "type"].map((name) => [
    name,
    told(status.gateway(name).conditions).slice(0, 2).join(", "),
    status.gateway(name).addresses.length,
    gateway(`default/${name}`).ports.length,
  ]);

  expect(seen).toEqual([
    ["any", "Accepted True Accepted, Programmed True Programmed", 1, 1],
    ["one", "Accepted True Accepted, Programmed True Programmed", 1, 1],
    ["outside", "Accepted True Accepted, Programmed False AddressNotUsable", 0, 0],
    ["part", "Accepted True Accepted, Programmed False AddressNotUsable", 1, 1],
    ["type", "Accepted False UnsupportedAddress, Programmed False Invalid", 0, 0],
  ]);
  expect(gateway("default/one").addresses).toEqual(["127.0.2.9"]);
  expect(status.gateway("one").addresses).toEqual([{ type: "IPAddress", value: "127.0.2.9" }]);
});

test("without a pool a Gateway has the addresses its proxies tell of", () => {
  const listeners = [listener("http", "HTTP", 80), listener("more", "HTTP", 81)];
  const reports = (...problems: readonly number[]) => [
    { addresses: ["10.0.0.2", "0.0.0.0"], problems: [] },
    { addresses: ["10.0.0.1"], problems: problems.map((port) => ({ port, problem: "permission denied" })) },
  ];
  const seen = (...problems: readonly number[]) => {
    const { status } = compiled(gatewayOf("edge", listeners), { gatewayReports: () => reports(...problems) });
    const { addresses, conditions, listeners: own } = status.gateway("edge");
    return [
      addresses.map(({ value }) => value).join(),
      told(conditions)[1],
      ...own.map((one) => told(one.conditions)[1]),
    ];
  };

  expect(seen()).toEqual([
    "10.0.0.1,10.0.0.2",
    "Programmed True Programmed",
    "Programmed True Programmed",
    "Programmed True Programmed",
  ]);
  expect(seen(81).slice(1)).toEqual([
    "Programmed True Programmed",
    "Programmed True Programmed",
    "Programmed False PortUnavailable",
  ]);
  expect(seen(80, 81)[1]).toBe("Programmed False AddressNotUsable");
});

test("parameters that nobody knows keep a Gateway from being accepted", () => {
  const { gateway, status } = compiled(
    gatewayOf("edge", [listener("http", "HTTP", 80)], {
      infrastructure: "{parametersRef: {group: example.com, kind: Odd, name: none}}",
    }),
  );

  expect(told(status.gateway("edge").conditions)[0]).toBe("Accepted False InvalidParameters");
  expect(gateway("default/edge").ports).toEqual([]);
});

test("a class with parameters is not accepted, and its Gateways wait", () => {
  const parameters = "parametersRef: {group: example.com, kind: Odd, name: none}";
  const { output, status } = compiled(
    `{apiVersion: ${API}, kind: GatewayClass, metadata: {name: odd}, spec: {controllerName: mesh.dev/gateway-controller, ${parameters}}}`,
    gatewayOf("edge", [listener("http", "HTTP", 80)], { class: "odd" }),
  );

  expect(told(status.class("odd").conditions)[0]).toBe("Accepted False InvalidParameters");
  expect(output.statuses.map(({ kind }) => kind)).toEqual(["GatewayClass"]);
});

test("Gateways of classes of other controllers are left alone", () => {
  const { output, status } = compiled(
    classOf("ours", "mesh.dev/gateway-controller"),
    classOf("theirs", "example.com/other"),
    gatewayOf("mine", [listener("http", "HTTP", 80)], { class: "ours" }),
    gatewayOf("other", [listener("http", "HTTP", 80)], { class: "theirs" }),
    gatewayOf("unknown", [listener("http", "HTTP", 80)], { class: "nobody" }),
  );

  expect(output.statuses.map(({ kind, name }) => `${kind} ${name}`)).toEqual(["Gateway mine", "GatewayClass ours"]);
  expect(output.resources.flatMap(({ kind, name }) => (kind === "gateway" ? [name] : []))).toEqual(["default/mine"]);
  expect(told(status.class("ours").conditions)).toEqual([
    "Accepted True Accepted",
    "SupportedVersion True SupportedVersion",
  ]);
  const features = status.class("ours").supportedFeatures.map(({ name }) => name);
  expect(features).toEqual(features.toSorted());
  expect(features).toContain("HTTPRoute");
});

test("a thousand routes on a Gateway take a moment to compile", () => {
  const routes = Array.from({ length: 1000 }, (_, i) =>
    route(`r${i}`, { parentRefs: "[{name: edge}]", hostnames: `[h${i}.example]` }),
  );
  const { gateway, status } = compiled(gatewayOf("edge", [listener("http", "HTTP", 80)]), service("web"), ...routes);

  expect(gateway("default/edge").ports[0]?.listeners[0]?.hosts).toHaveLength(1000);
  expect(status.gateway("edge").listeners[0]?.attachedRoutes).toBe(1000);
});

type Options = Parameters<typeof compile>[2];

function compiled(...parts: readonly (string | Options)[]) {
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
      route: (name: string) => statusOf<RouteStatus>("HTTPRoute", name),
    },
  };
}

function told(conditions: readonly Condition[]): readonly string[] {
  return conditions.map(({ type, status, reason }) => `${type} ${status} ${reason}`);
}

const API = "gateway.networking.k8s.io/v1";

function gatewayOf(name: string, listeners: readonly string[], more: Readonly<Record<string, string>> = {}): string {
  const { metadata = "", class: className = "mesh", allowedListeners, ...rest } = more;
  const allowed = allowedListeners === undefined ? "" : `, allowedListeners: {namespaces: {from: ${allowedListeners}}}`;
  const others = Object.entries(rest).map(([field, value]) => `, ${field}: ${value}`);
  return `{apiVersion: ${API}, kind: Gateway, metadata: {name: ${name}${metadata === "" ? "" : `, ${metadata}`}},
    spec: {gatewayClassName: ${className}, listeners: [${listeners.join(", ")}]${allowed}${others.join("")}}}`;
}

function setOf(name: string, listeners: readonly string[], namespace = "default", created = ""): string {
  const age = created === "" ? "" : `, creationTimestamp: "${created}"`;
  return `{apiVersion: ${API}, kind: ListenerSet, metadata: {name: ${name}, namespace: ${namespace}${age}},
    spec: {parentRef: {name: edge, namespace: default}, listeners: [${listeners.join(", ")}]}}`;
}

function listener(name: string, protocol: string, port: number, more: Readonly<Record<string, string>> = {}): string {
  const others = Object.entries(more).map(([field, value]) => `, ${field}: "${value}"`);
  const fields = others.map((text) => text.replace(/"([{[].*[}\]])"$/s, "$1"));
  return `{name: ${name}, protocol: ${protocol}, port: ${port}${fields.join("")}}`;
}

function https(name: string, port: number, refs: string): string {
  return listener(name, "HTTPS", port, { tls: `{certificateRefs: ${refs}}` });
}

function classOf(name: string, controller: string): string {
  return `{apiVersion: ${API}, kind: GatewayClass, metadata: {name: ${name}}, spec: {controllerName: ${controller}}}`;
}

function service(name: string): string {
  return `{apiVersion: v1, kind: Service, metadata: {name: ${name}}, spec: {ports: [{port: 80}]}}`;
}

function route(name: string, spec: Readonly<Record<string, string>>): string {
  const { parentRefs = "[]", hostnames = "[]", namespace = "default", metadata = "" } = spec;
  return `{apiVersion: ${API}, kind: HTTPRoute, metadata: {name: ${name}, namespace: ${namespace}${metadata === "" ? "" : `, ${metadata}`}},
    spec: {parentRefs: ${parentRefs}, hostnames: ${hostnames}, rules: [{backendRefs: [{name: web, port: 80}]}]}}`;
}

function secret(name: string, certificate: string, privateKey: string, namespace = "default"): string {
  const data = { "tls.crt": certificate, "tls.key": privateKey };
  const metadata = { name, namespace };
  return JSON.stringify({ apiVersion: "v1", kind: "Secret", metadata, type: "kubernetes.io/tls", stringData: data });
}

function configMap(name: string, roots: string): string {
  return JSON.stringify({ apiVersion: "v1", kind: "ConfigMap", metadata: { name }, data: { "ca.crt": roots } });
}

function grant(namespace: string, fromKind: string, toKind: string): string {
  return `{apiVersion: ${API}, kind: ReferenceGrant, metadata: {name: grant, namespace: ${namespace}},
    spec: {from: [{group: gateway.networking.k8s.io, kind: ${fromKind}, namespace: default}], to: [{group: "", kind: ${toKind}}]}}`;
}
