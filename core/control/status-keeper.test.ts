import { expect, test } from "bun:test";
import { memoryRecords } from "../../test/harness/records.ts";
import { silentLog } from "../base/mod.ts";
import type { Condition, DocumentStatus } from "../compile/mod.ts";
import { StatusKeeper, type StatusRecord } from "./status-keeper.ts";

test("a condition has the time at which its status turned, whatever else of it changes", () => {
  const { keeper, time, timesOf } = keeperOf();
  keeper.take([routeStatus({ a: "True", b: "True" })]);
  time.now = 60_000;
  keeper.take([routeStatus({ a: "True", b: "False" }, "another reason")]);

  expect(timesOf("a")).toEqual(["1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z"]);
  expect(timesOf("b")).toEqual(["1970-01-01T00:01:00Z", "1970-01-01T00:01:00Z"]);
});

test("parents are known by what they refer to, not by their place", () => {
  const { keeper, time, timesOf } = keeperOf();
  keeper.take([routeStatus({ b: "True" })]);
  time.now = 60_000;
  keeper.take([routeStatus({ a: "True", b: "True" })]);

  expect([timesOf("a")[0], timesOf("b")[0]]).toEqual(["1970-01-01T00:01:00Z", "1970-01-01T00:00:00Z"]);
});

test("only what has changed is written, and what is gone is forgotten", async () => {
  const { keeper, records } = keeperOf();
  keeper.take([routeStatus({ a: "True" })]);
  keeper.take([routeStatus({ a: "True" })]);
  await keeper.settled();
  expect(records.puts).toEqual(["HTTPRoute/default/r"]);

  keeper.take([]);
  await keeper.settled();
  expect(keeper.of("HTTPRoute/default/r")).toBeNull();
  expect(records.kept.size).toBe(0);
});

test("times outlive a restart", async () => {
  const first = keeperOf();
  first.keeper.take([routeStatus({ a: "True" })]);
  await first.keeper.settled();
  const second = keeperOf(first.records);
  second.time.now = 60_000;
  await second.keeper.load();
  second.keeper.take([routeStatus({ a: "True" })]);
  await second.keeper.settled();

  expect(second.timesOf("a")[0]).toBe("1970-01-01T00:00:00Z");
  expect(second.records.puts).toHaveLength(1);
});

function keeperOf(records = memoryRecords<StatusRecord>()) {
  const time = { now: 0 };
  const keeper = new StatusKeeper({ records, now: () => time.now, log: silentLog });
  const timesOf = (parent: string) => {
    const { parents } = keeper.of("HTTPRoute/default/r") as unknown as { readonly parents: readonly Timed[] };
    const found = parents.find(({ parentRef }) => parentRef.name === parent);
    return found!.conditions.map(({ lastTransitionTime }) => lastTransitionTime);
  };
  return { keeper, time, records, timesOf };
}

interface Timed {
  readonly parentRef: { readonly name: string };
  readonly conditions: readonly { readonly lastTransitionTime: string }[];
}

function routeStatus(parents: Readonly<Record<string, Condition["status"]>>, reason = "Because"): DocumentStatus {
  const entries = Object.entries(parents).map(([name, status]) => ({
    parentRef: { group: "gateway.networking.k8s.io", kind: "Gateway", name },
    controllerName: "mesh.dev/gateway-controller",
    conditions: ["Accepted", "ResolvedRefs"].map((type) => {
      return { type, status, reason, message: "", observedGeneration: 1 };
    }),
  }));
  return { kind: "HTTPRoute", namespace: "default", name: "r", status: { parents: entries } };
}
