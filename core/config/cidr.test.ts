import { expect, test } from "bun:test";
import { addressAt, canonicalAddress, cidrHolds, parseCidr } from "./cidr.ts";

test("a range is an address and a prefix that covers all of its bits", () => {
  expect(parseCidr("127.0.2.0/24")).toMatchObject({ version: 4, size: 256n });
  expect(parseCidr("fd00::/120")).toMatchObject({ version: 6, size: 256n });
  expect(parseCidr("10.0.0.1/32")).toMatchObject({ size: 1n });
  for (const wrong of ["127.0.2.1/24", "127.0.2.0", "127.0.2.0/33", "fd00::/129", "fd00::1/64", "a/8", "", 8])
    expect(parseCidr(wrong)).toBeNull();
});

test("a range holds its own addresses only", () => {
  const pool = parseCidr("127.0.2.0/24")!;
  const six = parseCidr("fd00::/120")!;

  expect(["127.0.2.0", "127.0.2.255", "127.0.3.0", "127.0.1.255", "::1"].map((ip) => cidrHolds(pool, ip))).toEqual([
    true,
    true,
    false,
    false,
    false,
  ]);
  expect(["fd00::ff", "fd00:0:0:0::1", "fd00::100", "127.0.2.1"].map((ip) => cidrHolds(six, ip))).toEqual([
    true,
    true,
    false,
    false,
  ]);
});

test("addresses are counted from the first, in the one spelling that RFC 5952 gives them", () => {
  expect(addressAt(parseCidr("127.0.2.0/23")!, 300n)).toBe("127.0.3.44");
  expect(addressAt(parseCidr("fd00::/112")!, 258n)).toBe("fd00::102");
  expect(canonicalAddress("FD00:0:0:1:0:0:0:1")).toBe("fd00:0:0:1::1");
  expect(canonicalAddress("::ffff:10.0.0.1")).toBe("::ffff:a00:1");
  expect(canonicalAddress("1:2:3:4:5:6:7:8")).toBe("1:2:3:4:5:6:7:8");
  expect(canonicalAddress("::")).toBe("::");
  expect(canonicalAddress("10.0.0.1")).toBe("10.0.0.1");
});
