import { KERNEL_BASE64 } from "./bytes.ts";

/**
 * The memory an Extism guest talks to, as a WASM module of its own.
 * @module
 */

/** What a guest may import of the kernel, by the names of Extism. */
export const KERNEL_IMPORTS = [
  "alloc",
  "free",
  "length",
  "length_unsafe",
  "load_u8",
  "load_u64",
  "store_u8",
  "store_u64",
  "input_offset",
  "input_length",
  "input_load_u8",
  "input_load_u64",
  "output_set",
  "error_set",
] as const;

/** The exports of a kernel; addresses are bytes in `memory`. */
export interface KernelExports {
  readonly memory: WebAssembly.Memory;
  /** What only the host calls. */
  readonly begin: (bytes: number) => number;
  readonly seal: (bytes: number) => void;
  readonly size: (block: number) => number;
  /** What a guest may import. */
  readonly alloc: (bytes: bigint) => bigint;
  readonly free: (block: bigint) => void;
  readonly length: (block: bigint) => bigint;
  readonly length_unsafe: (block: bigint) => bigint;
  readonly load_u8: (at: bigint) => number;
  readonly load_u64: (at: bigint) => bigint;
  readonly store_u8: (at: bigint, value: number) => void;
  readonly store_u64: (at: bigint, value: bigint) => void;
  readonly input_offset: () => bigint;
  readonly input_length: () => bigint;
  readonly input_load_u8: (at: bigint) => number;
  readonly input_load_u64: (at: bigint) => bigint;
  readonly output_set: (at: bigint, bytes: bigint) => void;
  readonly error_set: (block: bigint) => void;
}

/** Words of page 0, as indexes of an Int32Array. */
export const KernelWord = { Output: 0, OutputLength: 1, Error: 2, ErrorLength: 3 } as const;

/** Compiles the kernel. It is small; an engine does it once. */
export function compileKernel(): WebAssembly.Module {
  return new WebAssembly.Module(Buffer.from(KERNEL_BASE64, "base64"));
}

/** A kernel for one guest instance. */
export function startKernel(module: WebAssembly.Module): KernelExports {
  return new WebAssembly.Instance(module).exports as unknown as KernelExports;
}
