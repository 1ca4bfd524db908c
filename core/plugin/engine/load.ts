import { type Clock, messageOf } from "../../base/mod.ts";
import type { PluginModel } from "../model.ts";
import { meterSteps } from "../wasm/mod.ts";
import { ALLOWED_IMPORTS } from "./host.ts";
import { ON_REQUEST } from "./instance.ts";
import { StuckAt } from "./rejected.ts";

/** Largest module that is loaded. */
export const MAX_MODULE_BYTES = 16 * 2 ** 20;
const MAX_TABLE_ENTRIES = 100_000;

/** Gives the bytes of a module by its hash. */
export type BlobSource = (sha256: string) => Promise<Uint8Array>;

/**
 * Turns the bytes of a plugin into a module that may run here: right bytes,
 * right size, valid, wants nothing we do not offer, runs out of fuel.
 *
 * The original is compiled first, off this thread: that is its validation, and
 * the rewriter relies on it. The rewriter pauses between pieces.
 *
 * @throws {StuckAt} with the step and the reason.
 */
export async function loadModule(model: PluginModel, blob: BlobSource, clock: Clock): Promise<WebAssembly.Module> {
  const bytes = await fetchBytes(model, blob);
  const original = await compile(bytes, "validate");
  checkImports(original);
  checkExports(original);
  const metered = await rewrite(bytes, model.limits.memoryPages, clock);
  return await compile(metered, "compile");
}

async function fetchBytes(model: PluginModel, blob: BlobSource): Promise<Uint8Array> {
  const bytes = await blob(model.sha256).catch((error) => {
    throw new StuckAt("fetch", messageOf(error));
  });
  if (bytes.length > MAX_MODULE_BYTES)
    throw new StuckAt("size", `it has ${bytes.length} bytes, and may have ${MAX_MODULE_BYTES}`);
  const sha256 = new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
  if (sha256 !== model.sha256.toLowerCase())
    throw new StuckAt("hash", `the SHA-256 of its bytes is ${sha256}, not ${model.sha256}`);
  return bytes;
}

async function compile(bytes: Uint8Array, step: "validate" | "compile"): Promise<WebAssembly.Module> {
  try {
    return await WebAssembly.compile(bytes as Uint8Array<ArrayBuffer>);
  } catch (error) {
    throw new StuckAt(step, messageOf(error));
  }
}

function checkImports(module: WebAssembly.Module): void {
  const strangers = WebAssembly.Module.imports(module)
    .filter((wanted) => wanted.kind !== "function" || !ALLOWED_IMPORTS.has(`${wanted.module}.${wanted.name}`))
    .map((wanted) => `${wanted.kind} "${wanted.module}.${wanted.name}"`);
  if (strangers.length > 0) throw new StuckAt("imports", `it wants ${strangers.slice(0, 5).join(", ")}`);
}

function checkExports(module: WebAssembly.Module): void {
  const found = WebAssembly.Module.exports(module).some((own) => own.kind === "function" && own.name === ON_REQUEST);
  if (!found) throw new StuckAt("exports", `it does not export the function "${ON_REQUEST}"`);
}

async function rewrite(bytes: Uint8Array, maxPages: number, clock: Clock): Promise<Uint8Array> {
  try {
    const steps = meterSteps(bytes, { maxPages, maxTableEntries: MAX_TABLE_ENTRIES });
    for (let step = steps.next(); ; step = steps.next()) {
      if (step.done) return step.value;
      await new Promise<void>((resolve) => clock.after(0, resolve));
    }
  } catch (error) {
    throw new StuckAt("meter", messageOf(error));
  }
}
