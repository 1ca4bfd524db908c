import { expect, test } from "bun:test";
import { HostChain } from "./host-chain.ts";

test("an exact name goes before a wildcard, a longer wildcard before a shorter one, and every host comes last", () => {
  const names = ["", "*.com", "*.example.com", "a.example.com", "*.a.example.com"];

  expect(chain(names, "a.example.com")).toEqual(["a.example.com", "*.example.com", "*.com", ""]);
  expect(chain(names, "b.a.example.com")).toEqual(["*.a.example.com", "*.example.com", "*.com", ""]);
  expect(chain(names, "b.example.com")).toEqual(["*.example.com", "*.com", ""]);
  expect(chain(names, "example.com")).toEqual(["*.com", ""]);
  expect(chain(names, "com")).toEqual([""]);
});

test("a wildcard stands for one label or more, and never for none", () => {
  expect(chain(["*.example.com"], "a.b.c.example.com")).toEqual(["*.example.com"]);
  expect(chain(["*.example.com"], "example.com")).toEqual([]);
  expect(chain(["*.example.com"], "badexample.com")).toEqual([]);
});

test("a host has no case, and may end with a dot", () => {
  expect(chain(["a.example.com"], "A.Example.COM.")).toEqual(["a.example.com"]);
  expect(chain(["*.example.com"], "B.example.com.")).toEqual(["*.example.com"]);
});

test("of two equal names the first counts", () => {
  const table = new HostChain(
    [
      ["a", 1],
      ["a", 2],
    ],
    7,
  );

  expect(table.find(Buffer.from("a"), 0, 1)?.value).toBe(1);
});

test("without a host only what is for every host is found", () => {
  expect(chain(["", "a"], "")).toEqual([""]);
  expect(chain(["*.a"], "")).toEqual([]);
});

/** Names of the entries that take a host, in the order in which they are tried. */
function chain(names: readonly string[], host: string): string[] {
  const table = new HostChain(
    names.map((name) => [name, name] as const),
    7,
  );
  const bytes = Buffer.from(`x${host}y`);
  const found: string[] = [];
  for (let link = table.find(bytes, 1, 1 + host.length); link !== null; link = link.next) found.push(link.value);
  return found;
}
