import { expect, test } from "bun:test";
import { Backoff } from "./backoff.ts";

test("waits double up to the limit, spread over their upper half, and start over after a reset", () => {
  const low = new Backoff({ minMs: 100, maxMs: 1000 }, () => 0);
  const high = new Backoff({ minMs: 100, maxMs: 1000 }, () => 1);

  expect([1, 2, 3, 4, 5, 6].map(() => low.next())).toEqual([50, 100, 200, 400, 500, 500]);
  expect([1, 2, 3, 4, 5, 6].map(() => high.next())).toEqual([100, 200, 400, 800, 1000, 1000]);

  low.reset();
  expect(low.next()).toBe(50);
});

test("the thousandth failure still waits the longest wait", () => {
  const backoff = new Backoff({ minMs: 100, maxMs: 1000 }, () => 1);

  let last = 0;
  for (let i = 0; i < 1000; i++) last = backoff.next();

  expect(last).toBe(1000);
});
