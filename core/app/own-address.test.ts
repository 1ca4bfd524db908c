import { expect, test } from "bun:test";
import { networkInterfaces } from "node:os";
import { leadsTo } from "./own-address.ts";

test.each([
  ["127.0.0.1", "127.0.0.1", true],
  ["127.0.0.1", "0.0.0.0", true],
  ["0.0.0.0", "127.0.0.1", true],
  ["0.0.0.0", "127.8.8.8", true],
  ["::", "::1", true],
  ["::", "127.0.0.1", true],
  ["127.0.0.1", "127.0.0.2", false],
  ["127.0.0.1", "192.0.2.1", false],
  ["0.0.0.0", "192.0.2.1", false],
  ["192.0.2.1", "0.0.0.0", false],
  ["127.0.0.1", "::ffff:127.0.0.1", true],
  ["0.0.0.0", "::ffff:7f00:1", true],
  ["::1", "0:0:0:0:0:0:0:1", true],
  ["127.0.0.1", "::ffff:0:0", true],
  ["0.0.0.0", "::ffff:192.0.2.1", false],
])("a socket bound to %p is what a connection to %p meets: %p", (bound, address, leads) => {
  expect(leadsTo(bound, address)).toBe(leads);
});

test("a socket bound to every address is met by each address of the machine", () => {
  for (const { address } of Object.values(networkInterfaces()).flatMap((list) => list ?? [])) {
    expect(leadsTo("0.0.0.0", address)).toBe(true);
  }
});
