import { expect, test } from "bun:test";
import { Cluster, ClusterState } from "../cluster/mod.ts";
import type { BackendModel, RuleModel } from "./model.ts";
import { PathScan } from "./path.ts";
import { Rule } from "./rule.ts";

test("backends get their share by weight", () => {
  const rule = ruleOf([backend("a", 9), backend("none", 0), backend("b", 1)]);
  const counts: Record<string, number> = {};

  for (let i = 0; i < 1000; i++) {
    const { name } = rule.pickBackend(() => i / 1000)!;
    counts[name] = (counts[name] ?? 0) + 1;
  }

  expect(counts).toEqual({ a: 900, b: 100 });
});

test("without a weight no backend is picked", () => {
  expect(ruleOf([]).pickBackend(() => 0)).toBeNull();
  expect(ruleOf([backend("a", 0)]).pickBackend(() => 0)).toBeNull();
  expect(ruleOf([backend("a", 0), backend("b", 0)]).pickBackend(() => 0.99)).toBeNull();
});

test("a broken reference keeps its share and has no cluster", () => {
  const rule = ruleOf([backend("a", 1), { cluster: null, name: "gone", weight: 1 }]);

  expect(rule.pickBackend(() => 0.25)!.cluster?.name).toBe("shop/a:80");
  expect(rule.pickBackend(() => 0.75)!.cluster).toBeNull();
});

test("a policy finds a backend by the name its author wrote", () => {
  const rule = ruleOf([backend("web-v1", 1), backend("web-v2", 0)]);

  expect(rule.backendNamed("web-v2")).toBe(rule.backends[1]!);
  expect(rule.backendNamed("web-v3")).toBeNull();
});

test("a backend's edits are its rule's and then its own", () => {
  const rule = ruleOf([{ ...backend("a", 1), requestHeaders: { set: [{ name: "B", value: "2" }] } }, backend("b", 1)], {
    requestHeaders: { set: [{ name: "A", value: "1" }] },
    responseHeaders: { remove: ["Server"] },
  });

  expect(rule.backends.map(({ requestEdits }) => requestEdits?.lines.toString())).toEqual([
    "A: 1\r\nB: 2\r\n",
    "A: 1\r\n",
  ]);
  expect(rule.backends.map(({ responseEdits }) => responseEdits?.dropped)).toEqual([["server"], ["server"]]);
});

test("a rule without timeouts has the mesh's for the request and none for an attempt", () => {
  const silent = ruleOf([]);
  const own = ruleOf([], { requestTimeoutMs: 0, backendTimeoutMs: 50 });

  expect([silent.requestTimeoutMs, silent.backendTimeoutMs]).toEqual([15_000, 0]);
  expect([own.requestTimeoutMs, own.backendTimeoutMs]).toEqual([0, 50]);
});

function ruleOf(backends: readonly BackendModel[], more: Partial<RuleModel> = {}): Rule {
  const model = { id: "HTTPRoute/shop/web/0", matches: [], order: 0, backends, policies: [], ...more };
  return new Rule(model, {
    clusterNamed,
    requestTimeoutMs: 15_000,
    scan: new PathScan(1),
    trustDomain: "mesh.test",
  });
}

function backend(name: string, weight: number): BackendModel {
  return { cluster: `shop/${name}:80`, name, weight };
}

function clusterNamed(name: string): Cluster {
  const service = { namespace: "shop", name: "web", host: "web.shop" };
  const model = { name, service, balancer: "RoundRobin", endpoints: [], confirmedAt: 0 } as const;
  return new Cluster(model, new ClusterState(name, { ejected: () => {}, returned: () => {} }));
}
