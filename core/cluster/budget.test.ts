import { expect, test } from "bun:test";
import { RetryBudget } from "./budget.ts";

test("a quiet cluster may retry ten times a second", () => {
  const budget = new RetryBudget();

  expect(withdrawn(budget, 5000, 1000)).toBe(100);
  expect(budget.withdraw(14_999)).toBe(false);
  expect(withdrawn(budget, 15_000, 1000)).toBe(100);
});

test("a busy cluster may retry a fifth of its requests more", () => {
  const budget = new RetryBudget();
  for (let i = 0; i < 1000; i++) budget.deposit(i);

  expect(withdrawn(budget, 1000, 1000)).toBe(300);
});

test("requests count for ten seconds", () => {
  const budget = new RetryBudget();
  for (let i = 0; i < 1000; i++) budget.deposit(500);

  expect(withdrawn(budget, 9999, 1000)).toBe(300);
  expect(withdrawn(budget, 10_000, 1000)).toBe(0);
  expect(withdrawn(budget, 19_000, 1000)).toBe(100);
});

test("during an outage retries stay a fifth of the load, whatever its length", () => {
  const budget = new RetryBudget();
  let retries = 0;
  for (let i = 0; i < 60_000; i++) {
    budget.deposit(i);
    if (budget.withdraw(i)) retries++;
  }

  expect(retries / 60_000).toBeLessThan(0.22);
  expect(retries / 60_000).toBeGreaterThan(0.19);
});

function withdrawn(budget: RetryBudget, now: number, tries: number): number {
  let count = 0;
  for (let i = 0; i < tries; i++) if (budget.withdraw(now)) count++;
  return count;
}
