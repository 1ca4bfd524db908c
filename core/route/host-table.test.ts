import { expect, test } from "bun:test";
import { HostTable } from "./mod.ts";

const table = new HostTable(
  [
    ["web.example.com", "exact"],
    ["*.example.com", "wide"],
    ["*.a.example.com", "narrow"],
    ["web.example.com", "second"],
  ],
  7,
);

test("a host finds its own name in any case, also with a dot at its end, and the first of two", () => {
  expect(["web.example.com", "WEB.Example.COM", "web.example.com."].map(find)).toEqual(["exact", "exact", "exact"]);
});

test("a star stands for one label or more, and the longest suffix wins", () => {
  expect(find("api.example.com")).toBe("wide");
  expect(find("x.y.example.com")).toBe("wide");
  expect(find("b.a.example.com")).toBe("narrow");
  expect(find("a.example.com")).toBe("wide");
});

test("a star stands for no empty label, and a suffix begins at a dot", () => {
  expect(["example.com", ".example.com", "badexample.com", "com", "", "."].map(find)).toEqual(Array(6).fill(null));
});

test("a host of many labels is not read once for each of them", () => {
  const host = Buffer.from(`${"b.".repeat(1_000)}example.com`);
  let reads = 0;
  const get = (bytes: Buffer, key: string | symbol): unknown => {
    reads++;
    return Reflect.get(bytes, key, bytes);
  };
  const counted = new Proxy(host, { get });

  expect(table.get(counted, 0, host.length)).toBe("wide");
  expect(reads).toBeLessThan(host.length * 3);
});

test("a table without wildcards finds whole names only", () => {
  const plain = new HostTable([["example.com", 1]], 7);

  expect(plain.get(Buffer.from("a.example.com"), 0, 13)).toBeNull();
});

function find(host: string): string | null {
  const bytes = Buffer.from(`<${host}>`);
  return table.get(bytes, 1, bytes.length - 1);
}
