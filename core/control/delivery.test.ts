import { expect, test } from "bun:test";
import type { Resource } from "../snapshot/mod.ts";
import { Delivery } from "./delivery.ts";
import type { Need } from "./need.ts";
import { keyOf } from "./published.ts";

test("the first plan brings everything, and the next only what changed", () => {
  const delivery = new Delivery({}, "");

  const first = delivery.next(need("1-00000001", [cluster("a", "1"), cluster("b", "1")], { a: "x/a" }))!;
  expect(first.resources.length).toBe(2);
  expect(first.hosts).toEqual({ a: "x/a" });
  expect(delivery.ack(first.id)).toBe(true);

  const second = delivery.next(need("2-00000002", [cluster("a", "1"), cluster("c", "1")], { a: "x/a" }))!;
  expect(second.resources.map(keyOf)).toEqual(["cluster/c"]);
  expect(second.removed).toEqual(["cluster/b"]);
  expect(second.hosts).toEqual({});
});

test("a proxy that brings what it holds is sent only the difference", () => {
  const delivery = new Delivery({ "cluster/a": "1", "cluster/gone": "7" }, "1-00000001");

  const plan = delivery.next(need("1-00000001", [cluster("a", "1"), cluster("b", "1")]))!;

  expect(plan.resources.map(keyOf)).toEqual(["cluster/b"]);
  expect(plan.removed).toEqual(["cluster/gone"]);
});

test("while a plan is under way nothing is sent, and then only the newest", () => {
  const delivery = new Delivery({}, "");
  const first = delivery.next(need("1-00000001", [cluster("a", "1")]))!;

  expect(delivery.next(need("2-00000002", [cluster("a", "2")]))).toBeNull();
  expect(delivery.next(need("3-00000003", [cluster("a", "3")]))).toBeNull();
  delivery.ack(first.id);

  expect(delivery.next(need("3-00000003", [cluster("a", "3")]))?.resources[0]?.version).toBe("3");
});

test("a new revision that changes nothing for the proxy is told without resources", () => {
  const delivery = new Delivery({}, "");
  delivery.ack(delivery.next(need("1-00000001", [cluster("a", "1")]))!.id);

  const plan = delivery.next(need("2-00000002", [cluster("a", "1")]))!;

  expect(plan.resources).toEqual([]);
  expect(delivery.ack(plan.id)).toBe(true);
  expect(delivery.acked).toBe("2-00000002");
  expect(delivery.next(need("2-00000002", [cluster("a", "1")]))).toBeNull();
});

test("a revision that changes nothing can wait for the next that does", () => {
  const delivery = new Delivery({}, "");
  delivery.ack(delivery.next(need("1-00000001", [cluster("a", "1")]))!.id);

  expect(delivery.next(need("2-00000002", [cluster("a", "1")]), true)).toBeNull();
  expect(delivery.next(need("3-00000003", [cluster("a", "2")]), true)).not.toBeNull();
});

test("refused content is reported and not sent again until it changes or is retried", () => {
  const delivery = new Delivery({}, "");
  delivery.ack(delivery.next(need("1-00000001", [cluster("a", "1")]))!.id);
  const bad = need("2-00000002", [cluster("a", "2")]);
  delivery.nack(delivery.next(bad)!.id, ["no such plugin"]);

  expect(delivery.refusal).toEqual({ revision: "2-00000002", reasons: ["no such plugin"] });
  expect(delivery.acked).toBe("1-00000001");
  expect(delivery.next(bad)).toBeNull();
  expect(delivery.next(need("3-00000003", [cluster("a", "2")]))).toBeNull();
  delivery.retry();
  expect(delivery.next(bad)).not.toBeNull();
});

test("after a refusal the difference is taken from what the proxy kept", () => {
  const delivery = new Delivery({}, "");
  delivery.ack(delivery.next(need("1-00000001", [cluster("a", "1")]))!.id);
  delivery.nack(delivery.next(need("2-00000002", [cluster("a", "2"), cluster("b", "1")]))!.id, ["bad"]);

  const plan = delivery.next(need("3-00000003", [cluster("a", "3")]))!;

  expect(plan.resources.map((r) => r.version)).toEqual(["3"]);
  expect(plan.removed).toEqual([]);
  delivery.ack(plan.id);
  expect(delivery.refusal).toBeNull();
});

test("an answer to a plan that is not under way is not taken", () => {
  const delivery = new Delivery({}, "");
  const plan = delivery.next(need("1-00000001", []))!;

  expect(delivery.ack(plan.id + 1)).toBe(false);
  expect(delivery.nack(0, [])).toBe(false);
  expect(delivery.waiting).toBe(true);
});

test("a host that comes back after it was dropped is answered again", () => {
  const delivery = new Delivery({}, "");
  delivery.ack(delivery.next(need("1-00000001", [], { a: null }))!.id);

  delivery.forget("a");

  expect(delivery.next(need("1-00000001", [], { a: null }))?.hosts).toEqual({ a: null });
});

function need(revision: string, resources: readonly Resource[], hosts: Record<string, string | null> = {}): Need {
  return { revision, resources: new Map(resources.map((r) => [keyOf(r), r])), hosts: new Map(Object.entries(hosts)) };
}

function cluster(name: string, version: string): Resource {
  const service = { namespace: "x", name, host: name };
  return {
    kind: "cluster",
    name,
    version,
    model: { name, service, balancer: "RoundRobin", endpoints: [], confirmedAt: 0 },
  };
}
