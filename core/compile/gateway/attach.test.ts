import { expect, test } from "bun:test";
import { API, compiled, gatewayOf, listener, route, service, told } from "../../../test/harness/gateway-manifests.ts";

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

test("requests and calls share no host of a listener: the older route stays, the other says which", () => {
  const calls = (name: string, hostnames: string, time: string) =>
    `{apiVersion: ${API}, kind: GRPCRoute, metadata: {name: ${name}, creationTimestamp: "${time}"}, spec: {parentRefs: [{name: edge}], hostnames: ${hostnames}, rules: [{}]}}`;
  const { status } = compiled(
    gatewayOf("edge", [listener("http", "HTTP", 80)]),
    route("web", {
      parentRefs: "[{name: edge}]",
      hostnames: '["*.example"]',
      metadata: 'creationTimestamp: "2026-02-01T00:00:00Z"',
    }),
    calls("newer", "[a.example]", "2026-03-01T00:00:00Z"),
    calls("elsewhere", "[a.test]", "2026-03-01T00:00:00Z"),
  );
  const [refused] = status.route("newer", "GRPCRoute").parents[0]!.conditions;

  expect(told([refused!])).toEqual(["Accepted False Conflicted"]);
  expect(refused!.message).toBe("HTTPRoute default/web has these hosts there, and is older");
  expect(told(status.route("elsewhere", "GRPCRoute").parents[0]!.conditions)[0]).toBe("Accepted True Accepted");
  expect(told(status.route("web").parents[0]!.conditions)[0]).toBe("Accepted True Accepted");
  expect(status.gateway("edge").listeners[0]?.attachedRoutes).toBe(2);
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

test("a thousand routes on a Gateway take a moment to compile", () => {
  const routes = Array.from({ length: 1000 }, (_, i) =>
    route(`r${i}`, { parentRefs: "[{name: edge}]", hostnames: `[h${i}.example]` }),
  );
  const { gateway, status } = compiled(gatewayOf("edge", [listener("http", "HTTP", 80)]), service("web"), ...routes);

  expect(gateway("default/edge").ports[0]?.listeners[0]?.hosts).toHaveLength(1000);
  expect(status.gateway("edge").listeners[0]?.attachedRoutes).toBe(1000);
});
