import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A folder that is gone, with all in it, when the test ends. */
export interface Folder {
  readonly path: string;
  /** Writes a file; returns its path. */
  write(name: string, content: string | Uint8Array): Promise<string>;
  [Symbol.asyncDispose](): Promise<void>;
}

export function temporaryFolder(): Folder {
  const path = mkdtempSync(join(tmpdir(), "mesh-"));
  return {
    path,
    async write(name, content) {
      await Bun.write(join(path, name), content);
      return join(path, name);
    },
    [Symbol.asyncDispose]: async () => rmSync(path, { recursive: true, force: true }),
  };
}
