import { expect, test } from "bun:test";
import { commonHosts, hostsOverlap } from "./hostname.ts";

test("a route is served under the narrower of its own hosts and the listener's", () => {
  const table: readonly (readonly [string, readonly string[], readonly string[]])[] = [
    ["", [], [""]],
    ["", ["a.example.com"], ["a.example.com"]],
    ["a.example.com", [], ["a.example.com"]],
    ["a.example.com", ["A.example.com"], ["a.example.com"]],
    ["a.example.com", ["*.example.com"], ["a.example.com"]],
    ["a.example.com", ["*.com", "*.example.com"], ["a.example.com"]],
    ["*.example.com", ["a.example.com", "a.b.example.com"], ["a.example.com", "a.b.example.com"]],
    ["*.example.com", ["example.com"], []],
    ["*.example.com", ["*.example.com"], ["*.example.com"]],
    ["*.example.com", ["*.b.example.com"], ["*.b.example.com"]],
    ["*.b.example.com", ["*.example.com"], ["*.b.example.com"]],
    ["*.example.com", ["a.example.net", "badexample.com"], []],
    ["a.example.com", ["b.example.com"], []],
  ];

  for (const [listener, route, common] of table)
    expect([listener, commonHosts(listener, route)]).toEqual([listener, common]);
});

test("hosts overlap where one covers the other", () => {
  expect(hostsOverlap("", "a.example.com")).toBe(true);
  expect(hostsOverlap("*.example.com", "a.example.com")).toBe(true);
  expect(hostsOverlap("*.example.com", "*.a.example.com")).toBe(true);
  expect(hostsOverlap("a.example.com", "b.example.com")).toBe(false);
  expect(hostsOverlap("*.example.com", "example.com")).toBe(false);
});
