import type { CompiledDirectory } from "./model.ts";

/** A line of JSON with everything but the modules, whose bytes follow in the order of the line. */
interface Head extends Omit<CompiledDirectory, "blobs"> {
  readonly blobs: readonly { readonly sha256: string; readonly length: number }[];
}

const NEWLINE = 0x0a;

/** The compiled as bytes for another process. */
export function encodeCompiled({ resources, problems, blobs }: CompiledDirectory): Uint8Array {
  const sizes = Array.from(blobs, ([sha256, { length }]) => ({ sha256, length }));
  const head: Head = { resources, problems, blobs: sizes };
  return Buffer.concat([Buffer.from(`${JSON.stringify(head)}\n`), ...blobs.values()]);
}

/** The opposite of `encodeCompiled`. @throws {SyntaxError} for bytes that are not whole. */
export function decodeCompiled(bytes: Uint8Array): CompiledDirectory {
  const end = bytes.indexOf(NEWLINE);
  const { resources, problems, blobs } = JSON.parse(Buffer.from(bytes.subarray(0, end)).toString()) as Head;
  let at = end + 1;
  const modules = new Map<string, Uint8Array>();
  for (const { sha256, length } of blobs) {
    // A copy: what is kept of one module must not keep all the others.
    modules.set(sha256, bytes.slice(at, at + length));
    at += length;
  }
  if (at !== bytes.length) throw new SyntaxError(`${bytes.length} bytes instead of ${at}`);
  return { resources, problems, blobs: modules };
}
