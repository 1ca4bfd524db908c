import { expect, test } from "bun:test";
import {
  API,
  classOf,
  compiled,
  gatewayOf,
  listener,
  route,
  service,
  told,
} from "../../../test/harness/gateway-manifests.ts";
import { parseCidr } from "../../config/mod.ts";

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
