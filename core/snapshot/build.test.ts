import { expect, test } from "bun:test";
import { requestHead } from "../../test/harness/head.ts";
import { latin1 } from "../base/mod.ts";
import type { ClusterModel } from "../cluster/mod.ts";
import { CONTINUE, DEFAULT_PLUGIN_LIMITS, type Plugin, type PluginModel } from "../plugin/mod.ts";
import { PathScan, type RuleModel } from "../route/mod.ts";
import { type BuildParts, buildSnapshot } from "./build.ts";
import type { MeshModel, Resource, ServiceModel, ServicePortModel, WorkloadModel } from "./model.ts";
import { SnapshotRejected } from "./rejected.ts";
import { emptySnapshot, Snapshot } from "./snapshot.ts";

const PARTS: BuildParts = partsOf([]);

test("a request finds its cluster by host, port and path", () => {
  const snapshot = build([cluster("shop/web:80"), service("shop/web", { hosts: ["web.shop", "web.shop.svc"] })]);

  const entry = lookup(snapshot, "WEB.Shop.svc.")!
    .port(80)!
    .router.match(requestHead({ target: "/x" }))!;

  expect(entry.rule.pickBackend(() => 0)!.cluster).toBe(snapshot.clusterNamed("shop/web:80"));
  expect(lookup(snapshot, "web.other")).toBeNull();
  expect(lookup(snapshot, ".")).toBeNull();
});

test("an authority without a port means port 80, else the first http port, else the first", () => {
  const usual = (...ports: readonly (readonly [number, "http" | "tcp"])[]): number | undefined => {
    const model = ports.map(([number, protocol]) => port({ port: number, protocol, rules: [] }));
    return build([service("shop/web", { ports: model })])
      .serviceNamed("shop/web")!
      .port(0)?.port;
  };

  expect(usual([8080, "http"], [80, "tcp"])).toBe(80);
  expect(usual([5432, "tcp"], [8080, "http"], [9090, "http"])).toBe(8080);
  expect(usual([5432, "tcp"], [5433, "tcp"])).toBe(5432);
  expect(usual()).toBeUndefined();
});

test("a service has no port but its own", () => {
  const found = build([service("shop/web", { ports: [port({ port: 8080, rules: [] })] })]).serviceNamed("shop/web")!;

  expect(found.port(8080)?.port).toBe(8080);
  expect(found.port(80)).toBeNull();
});

test("rules that the workload's namespace made for itself replace the others, and nobody else sees them", () => {
  const rules = [rule("shop/web:80"), rule("shop/web:80", { id: "HTTPRoute/away/mine/0", consumers: "away" })];
  const resources = [cluster("shop/web:80"), service("shop/web", { ports: [port({ rules })] })];
  const found = (snapshot: Snapshot) =>
    snapshot.serviceNamed("shop/web")!.ports[0]!.router.match(requestHead({}))!.rule.id;
  const at = (namespace: string) => [...resources, workload({ namespace })];

  const edge = build(resources);
  const away = build(at("away"), edge);

  expect(found(away)).toBe("HTTPRoute/away/mine/0");
  expect(found(edge)).toBe(rule(null).id);
  expect(found(build(at("shop"), away))).toBe(rule(null).id);
});

test("a bare name is a service of the workload's own namespace first", () => {
  const services = [
    cluster("shop/web:80"),
    service("default/web", { hosts: ["web", "web.default"] }),
    service("shop/web", { hosts: ["web.shop"] }),
  ];

  expect(lookup(build(services), "web")!.name).toBe("default/web");
  expect(lookup(build([...services, workload({ namespace: "shop" })]), "web")!.name).toBe("shop/web");
  expect(lookup(build([...services, workload({ namespace: "other" })]), "web")!.name).toBe("default/web");
});

test("what has not changed is taken over, what has is made anew", () => {
  const web = [cluster("shop/web:80"), service("shop/web")];
  const cart = [cluster("shop/cart:80"), service("shop/cart", { ports: [port({ rules: [rule("shop/cart:80")] })] })];
  const first = build([...web, ...cart, workload()]);

  const second = build([...web, { ...cart[0]!, version: "2" } as Resource, cart[1]!, workload()], first);

  expect(second.serviceNamed("shop/web")).toBe(first.serviceNamed("shop/web"));
  expect(second.clusterNamed("shop/web:80")).toBe(first.clusterNamed("shop/web:80"));
  expect(second.workload).toBe(first.workload);
  expect(second.clusterNamed("shop/cart:80")).not.toBe(first.clusterNamed("shop/cart:80"));
  const backend = second.serviceNamed("shop/cart")!.ports[0]!.entries[0]!.rule.backends[0]!;
  expect(backend.cluster).toBe(second.clusterNamed("shop/cart:80"));
});

test("a service of another version is made anew, and so are all when the mesh's timeout changes", () => {
  const resources = [cluster("shop/web:80"), service("shop/web")];
  const first = build(resources);

  const version = build([resources[0]!, { ...resources[1]!, version: "2" } as Resource], first);
  const timeout = build([...resources, mesh({ requestTimeoutMs: 1 })], first);

  expect(version.serviceNamed("shop/web")).not.toBe(first.serviceNamed("shop/web"));
  expect(first.serviceNamed("shop/web")!.ports[0]!.entries[0]!.rule.requestTimeoutMs).toBe(15_000);
  expect(timeout.serviceNamed("shop/web")!.ports[0]!.entries[0]!.rule.requestTimeoutMs).toBe(1);
});

test("endpoints live on in their cluster by address, port and identity", () => {
  const first = build([cluster("c", "1", [1, 2])]);
  const [one, two] = first.clusterNamed("c")!.endpoints;

  const second = build([cluster("c", "2", [2, 3])], first);
  const third = build([cluster("c", "3", [2], "spiffe://example.org/ns/shop/sa/web")], second);

  expect(second.clusterNamed("c")!.endpoints[0]).toBe(two!);
  expect([one!.member, two!.member]).toEqual([false, false]);
  expect(third.clusterNamed("c")!.endpoints[0]).not.toBe(two!);
  expect(third.clusterNamed("c")!.state).toBe(first.clusterNamed("c")!.state);
  expect([...third.endpoints()].map((endpoint) => endpoint.identity)).toEqual(["spiffe://example.org/ns/shop/sa/web"]);
});

test("guards run before the rule's policies where the caller runs them, and not at all elsewhere", () => {
  const ids = (guardedByCaller: boolean): readonly string[] => {
    const ports = [
      port({ guards: ["shop/g"], guardedByCaller, rules: [rule(null, { policies: ["shop/p", "shop/q"] })] }),
    ];
    const snapshot = build([service("shop/web", { ports })], null, partsOf(["shop/g", "shop/p", "shop/q"]));
    return snapshot.serviceNamed("shop/web")!.ports[0]!.entries[0]!.policies.map(({ model }) => model.id);
  };

  expect(ids(true)).toEqual(["shop/g", "shop/p", "shop/q"]);
  expect(ids(false)).toEqual(["shop/p", "shop/q"]);
});

test("a new generation of a plugin reaches the services and the workload that use it, and no other", () => {
  const resources = [
    service("shop/web", { ports: [port({ rules: [rule(null, { policies: ["shop/p"] })] })] }),
    service("shop/cart", { ports: [port({ rules: [rule(null)] })] }),
    workload({ ports: [inbound({ policies: ["shop/p"] })] }),
  ];
  const first = build(resources, null, partsOf(["shop/p"]));
  const parts = partsOf(["shop/p"]);
  const second = build(resources, first, parts);

  const plugin = parts.plugins.get("shop/p")!;
  expect(second.serviceNamed("shop/web")!.ports[0]!.entries[0]!.policies).toEqual([plugin]);
  expect(second.workload!.ports[0]!.entry.policies).toEqual([plugin]);
  expect(second.serviceNamed("shop/cart")).toBe(first.serviceNamed("shop/cart"));
});

test("an inbound port leads to the app on 127.0.0.1, in plaintext and without a timeout of its own", () => {
  const first = build([workload({ ports: [inbound({ port: 8080 })] })]);
  const found = first.workload!.port(8080)!;

  expect([found.endpoint.authority, found.endpoint.identity]).toEqual(["127.0.0.1:8080", null]);
  expect(found.entry.rule.pickBackend(() => 0)!.cluster).toBe(found.cluster);
  expect([found.entry.rule.requestTimeoutMs, found.service.host]).toEqual([0, "web.shop"]);
  expect(first.workload!.port(80)).toBeNull();
  expect([...first.endpoints()]).toEqual([found.endpoint]);

  const second = build([{ ...workload({ ports: [inbound({ port: 8080 })] }), version: "2" } as Resource], first);
  expect(second.workload).not.toBe(first.workload);
  expect(second.workload!.port(8080)!.endpoint).toBe(found.endpoint);
});

test("a broken backend is no reason to refuse: its share gets 500", () => {
  const snapshot = build([service("shop/web", { ports: [port({ rules: [rule(null)] })] })]);

  expect(snapshot.serviceNamed("shop/web")!.ports[0]!.entries[0]!.rule.pickBackend(() => 0)!.cluster).toBeNull();
});

test("all that is wrong is told at once, and nothing that serves is touched", () => {
  const before = build([cluster("c", "1", [1])]);
  const endpoint = before.clusterNamed("c")!.endpoints[0]!;
  const regex = { name: "x", type: "RegularExpression", value: "(" } as const;
  const rules = [
    rule("gone", { id: "r0", policies: ["shop/none"] }),
    rule(null, { id: "r1", requestHeaders: { remove: ["Host"] } }),
    rule(null, { id: "r2", matches: [{ path: { type: "PathPrefix", value: "/" }, headers: [regex] }] }),
  ];
  const resources = [
    cluster("c", "2", [2]),
    service("shop/web", { ports: [port({ rules })] }),
    workload({ ports: [inbound({ policies: ["shop/none"] })] }),
    plugin("shop/p", { destinations: { beta: "gone" } }),
  ];

  const error = caught(() => build(resources, before));

  expect(error.reasons).toEqual([
    'Port 80 of the workload "shop/web" refers to the plugin "shop/none", which is not there',
    'Rule "r0" of the service "shop/web" refers to the cluster "gone", which is not there',
    'Rule "r0" of the service "shop/web" refers to the plugin "shop/none", which is not there',
    'Rule "r1" of the service "shop/web": Cannot edit the header "Host": the mesh itself writes framing, connection and Host fields',
    'Rule "r2" of the service "shop/web": Cannot compile the regular expression "(": "(" without ")"',
    'Plugin "shop/p" names the destination "beta", but the cluster "gone" is not there',
  ]);
  expect(error.message).toStartWith('Cannot run the snapshot "7-0badcafe": ');
  expect(endpoint.member).toBe(true);
  expect([...endpoint.home.members.values()]).toEqual([endpoint]);
});

test("the empty snapshot knows nobody", () => {
  const snapshot = emptySnapshot();

  expect(snapshot).toBeInstanceOf(Snapshot);
  expect(lookup(snapshot, "web.shop")).toBeNull();
  expect([...snapshot.endpoints()]).toEqual([]);
  expect([snapshot.revision, snapshot.workload, snapshot.mesh.mtls]).toEqual(["0-00000000", null, "STRICT"]);
});

test("a snapshot cannot be changed", () => {
  const snapshot = build([cluster("shop/web:80"), service("shop/web"), workload()]);
  const parts = [snapshot, snapshot.workload!, snapshot.workload!.ports, snapshot.serviceNamed("shop/web")!.ports[0]!];

  expect(parts.map(Object.isFrozen)).toEqual([true, true, true, true]);
});

function build(resources: readonly Resource[], previous: Snapshot | null = null, parts = PARTS): Snapshot {
  return buildSnapshot({ revision: "7-0badcafe", resources }, previous, parts);
}

function lookup(snapshot: Snapshot, host: string): ReturnType<Snapshot["lookupHost"]> {
  return snapshot.lookupHost(latin1(`Host: ${host}:80`), 6, 6 + host.length);
}

function caught(call: () => unknown): SnapshotRejected {
  try {
    call();
  } catch (error) {
    if (error instanceof SnapshotRejected) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

function partsOf(ids: readonly string[]): BuildParts {
  const loaded = ids.map((id): readonly [string, Plugin] => [
    id,
    { model: pluginModel(id), onRequest: () => CONTINUE },
  ]);
  return { plugins: new Map(loaded), scan: new PathScan(5), events: { ejected: () => {}, returned: () => {} } };
}

function pluginModel(id: string, more: Partial<PluginModel> = {}): PluginModel {
  const config = { sha256: "00", config: {}, destinations: {}, failureMode: "open", order: 0 } as const;
  return { id, ...config, limits: DEFAULT_PLUGIN_LIMITS, ...more };
}

function plugin(id: string, more: Partial<PluginModel>): Resource {
  return { kind: "plugin", name: id, version: "1", model: pluginModel(id, more) };
}

function mesh(more: Partial<MeshModel>): Resource {
  const model = { trustDomain: "example.org", trustDomainAliases: [], mtls: "STRICT", egress: "ALLOW_ANY" } as const;
  return { kind: "mesh", name: "", version: "1", model: { ...model, requestTimeoutMs: 15_000, ...more } };
}

function cluster(name: string, version = "1", ports: readonly number[] = [1], identity?: string): Resource {
  const endpoints = ports.map((port) => ({
    address: "10.0.0.1",
    port,
    weight: 1,
    workload: { name: "web", namespace: "shop", app: "web", version: "v1" },
    ...(identity !== undefined && { identity }),
  }));
  const labels = { namespace: "shop", name: "web", host: "web.shop" };
  const model: ClusterModel = { name, service: labels, balancer: "PeakEWMA", endpoints, confirmedAt: 0 };
  return { kind: "cluster", name, version, model };
}

function service(name: string, more: Partial<ServiceModel> = {}): Resource {
  const ports = [port({ rules: [rule("shop/web:80")] })];
  return { kind: "service", name, version: "1", model: { name, hosts: [], ports, ...more } };
}

function port(more: Partial<ServicePortModel>): ServicePortModel {
  return { port: 80, protocol: "http", rules: [], guards: [], guardedByCaller: false, ...more };
}

function rule(cluster: string | null, more: Partial<RuleModel> = {}): RuleModel {
  const matches = [{ path: { type: "PathPrefix", value: "/" } }] as const;
  const backends = [{ cluster, name: "web", weight: 1 }];
  return { id: "Service/shop/web", matches, order: 0, backends, policies: [], ...more };
}

function workload(more: Partial<WorkloadModel> = {}): Resource {
  const labels = { name: "web", namespace: "shop", app: "web", version: "v1" };
  const identity = "spiffe://example.org/ns/shop/sa/web";
  const model = {
    name: "web",
    namespace: "shop",
    identity,
    labels,
    mtls: "STRICT",
    ports: [inbound({})],
    ...more,
  } as const;
  return { kind: "workload", name: `${model.namespace}/web`, version: "1", model };
}

function inbound(more: Partial<WorkloadModel["ports"][number]>): WorkloadModel["ports"][number] {
  return {
    port: 80,
    protocol: "http",
    service: { namespace: "shop", name: "web", host: "web.shop" },
    policies: [],
    ...more,
  };
}
