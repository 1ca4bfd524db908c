import { expect, test } from "bun:test";
import { foundText, hasErrors, inOrder, pathText, problemOf } from "./mod.ts";

test("a path reads as fields, indexes and quoted keys", () => {
  expect(pathText(["spec", "rules", 0, "name"])).toBe("spec.rules[0].name");
  expect(pathText(["metadata", "labels", "example.com/app"])).toBe('metadata.labels["example.com/app"]');
  expect(pathText([])).toBe("");
});

test("a found value is quoted and shortened", () => {
  expect([undefined, null, "a", 1, [], {}].map(foundText)).toEqual([
    "nothing",
    "null",
    '"a"',
    "1",
    "a list",
    "an object",
  ]);
  expect(foundText("x".repeat(1000)).length).toBeLessThan(100);
});

test("what a file holds cannot move the cursor of a terminal", () => {
  expect(problemOf("a.yaml", "kind \u001b[2J\n of\u009b x").message).toBe("kind [2J  of  x");
});

test("problems are ordered by file, line and column", () => {
  const at = (file: string, line: number, column: number) => problemOf(file, "", { line, column });

  const sorted = inOrder([at("b", 1, 1), at("a", 2, 1), at("a", 1, 9), at("a", 1, 10)]);

  expect(sorted).toEqual([at("a", 1, 9), at("a", 1, 10), at("a", 2, 1), at("b", 1, 1)]);
});

test("warnings alone are no errors", () => {
  expect(hasErrors([problemOf("", "", { severity: "warning" })])).toBe(false);
  expect(hasErrors([problemOf("", "")])).toBe(true);
});
