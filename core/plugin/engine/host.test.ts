import { expect, test } from "bun:test";
import { fakeClock } from "../../../test/harness/fake-clock.ts";
import { requestHead } from "../../../test/harness/head.ts";
import { FACTS, policyEngine, policyText } from "../../../test/harness/policy.ts";
import { CONTINUE, VerdictKind } from "../mod.ts";

const HEAD = requestHead({});
const PASS = '{"action":"continue"}';
const IMPORTS = `
  (import "extism:host/env" "config_get" (func $config (param i64) (result i64)))
  (import "extism:host/env" "var_get" (func $var_get (param i64) (result i64)))
  (import "extism:host/env" "var_set" (func $var_set (param i64 i64)))
  (import "extism:host/env" "length" (func $length (param i64) (result i64)))
  (import "extism:host/env" "load_u8" (func $load (param i64) (result i32)))
  (import "extism:host/env" "error_set" (func $error (param i64)))
  (import "extism:host/env" "log_info" (func $log (param i64)))
  (import "extism:host/env" "input_length" (func $input (result i64)))
  (import "extism:host/user" "mesh_rate" (func $rate (param i64 i64 i64 i64) (result i64)))
  (import "extism:host/user" "mesh_counter_add" (func $count (param i64 i64) (result i64)))`;
/** A block with the one letter "k", and a number for loops. */
const KEY =
  "(global $turns (mut i32) (i32.const 0)) (func $key (result i64) (local $p i64) (local.set $p (call $alloc (i64.const 1))) (call $store (local.get $p) (i32.const 107)) (local.get $p))";
const FAIL = "(call $error (call $alloc (i64.const 1)))";

test("a config value reaches the policy, and what is not in the config does not", async () => {
  const body = `(if (i64.ne (call $length (call $config (call $key))) (i64.const 3)) (then ${FAIL}))`;

  expect(await verdicts(body, { k: "abc" })).toEqual(["continue"]);
  expect(await rejection(body, {})).toContain("self-test");
});

test("a var stays from call to call, and starts empty in a new instance", async () => {
  const seen = "(i64.ne (call $var_get (call $key)) (i64.const 0))";
  const body = `(if ${seen} (then (unreachable))) (call $var_set (call $key) (call $key))`;

  // The self-test sets it; the trap of the first request throws the instance away, the second begins anew.
  expect(await verdicts(body, {}, 3)).toEqual(["fault trap", "continue", "fault trap"]);
});

test("a var can be taken away", async () => {
  const seen = "(i64.ne (call $var_get (call $key)) (i64.const 0))";
  const body = `(call $var_set (call $key) (call $key)) (call $var_set (call $key) (i64.const 0)) (if ${seen} (then (unreachable)))`;

  expect(await verdicts(body, {}, 2)).toEqual(["continue", "continue"]);
});

test("tokens are taken by requests, and not by the self-test", async () => {
  const take = "(call $rate (call $key) (i64.const 2) (i64.const 1000) (i64.const 1))";

  expect(await verdicts(`(if (i64.lt_s ${take} (i64.const 0)) (then ${FAIL}))`, {}, 3)).toEqual([
    "continue",
    "continue",
    "fault error",
  ]);
});

test("a sum counts across generations, for one plugin", async () => {
  const { shelf, load, counters } = policyEngine();
  const model = shelf.wat(text("(drop (call $count (call $key) (i64.const 5)))"));
  const [first] = await load(model);
  first!.onRequest(HEAD, FACTS);
  const [second] = await load({ ...model, config: { a: "b" } });
  second!.onRequest(HEAD, FACTS);

  expect(counters.add(counters.scope("shop/policy"), Buffer.from("k"), 0n, fakeClock().now())).toBe(10n);
  expect(counters.add(counters.scope("shop/other"), Buffer.from("k"), 0n, fakeClock().now())).toBe(0n);
});

test("a policy that logs on every request is heard now and then", async () => {
  const clock = fakeClock();
  const { shelf, load, lines } = policyEngine(clock);
  const [plugin] = await load(shelf.wat(text("(call $log (call $key))")));
  for (let i = 0; i < 100; i++) plugin!.onRequest(HEAD, FACTS);

  expect(lines).toHaveLength(20);
  clock.advance(1000);
  for (let i = 0; i < 100; i++) plugin!.onRequest(HEAD, FACTS);
  expect(lines).toHaveLength(25);
  expect(new Set(lines)).toEqual(new Set(["k"]));
});

test("a host function takes fuel for its work, and its misuse takes all there is", async () => {
  const loop = (turns: number, call: string): string =>
    `(global.set $turns (i32.const ${turns})) (loop $l ${call} (global.set $turns (i32.sub (global.get $turns) (i32.const 1)))
      (br_if $l (global.get $turns)))`;
  const ask = "(drop (call $config (i64.const 65536)))";
  const misuse = "(drop (call $rate (i64.const 3) (i64.const 1) (i64.const 1) (i64.const 1)))";

  expect(await verdicts(loop(8_000, ask), {})).toEqual(["continue"]);
  expect(await rejection(loop(30_000, ask), {})).toContain("fuel");
  expect(await rejection(loop(8_000, misuse), {})).toContain("needs a key");
  const { shelf, load, tally } = policyEngine();
  const conditional = `(if (i64.gt_u (call $input) (i64.const 160)) (then ${misuse}))`;
  const [plugin] = await load(shelf.wat(text(conditional)));
  plugin!.onRequest(requestHead({ target: `/${"a".repeat(100)}` }), FACTS);

  expect(tally.fuel).toBe(2_000_000);
});

function text(body: string): string {
  return policyText(PASS, { imports: IMPORTS, rest: KEY, body });
}

async function verdicts(body: string, config: Record<string, string>, calls = 1): Promise<string[]> {
  const { shelf, load } = policyEngine();
  const [plugin] = await load(shelf.wat(text(body), { config }));
  return Array.from({ length: calls }, () => {
    const verdict = plugin!.onRequest(HEAD, FACTS);
    if (verdict.kind === VerdictKind.Fault) return `fault ${verdict.reason}`;
    return verdict === CONTINUE ? "continue" : "other";
  });
}

async function rejection(body: string, config: Record<string, string>): Promise<string> {
  const { shelf, load } = policyEngine();
  return load(shelf.wat(text(body), { config })).catch((error) => error.message);
}
