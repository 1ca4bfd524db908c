import { expect, test } from "bun:test";
import { policyEngine, sha256 } from "../../test/harness/policy.ts";
import { expectVerdicts } from "../../test/harness/policy-case.ts";
import { builtin } from "../builtin.ts";

const KEYS = JSON.stringify({
  alice: "plain-key-of-alice",
  bob: [`sha256:${sha256(Buffer.from("first key of bob"))}`, "second-key-of-bob"],
});
const CHALLENGE = 'www-authenticate=ApiKey realm="mesh", header="x-api-key" content-type=application/json';
const NEEDED = `401 ${CHALLENGE} {"error":"an API key is required"}`;
const UNKNOWN = `401 ${CHALLENGE} {"error":"the API key is not known"}`;

test("a known key is let in under its holder's name, and goes no further itself", async () => {
  await expectVerdicts("api-key", { keys: KEYS }, [
    { request: key("plain-key-of-alice"), verdict: "continue x-consumer=alice -x-api-key" },
    { request: key("first key of bob"), verdict: "continue x-consumer=bob -x-api-key" },
    { request: key("second-key-of-bob"), verdict: "continue x-consumer=bob -x-api-key" },
  ]);
});

test("no key, a wrong one, a part of one, or several at once are refused", async () => {
  const two = { headers: [...key("plain-key-of-alice").headers, ...key("plain-key-of-alice").headers] };

  await expectVerdicts("api-key", { keys: KEYS }, [
    { request: {}, verdict: NEEDED },
    { request: key(""), verdict: UNKNOWN },
    { request: key("plain-key-of-alic"), verdict: UNKNOWN },
    { request: key("plain-key-of-alicee"), verdict: UNKNOWN },
    { request: key('"\\\u00e9'), verdict: UNKNOWN },
    { request: key("x".repeat(5000)), verdict: UNKNOWN },
    { request: two, verdict: UNKNOWN },
    { request: { headers: [["x-consumer", "alice"]] }, verdict: NEEDED },
  ]);
});

test("headers and realm are those of the config", async () => {
  const config = { keys: KEYS, header: "Authorization", consumerHeader: "X-User", realm: "shop" };

  await expectVerdicts("api-key", config, [
    {
      request: { headers: [["authorization", "plain-key-of-alice"]] },
      verdict: "continue x-user=alice -authorization",
    },
    {
      request: key("plain-key-of-alice"),
      verdict:
        '401 www-authenticate=ApiKey realm="shop", header="authorization" content-type=application/json {"error":"an API key is required"}',
    },
  ]);
});

test("without keys nobody is let in, and keys that are no object are not loaded", async () => {
  await expectVerdicts("api-key", {}, [{ request: key("undefined"), verdict: UNKNOWN }]);

  const { shelf, load } = policyEngine();
  const { bytes } = (await builtin("api-key"))!;
  const reason = (keys: string) => load(shelf.put(bytes, { config: { keys } })).catch((error) => error.message);

  expect(await reason('["a"]')).toContain('"keys" is an object of consumers and their keys');
  expect(await reason('{"a":"sha256:00"}')).toContain('64 hex digits, for a key of "a"');
  expect(await reason(`{"a":["b","sha256:${"0".repeat(63)}g"]}`)).toContain('64 hex digits, for a key of "a"');
  expect(await reason("{")).toContain("configure failed");
});

function key(value: string) {
  return { headers: [["X-API-Key", value] as const] };
}
