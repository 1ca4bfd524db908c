import { expect, test } from "bun:test";
import type { Resource, ServicePortModel } from "../snapshot/mod.ts";
import { needOf } from "./need.ts";
import { publish } from "./published.ts";

test("a service brings its clusters, its rules' plugins, and the clusters those may choose", () => {
  const need = needOf(
    published([
      service("shop/cart", { rules: [rule("shop/cart:80", ["shop/canary"])] }),
      service("shop/other", { rules: [rule("shop/other:80", [])] }),
      cluster("shop/cart:80"),
      cluster("shop/v2:80"),
      cluster("shop/other:80"),
      plugin("shop/canary", { v2: "shop/v2:80" }),
    ]),
    { workload: null, namespace: "shop", hosts: ["cart.shop"] },
  );

  expect([...need.resources.keys()].sort()).toEqual([
    "cluster/shop/cart:80",
    "cluster/shop/v2:80",
    "plugin/shop/canary",
    "service/shop/cart",
  ]);
  expect(need.hosts).toEqual(new Map([["cart.shop", "shop/cart"]]));
});

test("guards go to the proxies that run them, and to no others", () => {
  const guarded = (guardedByCaller: boolean) =>
    published([
      service("shop/cart", { guards: ["shop/key"], guardedByCaller }),
      plugin("shop/key", {}),
      workload("shop/cart"),
    ]);
  const caller = { workload: null, namespace: "shop", hosts: ["cart.shop"] };

  expect([...needOf(guarded(true), caller).resources.keys()]).toContain("plugin/shop/key");
  expect([...needOf(guarded(false), caller).resources.keys()]).not.toContain("plugin/shop/key");
  const own = { workload: "shop/cart", namespace: "shop", hosts: [] };
  expect([...needOf(guarded(false), own).resources.keys()].sort()).toEqual(["plugin/shop/key", "workload/shop/cart"]);
});

test("an unknown host is answered: there is none", () => {
  const need = needOf(published([]), { workload: null, namespace: "shop", hosts: ["nowhere"] });

  expect(need.hosts).toEqual(new Map([["nowhere", null]]));
});

test("two namespaces see the same bare name as their own service, each in its own version", () => {
  const both = published([service("shop/cart", {}), service("default/cart", { hosts: ["cart", "cart.default"] })]);
  const seen = (namespace: string, hosts: readonly string[]) =>
    [...needOf(both, { workload: null, namespace, hosts }).resources.values()].map(({ name, version, model }) => {
      return [name, version, "hosts" in model ? model.hosts : []];
    });

  expect(seen("shop", ["cart"])).toEqual([["shop/cart", "1@shop", ["cart", "cart.shop"]]]);
  expect(seen("default", ["cart"])).toEqual([["default/cart", "1", ["cart", "cart.default"]]]);
  expect(seen("shop", ["cart.default"])).toEqual([["default/cart", "1@shop", ["cart.default"]]]);
  expect(seen("third", ["cart.shop"])).toEqual([["shop/cart", "1", ["cart.shop"]]]);
});

test("mirrors and rules for connections bring their clusters too", () => {
  const mirrors = [{ cluster: "shop/copy:80", name: "copy", fraction: 1 }];
  const backends = [{ cluster: "shop/db:5432", name: "db", weight: 1 }];
  const need = needOf(
    published([
      service("shop/cart", {
        rules: [{ ...rule("shop/cart:80", []), mirrors }],
        connections: [{ id: "c", order: 0, backends }],
      }),
      cluster("shop/cart:80"),
      cluster("shop/copy:80"),
      cluster("shop/db:5432"),
    ]),
    { workload: null, namespace: "shop", hosts: ["cart.shop"] },
  );

  expect([...need.resources.keys()].filter((key) => key.startsWith("cluster/")).sort()).toEqual([
    "cluster/shop/cart:80",
    "cluster/shop/copy:80",
    "cluster/shop/db:5432",
  ]);
});

test("rules that a namespace wrote for its own callers replace all others there, and reach nobody else", () => {
  const all = published([
    service("shop/cart", {
      hosts: ["cart.shop"],
      rules: [rule("shop/cart:80", []), { ...rule("shop/v2:80", []), consumers: "tests" }],
    }),
    cluster("shop/cart:80"),
    cluster("shop/v2:80"),
  ]);
  const seen = (namespace: string) =>
    [...needOf(all, { workload: null, namespace, hosts: ["cart.shop"] }).resources.keys()].filter((key) =>
      key.startsWith("cluster/"),
    );

  expect(seen("tests")).toEqual(["cluster/shop/v2:80"]);
  expect(seen("third")).toEqual(["cluster/shop/cart:80"]);
});

test("a gateway and what it leads to go only to proxies that serve it", () => {
  const both = published([
    gateway("shop/edge", ["shop/cart:80"], "shop/db:5432"),
    gateway("shop/other", ["shop/other:80"], "shop/other:1"),
    ...["shop/cart:80", "shop/copy:80", "shop/db:5432", "shop/other:80", "shop/other:1"].map(cluster),
    plugin("shop/key", {}),
  ]);
  const keys = (gateways?: readonly string[]) => [
    ...needOf(both, { workload: null, namespace: "shop", hosts: [], ...(gateways && { gateways }) }).resources.keys(),
  ];

  expect(keys(["shop/edge"]).sort()).toEqual([
    "cluster/shop/cart:80",
    "cluster/shop/copy:80",
    "cluster/shop/db:5432",
    "gateway/shop/edge",
    "plugin/shop/key",
  ]);
  expect(keys(["*"]).filter((key) => key.startsWith("gateway/"))).toEqual(["gateway/shop/edge", "gateway/shop/other"]);
  expect(keys(["shop/none"])).toEqual([]);
  expect(keys()).toEqual([]);
});

function gateway(name: string, clusters: readonly string[], connection: string): Resource {
  const mirrors = [{ cluster: "shop/copy:80", name: "copy", fraction: 1 }];
  const rules = clusters.map((one) => ({ ...rule(one, ["shop/key"]), mirrors }));
  const backends = [{ cluster: connection, name: "db", weight: 1 }];
  const ports = [
    {
      port: 80,
      transport: "http" as const,
      listeners: [{ name: `${name}/http`, hostname: "", hosts: [{ hostname: "", rules }] }],
    },
    {
      port: 5432,
      transport: "tcp" as const,
      listeners: [{ name: `${name}/tcp`, hostname: "", connections: [{ id: "c", order: 0, backends }] }],
    },
  ];
  return { kind: "gateway", name, version: "1", model: { name, addresses: [], ports } };
}

function published(resources: readonly Resource[]) {
  return publish("1-00000000", resources, 0);
}

function service(name: string, more: Partial<ServicePortModel> & { hosts?: readonly string[] }): Resource {
  const [namespace, short] = name.split("/");
  const { hosts = [`${short}.${namespace}`], ...port } = more;
  const ports = [{ port: 80, protocol: "http" as const, rules: [], guards: [], guardedByCaller: false, ...port }];
  return { kind: "service", name, version: "1", model: { name, hosts, ports } };
}

function rule(clusterName: string, policies: readonly string[]) {
  const matches = [{ path: { type: "PathPrefix" as const, value: "/" } }];
  return { id: "r", matches, order: 0, backends: [{ cluster: clusterName, name: "b", weight: 1 }], policies };
}

function cluster(name: string): Resource {
  const labels = { namespace: "shop", name, host: name };
  const model = { name, service: labels, balancer: "RoundRobin" as const, endpoints: [], confirmedAt: 0 };
  return { kind: "cluster", name, version: "1", model };
}

function plugin(id: string, destinations: Readonly<Record<string, string>>): Resource {
  const limits = { fuel: 1, memoryPages: 1 };
  const model = {
    id,
    sha256: "0".repeat(64),
    config: {},
    destinations,
    failureMode: "closed" as const,
    order: 1,
    limits,
  };
  return { kind: "plugin", name: id, version: "1", model };
}

function workload(name: string): Resource {
  const [namespace = "", short = ""] = name.split("/");
  const labels = { name: short, namespace, app: short, version: "1" };
  const port = { port: 80, protocol: "http" as const, service: { namespace, name: short, host: short } };
  const ports = [{ ...port, policies: ["shop/key"] }];
  const model = { name: short, namespace, identity: "spiffe://t/x", labels, mtls: "STRICT" as const, ports };
  return { kind: "workload", name, version: "1", model };
}

test("a host under a wildcard is the service of the longest one above it", () => {
  const all = publish(
    "1-00000000",
    [
      { kind: "service", name: "shop/wide", version: "1", model: outside("shop/wide", "*.example.com") },
      { kind: "service", name: "shop/near", version: "1", model: outside("shop/near", "*.a.example.com") },
    ],
    0,
  );
  const asked = ["x.example.com", "x.a.example.com", "example.com", "x.example.org"];

  const need = needOf(all, { workload: null, namespace: "shop", hosts: asked });

  expect([...need.hosts.values()]).toEqual(["shop/wide", "shop/near", null, null]);
});

function outside(name: string, host: string) {
  return { name, hosts: [host], external: "Request" as const, ports: [] };
}
