import { expect, test } from "bun:test";
import { parseCidr } from "../../config/mod.ts";
import { type AddressBook, grantAddresses, type Wishes } from "./address.ts";

const POOL = parseCidr("127.0.2.0/24")!;

test("every Gateway gets one address of the pool, the same in whatever company", () => {
  const names = Array.from({ length: 50 }, (_, i) => `default/gateway-${i}`);
  const all = granted(names.map(any));

  expect(new Set(all.values().flatMap(({ addresses }) => addresses)).size).toBe(50);
  expect(granted(names.map(any))).toEqual(all);
  expect(granted([any(names[7]!)]).get(names[7]!)?.addresses).toHaveLength(1);
});

test("a Gateway keeps the address it has, whoever comes before it by name", () => {
  const kept: AddressBook = new Map([["default/b", ["127.0.2.9"]]]);

  expect(granted([any("default/a"), any("default/b")], kept).get("default/b")?.addresses).toEqual(["127.0.2.9"]);
  const wanted = granted([one("default/a", "127.0.2.9"), any("default/b")], kept);
  expect(wanted.get("default/b")?.addresses).toEqual(["127.0.2.9"]);
  expect(wanted.get("default/a")).toMatchObject({ addresses: [], unusable: [{ why: "another Gateway has it" }] });
});

test("an address is given by its value where it lies in the pool and is free", () => {
  const result = granted([
    one("default/first", "127.0.2.7"),
    one("default/second", "127.0.2.7"),
    one("default/outside", "10.0.0.1"),
    one("default/wrong", "somewhere"),
    any("default/any"),
  ]);

  expect(result.get("default/first")?.addresses).toEqual(["127.0.2.7"]);
  expect(result.get("default/second")?.unusable).toEqual([{ value: "127.0.2.7", why: "another Gateway has it" }]);
  expect(result.get("default/outside")?.unusable[0]?.why).toBe("it is not in the pool 127.0.2.0/24");
  expect(result.get("default/wrong")?.unusable[0]?.why).toBe("it is not an IP address");
  expect(result.get("default/any")?.addresses).toHaveLength(1);
});

test("an address without a value is any; one of a type that there is not is told", () => {
  const wish: Wishes = {
    gateway: "default/a",
    addresses: [
      { type: "IPAddress", value: "" },
      { type: "IPAddress", value: "127.0.2.3" },
      { type: "Hostname", value: "example.com" },
    ],
  };
  const { addresses, unsupported } = granted([wish]).get("default/a")!;

  expect(addresses).toHaveLength(2);
  expect(addresses[1]).toBe("127.0.2.3");
  expect(unsupported).toEqual([{ type: "Hostname", value: "example.com" }]);
});

test("a pool that has none left leaves a Gateway without", () => {
  const small = parseCidr("127.0.2.0/30")!;
  const result = grantAddresses(["default/a", "default/b", "default/c"].map(any), small);

  expect([...result.values()].map(({ addresses, missing }) => addresses.length + missing * 10)).toEqual([1, 1, 10]);
});

test("without a pool nobody gets an address, and nobody misses one", () => {
  const result = grantAddresses([any("default/a"), one("default/b", "127.0.0.1")], null);

  expect(result.get("default/a")).toEqual({ addresses: [], unsupported: [], unusable: [], missing: 0 });
  expect(result.get("default/b")?.unusable[0]?.why).toBe("there is no pool of addresses for Gateways");
});

test("a pool of IPv6 gives addresses in their one spelling", () => {
  const pool = parseCidr("fd00::/112")!;
  const result = grantAddresses([one("default/a", "FD00:0::7")], pool);

  expect(result.get("default/a")?.addresses).toEqual(["fd00::7"]);
});

function granted(wishes: readonly Wishes[], kept?: AddressBook) {
  return grantAddresses(wishes, POOL, kept);
}

function any(gateway: string): Wishes {
  return { gateway, addresses: [] };
}

function one(gateway: string, value: string): Wishes {
  return { gateway, addresses: [{ type: "IPAddress", value }] };
}
