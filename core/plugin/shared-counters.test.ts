import { expect, test } from "bun:test";
import { SharedCounters } from "./shared-counters.ts";

const key = (text: string): Uint8Array => Buffer.from(text);

test("a bucket gives its limit at once, then says when to come back", () => {
  const counters = new SharedCounters(SharedCounters.allocate(64, 1000, 7));

  const left = [1, 2, 3, 4].map(() => counters.take(1, key("a"), 3, 1000, 1, 1000));

  expect(left).toEqual([2, 1, 0, -334]);
  expect(counters.take(1, key("a"), 3, 1000, 1, 1333)).toBe(0);
  expect(counters.take(1, key("a"), 3, 1000, 1, 1333)).toBe(-334);
});

test("keys, limits and owners have buckets of their own", () => {
  const counters = new SharedCounters(SharedCounters.allocate(64, 0, 7));
  counters.take(1, key("a"), 1, 1000, 1, 0);

  expect(counters.take(1, key("a"), 1, 1000, 1, 0)).toBe(-1000);
  expect(counters.take(1, key("b"), 1, 1000, 1, 0)).toBe(0);
  expect(counters.take(2, key("a"), 1, 1000, 1, 0)).toBe(0);
  expect(counters.take(1, key("a"), 2, 1000, 1, 0)).toBe(1);
});

test("a cost of 0 takes nothing, a cost above the limit never passes", () => {
  const counters = new SharedCounters(SharedCounters.allocate(64, 0, 7));

  expect(counters.take(1, key("a"), 5, 1000, 0, 0)).toBe(5);
  expect(counters.take(1, key("a"), 5, 1000, 0, 0)).toBe(5);
  expect(counters.take(1, key("a"), 5, 1000, 6, 0)).toBe(-1000);
  expect(counters.take(1, key("a"), 5, 1000, 5, 0)).toBe(0);
});

test("a clock that is set back by an hour locks nobody out", () => {
  const counters = new SharedCounters(SharedCounters.allocate(64, 0, 7));
  counters.take(1, key("a"), 1, 1000, 1, 7_200_000);

  expect(counters.take(1, key("a"), 1, 1000, 1, 3_600_000)).toBe(0);
});

test("a window of ages is one of a year, and its key is not the first to lose its slot", () => {
  const counters = new SharedCounters(SharedCounters.allocate(8, 0, 7));
  counters.take(1, key("long"), 1, 1e18, 1, 0);
  for (let i = 0; i < 100; i++) counters.take(1, key(`k${i}`), 1, 1000, 1, i * 1000);

  expect(counters.take(1, key("long"), 1, 1e18, 1, 200_000)).toBe(-(31_536_000_000 - 200_000));
});

test("nonsense is never let through", () => {
  const counters = new SharedCounters(SharedCounters.allocate(64, 0, 7));
  const nonsense = [
    [0, 1000, 1],
    [-1, 1000, 1],
    [1, 0, 1],
    [1, 1000, -1],
    [Number.NaN, 1000, 1],
    [1, Number.NaN, 1],
    [1, 1, Number.NaN],
  ];

  for (const [limit, windowMs, cost] of nonsense)
    expect(counters.take(1, key("a"), limit!, windowMs!, cost!, 0)).toBeLessThan(0);
});

test("odd limits give exactly their number, window after window", () => {
  const counters = new SharedCounters(SharedCounters.allocate(64, 0, 7));
  let allowed = 0;
  for (let i = 0; i < 6000; i++) if (counters.take(1, key("a"), 4999, 1000, 1, 5) >= 0) allowed++;

  expect(allowed).toBe(4999);
});

test("full buckets make room for new keys, used ones keep their slot", () => {
  const counters = new SharedCounters(SharedCounters.allocate(8, 0, 7));
  counters.take(1, key("busy"), 1, 3_600_000, 1, 0);

  for (let i = 0; i < 1000; i++) expect(counters.take(1, key(`k${i}`), 10, 1000, 1, i * 2000)).toBe(9);

  expect(counters.take(1, key("busy"), 1, 3_600_000, 1, 2_000_000)).toBe(-1_600_000);
});

test("sums add up, below zero too", () => {
  const counters = new SharedCounters(SharedCounters.allocate(64, 0, 7));

  expect(counters.add(1, key("s"), 5n, 0)).toBe(5n);
  expect(counters.add(1, key("s"), -7n, 0)).toBe(-2n);
  expect(counters.take(1, key("s"), 5, 1000, 1, 0)).toBe(4);
});

test("two workers take exactly the limit together, while other keys come and go", async () => {
  const memory = SharedCounters.allocate(64, 0, 7);
  const workers = [0, 1].map(() => new Worker(new URL("shared-counters.worker.ts", import.meta.url)));

  const results = await Promise.all(workers.map((worker) => run(worker, { memory, limit: 20_000, calls: 30_000 })));
  for (const worker of workers) worker.terminate();

  expect(results.reduce((sum, result) => sum + result.allowed, 0)).toBe(20_000);
  expect(new SharedCounters(memory).add(1, key("sum"), 0n, 0)).toBe(60_000n);
});

interface Result {
  readonly allowed: number;
}

function run(worker: Worker, task: object): Promise<Result> {
  return new Promise((resolve, reject) => {
    worker.onmessage = (event) => resolve(event.data as Result);
    worker.onerror = (event) => reject(new Error(event.message));
    worker.postMessage(task);
  });
}
