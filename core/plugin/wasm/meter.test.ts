import { expect, test } from "bun:test";
import { assemble } from "../kernel/build.ts";
import { MalformedModule, WasmReader, WasmWriter } from "./bytes.ts";
import { FUEL_GET, FUEL_SET, meter, meterSteps, START } from "./meter.ts";

const LIMITS = { maxPages: 16, maxTableEntries: 100 };

test("a loop without end runs out of fuel and traps", () => {
  const guest = run(`(module (func (export "f") (loop $l (br $l))))`);
  guest.fill(100_000);

  expect(() => guest.call("f")).toThrow("nreachable");
  expect(guest.fuel()).toBeLessThan(0);
});

test("recursion takes fuel at every entry", () => {
  const guest = run(`(module (func $f (export "f") (param i32) (if (local.get 0)
    (then (call $f (i32.sub (local.get 0) (i32.const 1)))))))`);
  guest.fill(1_000);

  guest.call("f", 50);

  expect(guest.fuel()).toBeLessThan(1_000 - 50 * 4);
  expect(() => guest.call("f", 1_000)).toThrow("nreachable");
});

test("a guest that catches everything does not catch its end", () => {
  const guest = run(`(module (func (export "f") (result i32)
    (loop $again (try (do (loop $l (br $l))) (catch_all (br $again)))) (i32.const 1)))`);
  guest.fill(10_000);

  expect(() => guest.call("f")).toThrow("nreachable");
});

test("the tank is empty at first, and the start function is handed out and not run", () => {
  const guest = run(`(module (global $g (export "g") (mut i32) (i32.const 0))
    (func $s (global.set $g (i32.const 7))) (start $s) (func (export "f") (result i32) (global.get $g)))`);

  expect(() => guest.call("f")).toThrow("nreachable");
  guest.fill(100);
  expect(guest.call("f")).toBe(0);
  guest.call(START);
  expect(guest.call("f")).toBe(7);
});

test("bulk instructions cost by their size", () => {
  const guest = run(`(module (memory 16) (func (export "f") (param i32)
    (memory.fill (i32.const 0) (i32.const 1) (local.get 0))))`);
  guest.fill(100_000);
  guest.call("f", 32 * 1000);

  expect(guest.fuel()).toBeGreaterThan(100_000 - 1_020);
  expect(guest.fuel()).toBeLessThanOrEqual(100_000 - 1_000);
  expect(() => guest.call("f", 1 << 30)).toThrow("nreachable");
});

test("long code without a loop costs more than short code", () => {
  const body = "(global.set $g (i32.add (global.get $g) (i32.const 1)))".repeat(10_000);
  const guest = run(`(module (global $g (mut i32) (i32.const 0)) (func (export "f") ${body}))`);
  guest.fill(100_000);
  guest.call("f");

  expect(100_000 - guest.fuel()).toBe(Math.floor(40_001 / 16));
});

test("memory and tables are clamped, and a module that needs more is refused", () => {
  const guest = run(`(module (memory 1 60000) (table 1 5000 funcref)
    (func (export "f") (param i32) (result i32) (memory.grow (local.get 0)))
    (func (export "t") (param i32) (result i32) (table.grow (ref.null func) (local.get 0))))`);
  guest.fill(100_000);

  expect(guest.call("f", 16)).toBe(-1);
  expect(guest.call("f", 15)).toBe(1);
  expect(guest.call("t", 100)).toBe(-1);
  expect(guest.call("t", 99)).toBe(1);
  expect(() => meter(assemble("(module (memory 17))"), LIMITS)).toThrow("needs 17 pages of memory");
});

test("a call past the last function does not validate, so it cannot reach the tank", () => {
  const refill = moduleCalling(1); // the rewriter's setter would be function 1

  expect(WebAssembly.validate(refill)).toBe(false);
  expect(WebAssembly.validate(meter(refill, LIMITS))).toBe(true);
});

test("shared memory, more than one memory, threads and imported memories are refused", () => {
  expect(() => meter(moduleWith(5, [1, 3, 1, 1]), LIMITS)).toThrow("shared or 64-bit memory");
  expect(() => meter(moduleWith(5, [2, 0, 1, 0, 1]), LIMITS)).toThrow("more than one memory");
  expect(() => meter(moduleWith(2, [1, 1, 0x61, 1, 0x62, 2, 0, 1]), LIMITS)).toThrow('imports "a.b"');
  expect(() => meter(moduleWith(10, [1, 5, 0, 0xfe, 0x03, 0x00, 0x0b]), LIMITS)).toThrow("0xfe");
});

test("whatever bytes come, the rewriter gives a module or a reason", () => {
  const seed =
    assemble(`(module (memory 1) (table 2 funcref) (global (mut i32) (i32.const 1)) (elem (i32.const 0) $a $a)
    (data (i32.const 0) "data") (func $a (export "f") (param i32) (result i32) (local i64)
    (block $b (loop $l (br_if $b (i32.eqz (local.get 0))) (local.set 0 (i32.sub (local.get 0) (i32.const 1))) (br $l)))
    (memory.copy (i32.const 0) (i32.const 8) (i32.const 8)) (i32.load (local.get 0))))`);
  let rewritten = 0;
  for (const bytes of mutations(seed, 4000)) {
    const valid = WebAssembly.validate(bytes);
    try {
      const metered = meter(bytes, LIMITS);
      if (valid) expect(WebAssembly.validate(metered as Uint8Array<ArrayBuffer>)).toBe(true);
      rewritten++;
    } catch (error) {
      expect(error).toBeInstanceOf(MalformedModule);
    }
  }

  expect(rewritten).toBeGreaterThan(100);
});

test("a large module is rewritten in pieces", () => {
  const body = new WasmWriter();
  body.u8(0);
  body.raw(new Uint8Array(300_000).fill(0x01)); // nop
  body.u8(0x0b);
  const code = new WasmWriter();
  code.u8(2);
  code.sized(body);
  code.sized(body);
  const bytes = new WasmWriter();
  bytes.raw([...HEADER, 1, 4, 1, 0x60, 0, 0, 3, 3, 2, 0, 0, 10]);
  bytes.sized(code);
  const steps = [...meterSteps(bytes.view(), LIMITS)];

  expect(steps).toHaveLength(2);
  expect(WebAssembly.validate(meter(bytes.view(), LIMITS) as Uint8Array<ArrayBuffer>)).toBe(true);
});

test("numbers are written as they are read", () => {
  const writer = new WasmWriter();
  for (const n of [0, 1, 127, 128, 16_384, 2 ** 32 - 1]) writer.u32(n);
  writer.s32(-1);
  writer.s32(64);
  const reader = new WasmReader(writer.view());

  expect([0, 1, 2, 3, 4, 5].map(() => reader.u32())).toEqual([0, 1, 127, 128, 16_384, 2 ** 32 - 1]);
  expect([...writer.view().subarray(reader.at)]).toEqual([0x7f, 0xc0, 0x00]);
});

function run(wat: string) {
  const bytes = assemble(wat);
  expect(WebAssembly.validate(bytes as Uint8Array<ArrayBuffer>)).toBe(true);
  const module = new WebAssembly.Module(meter(bytes, LIMITS) as Uint8Array<ArrayBuffer>);
  const exports = new WebAssembly.Instance(module).exports as Record<string, (...args: number[]) => number>;
  return {
    fill: (units: number) => exports[FUEL_SET]!(units),
    fuel: () => exports[FUEL_GET]!(),
    call: (name: string, ...args: number[]) => exports[name]!(...args),
  };
}

const HEADER = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];

function moduleWith(section: number, content: readonly number[]): Uint8Array<ArrayBuffer> {
  return new Uint8Array([...HEADER, section, content.length, ...content]);
}

/** (func (export "f") i32.const 0 call <callee>) with the callee (i32) → (). */
function moduleCalling(callee: number): Uint8Array<ArrayBuffer> {
  const sections = [
    1,
    4,
    1,
    0x60,
    0,
    0,
    3,
    2,
    1,
    0,
    7,
    5,
    1,
    1,
    0x66,
    0,
    0,
    10,
    8,
    1,
    6,
    0,
    0x41,
    0,
    0x10,
    callee,
    0x0b,
  ];
  return new Uint8Array([...HEADER, ...sections]);
}

/** Copies with one or two bytes changed, always the same ones. */
function* mutations(seed: Uint8Array, count: number): Generator<Uint8Array<ArrayBuffer>> {
  let state = 1;
  const next = (below: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % below;
  };
  for (let i = 0; i < count; i++) {
    const bytes = new Uint8Array(seed);
    for (let k = next(2); k >= 0; k--) bytes[8 + next(seed.length - 8)] = next(256);
    yield bytes;
  }
}
