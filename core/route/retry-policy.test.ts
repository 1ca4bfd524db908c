import { expect, test } from "bun:test";
import type { RetryModel } from "./model.ts";
import { RetryPolicy } from "./retry-policy.ts";

test("the pause doubles up to its maximum, and any part of it is taken", () => {
  const policy = policyOf({ backoff: { baseMs: 10, maxMs: 50 } });

  expect([1, 2, 3, 4, 40].map((retry) => policy.pauseMs(retry, () => 1))).toEqual([10, 20, 40, 50, 50]);
  expect(policy.pauseMs(3, () => 0.25)).toBe(10);
  expect(policyOf({}).pauseMs(9, () => 1)).toBe(250);
});

test("without conditions all of them are reasons, with some only those", () => {
  expect(policyOf({}).takes("timeout")).toBe(true);
  expect(policyOf({ on: ["reset"] }).takes("reset")).toBe(true);
  expect(policyOf({ on: ["reset"] }).takes("timeout")).toBe(false);
});

test("only the statuses that are named are reasons", () => {
  const policy = policyOf({ statuses: [500, 503], grpcStatuses: [14] });

  expect([500, 502, 503, 200].map((status) => policy.takesStatus(status))).toEqual([true, false, true, false]);
  expect([14, 13, -1].map((status) => policy.takesGrpcStatus(status))).toEqual([true, false, false]);
});

function policyOf(model: Partial<RetryModel>): RetryPolicy {
  return new RetryPolicy({ attempts: 2, ...model });
}
