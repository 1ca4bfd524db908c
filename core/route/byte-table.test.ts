import { expect, test } from "bun:test";
import { latin1 } from "../base/mod.ts";
import { ByteTable } from "./byte-table.ts";

test("a byte table finds a key in the middle of a buffer", () => {
  const table = tableOf(["/a", "/b", ""]);
  const bytes = latin1("GET /b HTTP/1.1");

  expect(table.get(bytes, 4, 6)).toBe("/b");
  expect(table.get(bytes, 4, 4)).toBe("");
  expect(table.get(bytes, 4, 7)).toBeNull();
});

test("a byte table tells case apart unless it is told not to", () => {
  expect(find(tableOf(["web.shop"]), "WEB.shop")).toBeNull();
  expect(find(tableOf(["web.SHOP"], true), "Web.shop")).toBe("web.SHOP");
  expect(find(tableOf(["a[b"], true), "a{b")).toBeNull();
});

test("the first of two equal keys counts", () => {
  const table = new ByteTable(
    [
      [latin1("a"), 1],
      [latin1("a"), 2],
    ],
    { seed: 1 },
  );

  expect(table.get(latin1("a"), 0, 1)).toBe(1);
});

test("keys that share a hash are told apart by their bytes", () => {
  const table = tableOf(["one", "two"]);
  const two = latin1("two");

  expect(table.probe(table.hash(latin1("one"), 0, 3), two, 0, 3)).toBeNull();
  expect(table.probe(table.hash(latin1("one"), 0, 3), latin1("onetwo"), 0, 6)).toBeNull();
});

test("ten thousand keys are found under every seed, and nothing else is", () => {
  const keys = Array.from({ length: 10_000 }, (_, i) => `/service/${i}/${(i * 7919) % 10_007}`);
  for (const seed of [0, 1, -1, 0x811c9dc5]) {
    const table = tableOf(keys, false, seed);

    expect(keys.every((key) => find(table, key) === key)).toBe(true);
    expect(keys.some((key) => find(table, `${key}x`) !== null)).toBe(false);
  }
});

test("the seed decides the hash", () => {
  const bytes = latin1("/a/b");

  expect(tableOf([], false, 1).hash(bytes, 0, 4)).not.toBe(tableOf([], false, 2).hash(bytes, 0, 4));
});

function tableOf(keys: readonly string[], ignoreCase = false, seed = 7): ByteTable<string> {
  return new ByteTable(
    keys.map((key) => [latin1(key), key] as const),
    { seed, ignoreCase },
  );
}

function find(table: ByteTable<string>, key: string): string | null {
  return table.get(latin1(key), 0, key.length);
}
