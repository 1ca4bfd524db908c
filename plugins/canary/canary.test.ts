import { expect, test } from "bun:test";
import { requestHead } from "../../test/harness/head.ts";
import { FACTS, policyEngine } from "../../test/harness/policy.ts";
import { expectVerdicts, told } from "../../test/harness/policy-case.ts";
import { builtin } from "../builtin.ts";

test("a header sends its request to the canary, whatever its value or with one value only", async () => {
  const request = (value: string) => ({ headers: [["X-Tester", value]] as const });

  await expectVerdicts("canary", { destination: "web-v2", header: "x-tester" }, [
    { request: request("yes"), verdict: "to web-v2" },
    { request: request(""), verdict: "to web-v2" },
    { request: {}, verdict: "continue" },
  ]);
  await expectVerdicts("canary", { destination: "web-v2", header: "X-Tester", headerValue: "yes" }, [
    { request: request("yes"), verdict: "to web-v2" },
    { request: request("no"), verdict: "continue" },
  ]);
});

test("a cookie does, among others and by its whole name", async () => {
  const request = (value: string) => ({ headers: [["Cookie", value]] as const });

  await expectVerdicts("canary", { destination: "v2", cookie: "beta", cookieValue: "1" }, [
    { request: request("a=b; beta=1; c=d"), verdict: "to v2" },
    { request: request("beta=1"), verdict: "to v2" },
    { request: request("beta=2"), verdict: "continue" },
    { request: request("xbeta=1; bet=a"), verdict: "continue" },
    { request: {}, verdict: "continue" },
  ]);
});

test("a percentage of users goes, always the same ones, and never a request without the header", async () => {
  const { shelf, load } = policyEngine();
  const { bytes } = (await builtin("canary"))!;
  const config = { destination: "v2", percent: "20", percentHeader: "x-user" };
  const [plugin] = await load(shelf.put(bytes, { config }));
  const ask = (user: string) => told(plugin!.onRequest(requestHead({ headers: [["x-user", user]] }), FACTS));
  const users = Array.from({ length: 2000 }, (_, i) => `user-${i}`);
  const first = users.map(ask);

  expect(users.map(ask)).toEqual(first);
  const chosen = first.filter((verdict) => verdict === "to v2").length;
  expect(chosen).toBeGreaterThan(320);
  expect(chosen).toBeLessThan(480);
  expect(told(plugin!.onRequest(requestHead({}), FACTS))).toBe("continue");
});

test("a config that chooses nobody, or nowhere, is not loaded", async () => {
  const { shelf, load } = policyEngine();
  const { bytes } = (await builtin("canary"))!;
  const reason = (config: Record<string, string>) => load(shelf.put(bytes, { config })).catch((error) => error.message);

  expect(await reason({ header: "x" })).toContain('"destination" names where the canary is');
  expect(await reason({ destination: "v2" })).toContain('one of "header", "cookie", "percent" is needed');
  expect(await reason({ destination: "v2", percent: "101", percentHeader: "x" })).toContain("from 0 to 100");
  expect(await reason({ destination: "v2", percent: "x", percentHeader: "x" })).toContain("from 0 to 100");
  expect(await reason({ destination: "v2", percent: "5" })).toContain('"percent" needs "percentHeader"');
});
