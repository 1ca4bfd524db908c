import { expect, test } from "bun:test";
import { Aggregate } from "./aggregate.ts";
import type { RegionMessage } from "./message.ts";
import { MetricConflict, Region } from "./region.ts";

test("the aggregate sums what the regions of several workers counted", () => {
  const aggregate = new Aggregate();
  const one = regionOf(aggregate, 1).counter("mesh_things_total", "Things.", ["route"]);
  const two = regionOf(aggregate, 2).counter("mesh_things_total", "Things.", ["route"]);

  one.with("a").add();
  one.with("b").add(5);
  two.with("a").add(10);

  expect(valuesOf(aggregate, "mesh_things_total")).toEqual({ a: [11], b: [5] });
});

test("a message survives the copy that postMessage makes, and the memory stays shared", () => {
  const aggregate = new Aggregate();
  const counter = new Region((message) => aggregate.receive(1, structuredClone(message))).counter("m_total", "M.", []);

  counter.with().add(3);

  expect(valuesOf(aggregate, "m_total")).toEqual({ "": [3] });
});

test("a histogram counts a value into the first bucket that holds it, bounds included", () => {
  const aggregate = new Aggregate();
  const histogram = regionOf(aggregate, 1).histogram("m_seconds", "M.", [], [1, 2]).with();

  for (const value of [0, 1, 1.5, 2, 2.5, 100]) histogram.observe(value);
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) histogram.observe(value);

  expect(valuesOf(aggregate, "m_seconds")).toEqual({ "": [2, 2, 2, 107] });
});

test("a gauge is the sum of what the workers hold now", () => {
  const aggregate = new Aggregate();
  const one = regionOf(aggregate, 1).gauge("m_open", "M.", []).with();
  const two = regionOf(aggregate, 2).gauge("m_open", "M.", []).with();

  one.add(5);
  one.add(-2);
  two.set(7);

  expect(valuesOf(aggregate, "m_open")).toEqual({ "": [10] });
});

test("a worker that ends keeps its counts in the sums and loses its gauges", () => {
  const aggregate = new Aggregate();
  const lost = regionOf(aggregate, 1);
  const kept = regionOf(aggregate, 2);
  for (const region of [lost, kept]) {
    region.counter("m_total", "M.", []).with().add(10);
    region.gauge("m_open", "M.", []).with().set(4);
    region.histogram("m_seconds", "M.", [], [1]).with().observe(0.5);
  }

  aggregate.retire(1);
  aggregate.retire(1);

  expect(valuesOf(aggregate, "m_total")).toEqual({ "": [20] });
  expect(valuesOf(aggregate, "m_open")).toEqual({ "": [4] });
  expect(valuesOf(aggregate, "m_seconds")).toEqual({ "": [2, 0, 1] });
});

test("a region grows by chunks, and no series loses its place", () => {
  const messages: RegionMessage[] = [];
  const aggregate = new Aggregate();
  const region = new Region((message) => {
    messages.push(message);
    aggregate.receive(1, message);
  });
  const family = region.histogram("m_seconds", "M.", ["route"], [1, 2, 3]);

  const handles = Array.from({ length: 2000 }, (_, i) => family.with(String(i)));
  for (const [i, handle] of handles.entries()) handle.observe(i);

  expect(messages.filter((message) => message.type === "chunk").length).toBeGreaterThan(2);
  const values = valuesOf(aggregate, "m_seconds");
  expect(handles.every((_, i) => values[String(i)]![4] === i)).toBe(true);
});

test("beyond its bound a region counts new label sets as other, counts how many, and grows no more", () => {
  const messages: RegionMessage[] = [];
  const aggregate = new Aggregate();
  const region = new Region((message) => {
    messages.push(message);
    aggregate.receive(1, message);
  }, 3);
  const family = region.counter("m_total", "M.", ["route", "reason"]);

  for (let i = 0; i < 1000; i++) family.with(`r${i}`, "x").add();
  family.with("r0", "x").add();

  expect(valuesOf(aggregate, "m_total")).toEqual({ "r0,x": [2], "r1,x": [1], "r2,x": [1], "other,other": [997] });
  expect(valuesOf(aggregate, "mesh_telemetry_series_dropped_total")).toEqual({ "": [997] });
  expect(messages.filter((message) => message.type === "series")).toHaveLength(5);
});

test("one definition twice is one metric; another under the same name is a conflict", () => {
  const aggregate = new Aggregate();
  const region = regionOf(aggregate, 1);

  region.counter("m_total", "M.", ["route"]).with("a").add();
  region.counter("m_total", "M.", ["route"]).with("a").add();

  expect(valuesOf(aggregate, "m_total")).toEqual({ a: [2] });
  expect(() => region.counter("m_total", "M.", ["policy"])).toThrow(MetricConflict);
  expect(() => region.gauge("m_total", "M.", ["route"])).toThrow('Cannot define metric "m_total"');
  expect(() => aggregate.gauge("m_total", "M.", [], () => [])).toThrow(MetricConflict);
});

test("a gauge that is read at scrape shows the present, and one that fails takes no other with it", () => {
  const aggregate = new Aggregate();
  let revision = "1-aa";
  aggregate.gauge("mesh_config_info", "C.", ["revision"], () => [{ labels: { revision }, value: 1 }]);
  aggregate.gauge("mesh_broken", "B.", [], () => {
    throw new Error("broken");
  });

  revision = "2-bb";

  expect(valuesOf(aggregate, "mesh_config_info")).toEqual({ "2-bb": [1] });
  expect(valuesOf(aggregate, "mesh_broken")).toEqual({});
});

function regionOf(aggregate: Aggregate, worker: number): Region {
  return new Region((message) => aggregate.receive(worker, message));
}

function valuesOf(aggregate: Aggregate, name: string): Record<string, number[]> {
  const total = aggregate.totals().find((metric) => metric.definition.name === name);
  return Object.fromEntries(
    (total?.series ?? []).map(({ labels, values }) => [Object.values(labels).join(), [...values]]),
  );
}
