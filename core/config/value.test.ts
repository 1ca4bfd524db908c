import { expect, test } from "bun:test";
import {
  formatAddress,
  formatDuration,
  isDnsLabel,
  isDnsSubdomain,
  isIpAddress,
  isLabelKey,
  isLabelValue,
  parseAddress,
  parseDuration,
  parsePort,
  selects,
} from "./mod.ts";

test.each([
  ["0s", 0],
  ["10s", 10_000],
  ["500ms", 500],
  ["1h2m3s4ms", 3_723_004],
  ["1m1m", 120_000],
])("a duration %s is %d ms", (text, ms) => {
  expect(parseDuration(text)).toBe(ms);
});

test.each(["", "10", "1.5s", "-1s", "1d", "100000s", "1s2s3s4s5s", " 1s", 10])("%p is no duration", (text) => {
  expect(parseDuration(text)).toBeNull();
});

test("a duration survives being written and read", () => {
  for (const ms of [0, 1, 999, 61_000, 3_723_004]) expect(parseDuration(formatDuration(ms))).toBe(ms);
});

test("a port is a whole number from 1 to 65535, or its digits", () => {
  expect([1, 65535, "80"].map(parsePort)).toEqual([1, 65535, 80]);
  expect([0, 65536, 1.5, "http", "0x50", "", null, "65536"].map(parsePort)).toEqual(Array(8).fill(null));
});

test("an address is host:port, with brackets around IPv6", () => {
  expect(parseAddress("127.0.0.1:0")).toEqual({ host: "127.0.0.1", port: 0 });
  expect(parseAddress("[::1]:8080")).toEqual({ host: "::1", port: 8080 });
  expect(formatAddress({ host: "::1", port: 8080 })).toBe("[::1]:8080");
  for (const text of ["::1:80", "a", "a:", ":80", "a:65536", "a:b", "[a]:1", "a b:1", "u@a:1"])
    expect(parseAddress(text)).toBeNull();
});

test("an IP address has no port, brackets or zone", () => {
  expect(["10.0.0.1", "::1"].map(isIpAddress)).toEqual([true, true]);
  expect(["10.0.0.1:80", "[::1]", "fe80::1%eth0", "web", 1].map(isIpAddress)).toEqual(Array(5).fill(false));
});

test("names follow DNS-1123", () => {
  expect(["web", "web-v2", "0"].map(isDnsLabel)).toEqual([true, true, true]);
  expect(["Web", "-web", "web-", "a.b", "", "a".repeat(64)].map(isDnsLabel)).toEqual(Array(6).fill(false));
  expect(isDnsSubdomain("a.b-c.d")).toBe(true);
  expect(["a..b", ".a", "A.b", "a".repeat(254)].map(isDnsSubdomain)).toEqual(Array(4).fill(false));
});

test("labels follow Kubernetes", () => {
  expect(["app", "example.com/app_1"].map(isLabelKey)).toEqual([true, true]);
  expect(["", "/app", "Example.com/app", "-a", "a/b/c"].map(isLabelKey)).toEqual(Array(5).fill(false));
  expect(["", "v1.0", "A_b"].map(isLabelValue)).toEqual([true, true, true]);
  expect(["-a", "a b", "a".repeat(64), 1].map(isLabelValue)).toEqual(Array(4).fill(false));
});

test("a selector selects labels that carry all its pairs, and nothing when it is empty", () => {
  expect(selects({ app: "web" }, { app: "web", version: "v1" })).toBe(true);
  expect(selects({ app: "web", version: "v2" }, { app: "web" })).toBe(false);
  expect(selects({}, { app: "web" })).toBe(false);
});
