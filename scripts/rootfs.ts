/**
 * Assembles dist/rootfs for the Containerfile: `npm run rootfs`. The binary,
 * and each shared library it is linked with, at the path where the loader
 * looks for it.
 * @module
 */
import { chmodSync, copyFileSync, mkdirSync, realpathSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { $ } from "bun";
import { BINARY, build, isStale } from "./build.ts";

/** Where the root of the image stands once assembled. */
export const ROOTFS: string = join(dirname(BINARY), "rootfs");

/** Builds the binary if it is stale, and lays out the image's root afresh. */
export async function assembleRootfs(): Promise<void> {
  if (isStale()) await build();
  rmSync(ROOTFS, { recursive: true, force: true });
  place(BINARY, "/mesh");
  for (const library of await libraries()) place(library, library);
}

/** Absolute paths of the libraries and the loader, as the loader of this machine resolves them. */
async function libraries(): Promise<string[]> {
  const linked = await $`ldd ${BINARY}`.text();
  return [...linked.matchAll(/(?:^|\s)(\/\S+)\s+\(0x/gm)].map(([, path]) => path!);
}

function place(file: string, path: string): void {
  const target = join(ROOTFS, path);
  mkdirSync(dirname(target), { recursive: true });
  copyFileSync(realpathSync(file), target);
  chmodSync(target, 0o755);
}

if (import.meta.main) await assembleRootfs();
