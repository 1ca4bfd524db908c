import type { Problem } from "../../config/mod.ts";
import type { Resource } from "../../snapshot/mod.ts";

/** What a directory of manifests means to a proxy. */
export interface CompiledDirectory {
  /** Empty where an error is among the problems. */
  readonly resources: readonly Resource[];
  /** Modules of the plugins by SHA-256. */
  readonly blobs: ReadonlyMap<string, Uint8Array>;
  readonly problems: readonly Problem[];
}

/** Makes of a directory what proxies run. Never rejects for what users wrote: that is told in `problems`. */
export type DirectoryCompiler = (directory: string) => Promise<CompiledDirectory>;
