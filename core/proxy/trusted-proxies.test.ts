import { expect, test } from "bun:test";
import { requestHead } from "../../test/harness/head.ts";
import { parseCidr } from "../config/mod.ts";
import { TrustedProxies } from "./trusted-proxies.ts";

const OURS = new TrustedProxies(["10.0.0.0/8", "fd00::/8"].map((text) => parseCidr(text)!));

test("a peer that is none of ours is the client, whatever it says", () => {
  expect(clientOf("6.6.6.6", "1.2.3.4")).toBe("6.6.6.6");
  expect(clientOf("11.0.0.1", "1.2.3.4")).toBe("11.0.0.1");
});

test("a proxy of ours says who its client is, and that may be another of ours", () => {
  expect(clientOf("10.0.0.1", "1.2.3.4")).toBe("1.2.3.4");
  expect(clientOf("::ffff:10.0.0.1", "1.2.3.4")).toBe("1.2.3.4");
  expect(clientOf("fd00::1", "9.9.9.9, 1.2.3.4, 10.2.0.1 ,fd00::2")).toBe("1.2.3.4");
  expect(clientOf("10.0.0.1", "9.9.9.9", "1.2.3.4")).toBe("1.2.3.4");
  expect(clientOf("10.0.0.1", "10.0.0.2")).toBe("10.0.0.2");
});

test("one that says nothing is the client itself", () => {
  expect(clientOf("10.0.0.1")).toBe("10.0.0.1");
});

test("what is no address ends the search", () => {
  expect(clientOf("10.0.0.1", "1.2.3.4, unknown")).toBe("10.0.0.1");
  expect(clientOf("10.0.0.1", "1.2.3.4, _hidden, 10.0.0.2")).toBe("10.0.0.2");
});

test("a port behind an address is none of it", () => {
  expect(clientOf("10.0.0.1", "1.2.3.4:5678")).toBe("1.2.3.4");
  expect(clientOf("10.0.0.1", "[2001:db8::1]:5678")).toBe("2001:db8::1");
  expect(clientOf("10.0.0.1", "[2001:db8::1]")).toBe("2001:db8::1");
});

function clientOf(peer: string, ...forwarded: readonly string[]): string {
  const head = requestHead({ headers: forwarded.map((value) => ["X-Forwarded-For", value] as const) });
  return OURS.clientOf(head, peer);
}
