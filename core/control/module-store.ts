import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ModuleStore } from "./applied.ts";

/** Modules of applied plugins as files called by their SHA-256. */
export function modulesIn(directory: string): ModuleStore {
  return {
    async put(sha256, bytes) {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      const path = join(directory, sha256);
      await writeFile(`${path}.tmp`, bytes, { mode: 0o600, flush: true });
      await rename(`${path}.tmp`, path);
    },
    async get(sha256) {
      const bytes = await readFile(join(directory, sha256)).catch(() => null);
      if (bytes === null) return null;
      return new Bun.CryptoHasher("sha256").update(bytes).digest("hex") === sha256 ? bytes : null;
    },
  };
}
