import { expect, test } from "bun:test";
import { assemble } from "./build.ts";
import { KERNEL_BASE64 } from "./bytes.ts";
import { compileKernel, type KernelExports, KernelWord, startKernel } from "./mod.ts";

const HEAP = 65_536;

test("the committed bytes are those of the source", async () => {
  const source = await Bun.file(new URL("kernel.wat", import.meta.url)).text();

  expect(Buffer.from(assemble(source)).toString("base64")).toBe(KERNEL_BASE64);
});

test("blocks are apart, know their length, and are reached inside the heap only", () => {
  const kernel = begun("input");
  const a = kernel.alloc(5n);
  const b = kernel.alloc(16n);

  expect([kernel.length(a), kernel.length(b), kernel.length(a + 1n), kernel.length(0n)]).toEqual([5n, 16n, 0n, 0n]);
  expect(b - a).toBeGreaterThanOrEqual(5n);
  kernel.store_u64(b + 8n, 7n);
  expect(kernel.load_u64(b + 8n)).toBe(7n);
  for (const at of [0n, 1n, BigInt(HEAP - 1), BigInt(HEAP - 8), b + 16n, b + 9n, 2n ** 32n + b, -1n, 2n ** 63n - 1n]) {
    expect(() => kernel.load_u64(at)).toThrow();
    expect(() => kernel.store_u64(at, 1n)).toThrow();
  }
});

test("the input is read to its end and no further", () => {
  const kernel = begun("0123456789");

  expect(kernel.input_length()).toBe(10n);
  expect(kernel.input_load_u8(9n)).toBe(0x39);
  expect(Buffer.from(new BigInt64Array([kernel.input_load_u64(2n)]).buffer).toString()).toBe("23456789");
  for (const at of [3n, 10n, -1n, 2n ** 32n]) expect(() => kernel.input_load_u64(at)).toThrow();
  expect(() => kernel.input_load_u8(10n)).toThrow();
});

test("output and error must be what the guest was given", () => {
  const kernel = begun("x");
  const block = kernel.alloc(10n);

  kernel.output_set(block, 10n);
  expect(words(kernel)).toEqual([Number(block), 10, 0, 0]);
  for (const [at, length] of [
    [block, 4_000_000_000n],
    [block, -1n],
    [0n, 10n],
    [8n, 8n],
    [-8n, 16n],
    [block, 1000n],
  ] as const) {
    expect(() => kernel.output_set(at, length)).toThrow();
  }
  kernel.error_set(block);
  expect(words(kernel)[KernelWord.ErrorLength]).toBe(10);
  expect(() => kernel.error_set(block + 1n)).toThrow();
});

test("a call finds nothing of the one before", () => {
  const kernel = begun("first call's secret");
  const block = kernel.alloc(64n);
  for (let i = 0n; i < 64n; i += 8n) kernel.store_u64(block + i, 0x5555555555555555n);
  kernel.output_set(block, 64n);

  write(kernel, "second");

  expect(words(kernel)).toEqual([0, 0, 0, 0]);
  const again = kernel.alloc(256n);
  for (let i = 0n; i < 256n; i += 8n) expect(kernel.load_u64(again + i)).toBe(0n);
});

test("memory has an end: an allocation past it gives 0, and so does one too many", () => {
  const kernel = begun("x");

  expect(kernel.alloc(2n ** 40n)).toBe(0n);
  expect(kernel.alloc(-1n)).toBe(0n);
  expect(kernel.alloc(3_000_000n)).not.toBe(0n);
  expect(kernel.alloc(3_000_000n)).toBe(0n);
  expect(kernel.memory.buffer.byteLength).toBeLessThanOrEqual(64 * 65_536);
  let last = 1n;
  let blocks = 0;
  for (; last !== 0n && blocks < 10_000; blocks++) last = kernel.alloc(1n);
  expect(blocks).toBeLessThan(8_064);
});

test("the newest block can be given back, the input cannot", () => {
  const kernel = begun("x");
  const a = kernel.alloc(100n);
  kernel.free(a);
  kernel.free(BigInt(HEAP));

  expect(kernel.alloc(10n)).toBe(a);
  expect(kernel.input_load_u8(0n)).toBe(0x78);
});

function begun(input: string): KernelExports {
  const kernel = startKernel(compileKernel());
  write(kernel, input);
  return kernel;
}

function write(kernel: KernelExports, input: string): void {
  const at = kernel.begin(input.length + 100);
  Buffer.from(kernel.memory.buffer).write(input, at, "latin1");
  kernel.seal(input.length);
}

function words(kernel: KernelExports): number[] {
  return [...new Int32Array(kernel.memory.buffer, 0, 4)];
}
