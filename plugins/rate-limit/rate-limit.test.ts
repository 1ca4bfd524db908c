import { expect, test } from "bun:test";
import { policyEngine } from "../../test/harness/policy.ts";
import { expectVerdicts } from "../../test/harness/policy-case.ts";
import { builtin } from "../builtin.ts";

const limited = (seconds: number, limit: number) =>
  `429 retry-after=${seconds} ratelimit-limit=${limit} ratelimit-remaining=0 ratelimit-reset=${seconds} ` +
  'content-type=application/json {"error":"too many requests"}';

test("so many requests of a caller pass in a window, the next is told when to come back", async () => {
  await expectVerdicts("rate-limit", { limit: "2", windowMs: "10000" }, [
    { request: {}, verdict: "continue" },
    { request: {}, verdict: "continue" },
    { request: {}, verdict: limited(5, 2) },
    { request: {}, peer: "spiffe://example.org/ns/shop/sa/other", verdict: "continue" },
    { request: {}, afterMs: 4999, verdict: limited(1, 2) },
    { request: {}, afterMs: 1, verdict: "continue" },
    { request: {}, verdict: limited(5, 2) },
  ]);
});

test("callers without an identity are told apart by their addresses", async () => {
  await expectVerdicts("rate-limit", { limit: "1" }, [
    { request: {}, peer: null, address: "10.0.0.1", verdict: "continue" },
    { request: {}, peer: null, address: "10.0.0.2", verdict: "continue" },
    { request: {}, peer: null, address: "10.0.0.1", verdict: limited(1, 1) },
  ]);
});

test("a header's value is a key, and requests without it share one", async () => {
  const request = (value: string) => ({ headers: [["X-User", value]] as const });

  await expectVerdicts("rate-limit", { limit: "1", key: "header:X-User" }, [
    { request: request("a"), verdict: "continue" },
    { request: request("b"), verdict: "continue" },
    { request: request("a"), verdict: limited(1, 1) },
    { request: {}, verdict: "continue" },
    { request: request(""), verdict: "continue" },
    { request: {}, verdict: limited(1, 1) },
    { request: request("é".repeat(3000)), verdict: "continue" },
    { request: request("é".repeat(3000)), verdict: limited(1, 1) },
  ]);
});

test("all requests together are one key where the config says so", async () => {
  await expectVerdicts("rate-limit", { limit: "1", key: "all" }, [
    { request: {}, verdict: "continue" },
    { request: { target: "/other" }, peer: null, verdict: limited(1, 1) },
  ]);
});

test("a config without a limit, or with an unknown key, is not loaded", async () => {
  const { shelf, load } = policyEngine();
  const { bytes } = (await builtin("rate-limit"))!;
  const reason = (config: Record<string, string>) => load(shelf.put(bytes, { config })).catch((error) => error.message);

  expect(await reason({})).toContain('"limit" is how many requests pass in a window');
  expect(await reason({ limit: "1.5" })).toContain('"limit" is how many');
  expect(await reason({ limit: "1", windowMs: "0" })).toContain('"windowMs" is a time');
  expect(await reason({ limit: "1", key: "cookie" })).toContain('"key" is');
});

test("loading the policy takes no token", async () => {
  await expectVerdicts("rate-limit", { limit: "1", key: "all", windowMs: "3600000" }, [
    { request: {}, verdict: "continue" },
    { request: {}, verdict: limited(3600, 1) },
  ]);
});
