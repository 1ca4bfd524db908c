import { expect, test } from "bun:test";
import { fakeClock } from "../../../test/harness/fake-clock.ts";
import { requestHead } from "../../../test/harness/head.ts";
import { FACTS, policyEngine, policyText } from "../../../test/harness/policy.ts";
import { systemClock } from "../../base/mod.ts";
import { CONTINUE, type FaultReason, type Plugin, VerdictKind } from "../mod.ts";
import { PluginRejected } from "./mod.ts";

const HEAD = requestHead({ headers: [["x-a", "1"]] });
const PASS = '{"action":"continue"}';
/** Bodies that misbehave when the request has a header, so that the self-test passes. */
const WHEN_ASKED = "(i64.gt_u (call $length) (i64.const 160))";
const LENGTH = '(import "extism:host/env" "input_length" (func $length (result i64)))';

test("a policy that lets pass is asked without allocating a verdict", async () => {
  const { shelf, load, tally } = policyEngine();
  const [plugin] = await load(shelf.wat(policyText(PASS)));

  expect(ask(plugin!)).toBe(CONTINUE);
  expect(tally.counts).toEqual({ call: 1 });
  expect(tally.fuel).toBeGreaterThan(0);
});

test("the same model is the same plugin, a changed one a new generation of the same module", async () => {
  const { shelf, engine, load } = policyEngine();
  const model = shelf.wat(policyText(PASS));
  const [first] = await load(model);
  const [second] = await load({ ...model });
  const [third] = await load({ ...model, config: { a: "b" } });

  expect(second).toBe(first!);
  expect(third).not.toBe(first!);
  expect(shelf.fetched).toHaveLength(1);
  expect(ask(first!)).toBe(CONTINUE);
  engine.close();
  expect(ask(third!)).toBe(CONTINUE);
});

test("requests see the old plugin or the new one, and never neither", async () => {
  const { shelf, load } = policyEngine();
  const old = shelf.wat(policyText('{"action":"respond","status":201}'));
  const next = shelf.wat(policyText('{"action":"respond","status":202}'));
  let [plugin] = await load(old);
  const seen: number[] = [];
  const swap = load(next).then(([loaded]) => {
    plugin = loaded;
  });
  let settled = false;
  void swap.then(() => {
    settled = true;
  });
  while (!settled) {
    seen.push(ask(plugin!).status);
    await new Promise((resolve) => setImmediate(resolve));
  }
  seen.push(ask(plugin!).status);

  expect(new Set(seen)).toEqual(new Set([201, 202]));
  expect(seen).toEqual([...seen].sort());
});

for (const [name, step, wat, reason] of [
  ["wants what is not offered", "imports", '(import "env" "run" (func))', 'function "env.run"'],
  ["imports a memory", "imports", '(import "extism:host/env" "memory" (memory 1))', "memory"],
  ["has no on_request", "exports", "", '"on_request"'],
  ["wants more memory than it may have", "meter", `(memory 257) ${handler()}`, "257 pages"],
  [
    "imports with another type",
    "instantiate",
    `(import "extism:host/env" "alloc" (func (param i32))) ${handler()}`,
    "",
  ],
  [
    "spins in its start function",
    "configure",
    `(func $s (loop $l (br $l))) (start $s) ${handler()}`,
    "used up its fuel",
  ],
  ["spins in configure", "configure", `(func (export "configure") (loop $l (br $l))) ${handler()}`, "used up its fuel"],
  ["refuses its config", "configure", `(func (export "configure") (result i32) (i32.const 1)) ${handler()}`, "not 0"],
  ["traps on every request", "self-test", `(func (export "on_request") (unreachable))`, "trap"],
  ["has the helpers' names", "compile", `(func (export "mesh:fuel_set") (param i32)) ${handler()}`, ""],
  ["says nothing", "self-test", `(func (export "on_request"))`, "it said nothing"],
] as const) {
  test(`a plugin that ${name} is rejected, and the old one serves on`, async () => {
    const { shelf, load } = policyEngine(systemClock);
    const good = shelf.wat(policyText(PASS));
    const [before] = await load(good);

    const rejected = await load(shelf.wat(`(module ${wat})`)).catch((error) => error);

    expect(rejected).toBeInstanceOf(PluginRejected);
    expect(rejected.problems).toMatchObject([{ plugin: "shop/policy", step }]);
    expect(rejected.message).toContain(reason);
    expect(ask(before!)).toBe(CONTINUE);
    expect((await load(good))[0]).toBe(before!);
  });
}

test("bytes that are not those of the hash, too many, not WASM, or nowhere are rejected", async () => {
  const { engine, shelf } = policyEngine();
  const model = shelf.wat(policyText(PASS));
  const other = async (bytes: Uint8Array) =>
    (await engine.prepare([model], async () => bytes).catch((error) => error)).problems?.[0].step;

  expect(await other(Buffer.from("x"))).toBe("hash");
  expect(await other(new Uint8Array(16 * 2 ** 20 + 1))).toBe("size");
  const text = shelf.put(Buffer.from("not wasm"));
  await expect(engine.prepare([text], shelf.blob)).rejects.toMatchObject({ problems: [{ step: "validate" }] });
  const missing = { ...model, sha256: "00" };
  await expect(engine.prepare([missing], shelf.blob)).rejects.toMatchObject({ problems: [{ step: "fetch" }] });
});

test("all problems of a set are told at once", async () => {
  const { shelf, load } = policyEngine();
  const models = ["a", "b", "c"].map((id) => shelf.wat(id === "b" ? policyText(PASS) : "(module)", { id }));

  const rejected = await load(...models).catch((error) => error);

  expect(rejected.problems.map((problem: { plugin: string }) => problem.plugin)).toEqual(["a", "c"]);
});

for (const [what, reason, body, more] of [
  ["spins", "fuel", "(loop $l (br $l))", ""],
  ["traps", "trap", "(unreachable)", ""],
  ["recurses without end", "fuel|stack", "(call $deep)", "(func $deep (call $deep) (call $deep))"],
  ["reads beyond its memory", "trap", "(drop (i32.load (i32.const -4)))", ""],
  ["grows to 1 GB and fills it", "trap|fuel", grow(), ""],
  [
    "fills what it has again and again",
    "fuel",
    `(loop $l (memory.fill (i32.const 0) (i32.const 1) (i32.const 65536)) (br $l))`,
    "",
  ],
  ["gives an output it does not have", "trap", "(call $output (i64.const 1) (i64.const 4000000000))", ""],
  ["gives an output with a length below 0", "trap", "(call $output (call $alloc (i64.const 8)) (i64.const -8))", ""],
  ["gives an output of the kernel's own page", "trap", "(call $output (i64.const 0) (i64.const 64))", ""],
  ["sets an error it does not have", "trap", "(call $error (i64.const 77))", ""],
  ["sets an error", "error", "(call $error (call $alloc (i64.const 4)))", ""],
  ["returns a code", "error", "(return (i32.const 3))", ""],
  [
    "gives a huge output",
    "output",
    "(call $output (call $alloc (i64.const 1000000)) (i64.const 1000000)) (return (i32.const 0))",
    "",
  ],
  [
    "gives bytes that are not JSON",
    "output",
    "(call $output (call $alloc (i64.const 100)) (i64.const 100)) (return (i32.const 0))",
    "",
  ],
  ["calls http_request", "trap", "(drop (call $http (i64.const 0) (i64.const 0)))", ""],
  ["calls out for ever", "fuel", "(loop $l (drop (call $config (i64.const 65536))) (br $l))", ""],
  ["logs for ever", "fuel", "(loop $l (call $log (i64.const 65536)) (br $l))", ""],
  [
    "takes tokens with a key it does not have",
    "trap",
    "(drop (call $rate (i64.const 5) (i64.const 1) (i64.const 1) (i64.const 1)))",
    "",
  ],
  [
    "sets a var that is too large",
    "trap",
    "(call $var (call $alloc (i64.const 4)) (call $alloc (i64.const 100000)))",
    "",
  ],
] as const) {
  test(`a policy that ${what} hurts its own request only`, async () => {
    const { shelf, load, tally } = policyEngine();
    const imports = `${LENGTH} ${HOSTS}`;
    const text = policyText(PASS, { imports, rest: more, body: `(if ${WHEN_ASKED} (then ${body}))` });
    const [plugin] = await load(shelf.wat(text));
    const long = requestHead({ headers: [["x-attack", "y".repeat(100)]] });

    const verdict = ask(plugin!, long);

    expect(verdict.kind).toBe(VerdictKind.Fault);
    expect(reason.split("|")).toContain(verdict.reason);
    expect(tally.counts[`fault ${verdict.reason}`]).toBe(1);
    expect(ask(plugin!, requestHead({}), QUIET)).toBe(CONTINUE);
    expect(ask(plugin!, long).kind).toBe(VerdictKind.Fault);
    expect(ask(plugin!, requestHead({}), QUIET)).toBe(CONTINUE);
  });
}

test("a policy gets its pages of memory and not one more", async () => {
  const { shelf, load } = policyEngine();
  const body = (pages: number, expected: number) =>
    `(if (i32.ne (memory.grow (i32.const ${pages})) (i32.const ${expected})) (then unreachable))`;
  const limits = { fuel: 2_000_000, memoryPages: 4 };
  const [greedy] = await load(shelf.wat(policyText(PASS, { body: body(4, -1) }), { limits }));
  const modest = load(shelf.wat(policyText(PASS, { body: body(4, 1) }), { limits }));

  expect(ask(greedy!)).toBe(CONTINUE);
  await expect(modest).rejects.toThrow("self-test");
});

test("a request that does not fit into the kernel is a fault, the next one is served", async () => {
  const { shelf, load } = policyEngine();
  const [plugin] = await load(shelf.wat(policyText(PASS)));

  expect(ask(plugin!, requestHead({ target: `/${"a".repeat(1_000_000)}` })).reason).toBe("input");
  expect(ask(plugin!)).toBe(CONTINUE);
  expect(ask(plugin!, requestHead({ target: `/${"a".repeat(500_000)}` }))).toBe(CONTINUE);
  expect(ask(plugin!)).toBe(CONTINUE);
});

test("five faults in ten seconds turn a policy off; later one call tries it again", async () => {
  const clock = fakeClock();
  const { shelf, load, tally, lines } = policyEngine(clock);
  const imports = LENGTH;
  const [plugin] = await load(shelf.wat(policyText(PASS, { imports, body: `(if ${WHEN_ASKED} (then unreachable))` })));
  const long = requestHead({ headers: [["x-attack", "y".repeat(100)]] });
  const reasons = (): FaultReason[] => [1, 2, 3, 4, 5, 6, 7].map(() => ask(plugin!, long).reason);

  expect(reasons()).toEqual(["trap", "trap", "trap", "trap", "trap", "off", "off"]);
  expect(ask(plugin!, requestHead({}), QUIET).reason).toBe("off");
  expect(tally.counts["call"]).toBe(5);
  expect(lines).toContain("policy is off for a while");
  clock.advance(10_001);
  expect(reasons().slice(0, 3)).toEqual(["trap", "off", "off"]);
  clock.advance(20_001);
  expect(ask(plugin!, requestHead({}), QUIET)).toBe(CONTINUE);
  expect(reasons().slice(0, 5)).toEqual(["trap", "trap", "trap", "trap", "trap"]);
});

test("faults that are far apart do not turn a policy off", async () => {
  const clock = fakeClock();
  const { shelf, load } = policyEngine(clock);
  const [plugin] = await load(
    shelf.wat(policyText(PASS, { imports: LENGTH, body: `(if ${WHEN_ASKED} (then unreachable))` })),
  );
  const long = requestHead({ headers: [["x-attack", "y".repeat(100)]] });

  for (let i = 0; i < 20; i++) {
    expect(ask(plugin!, long).reason).toBe("trap");
    clock.advance(3_000);
  }
});

/** Facts that leave the input short. */
const QUIET = { peer: null, address: "", service: "", route: "", changes: null };

function ask(plugin: Plugin, head = HEAD, facts = FACTS as typeof QUIET | typeof FACTS) {
  return plugin.onRequest(head, facts);
}

function handler(): string {
  return '(func (export "on_request"))';
}

function grow(): string {
  return "(drop (memory.grow (i32.const 16000))) (memory.fill (i32.const 0) (i32.const 1) (i32.const 1000000000))";
}

const HOSTS = `
  (import "extism:host/env" "error_set" (func $error (param i64)))
  (import "extism:host/env" "http_request" (func $http (param i64 i64) (result i64)))
  (import "extism:host/env" "config_get" (func $config (param i64) (result i64)))
  (import "extism:host/env" "log_info" (func $log (param i64)))
  (import "extism:host/env" "var_set" (func $var (param i64 i64)))
  (import "extism:host/user" "mesh_rate" (func $rate (param i64 i64 i64 i64) (result i64)))`;
