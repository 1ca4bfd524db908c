import apiKey from "./api-key/api-key.wasm" with { type: "file" };
import canary from "./canary/canary.wasm" with { type: "file" };
import rateLimit from "./rate-limit/rate-limit.wasm" with { type: "file" };

/** Where the shipped policies lie: beside their sources, or inside the binary. */
const PATHS: Readonly<Record<string, string>> = { "api-key": apiKey, canary, "rate-limit": rateLimit };

/** A policy that ships with mesh, written `builtin:<name>` in a Plugin. */
export interface Builtin {
  readonly bytes: Uint8Array;
  readonly sha256: string;
}

export function builtinNames(): readonly string[] {
  return Object.keys(PATHS);
}

/** Reads a shipped policy; null where there is none of this name. */
export async function builtin(name: string): Promise<Builtin | null> {
  if (!Object.hasOwn(PATHS, name)) return null;
  const bytes = await Bun.file(PATHS[name]!).bytes();
  return { bytes, sha256: new Bun.CryptoHasher("sha256").update(bytes).digest("hex") };
}
