import { expect, test } from "bun:test";
import { nearest } from "./nearest.ts";

test("the nearest word is the one a typing mistake away", () => {
  const known = ["name", "namespace", "labels", "annotations"];

  expect(nearest("nmae", known)).toBe("name");
  expect(nearest("Labels", known)).toBe("labels");
  expect(nearest("annotation", known)).toBe("annotations");
  expect(nearest("nmespace", known)).toBe("namespace");
});

test("a word unlike all known ones has no nearest", () => {
  expect(nearest("zzz", ["name", "port"])).toBeNull();
  expect(nearest("x".repeat(10_000), ["x".repeat(9_999)])).toBeNull();
  expect(nearest("a", [])).toBeNull();
});
