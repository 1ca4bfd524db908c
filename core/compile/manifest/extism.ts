import { posix } from "node:path";
import { parse, YAMLParseError } from "yaml";
import { loadManifest, ManifestRejected } from "../../plugin/extism/mod.ts";
import type { Module } from "../model.ts";

/** A file that ends so is an Extism manifest; every other one is a module. */
const MANIFEST = /\.(ya?ml|json)$/i;

/**
 * Reads what `source.file` of a Plugin names: a module, or an Extism manifest
 * with one. A manifest is packed with its module, so that both can be sent and
 * kept as one file.
 *
 * @throws {Error} when a file cannot be read, and {ManifestRejected}.
 */
export async function readPacked(path: string, readFile: (path: string) => Promise<Uint8Array>): Promise<Module> {
  const source = await readFile(path);
  if (!MANIFEST.test(path))
    return { sha256: new Bun.CryptoHasher("sha256").update(source).digest("hex"), bytes: source };
  // A module is named relative to its manifest, as the manifest is to its Plugin.
  const beside = (name: string) => readFile(posix.isAbsolute(name) ? name : posix.join(posix.dirname(path), name));
  const { bytes, sha256, config } = await loadManifest(parsed(source), beside);
  return { sha256, bytes, config, source: packed(bytes, config) };
}

function parsed(source: Uint8Array): unknown {
  try {
    return parse(new TextDecoder("utf-8", { fatal: true }).decode(source));
  } catch (cause) {
    const why = cause instanceof YAMLParseError ? cause.message.split("\n")[0]!.replace(/:$/, "") : "it is not text";
    throw new ManifestRejected(why);
  }
}

function packed(bytes: Uint8Array, config: Readonly<Record<string, string>>): Uint8Array {
  return Buffer.from(JSON.stringify({ wasm: [{ data: Buffer.from(bytes).toString("base64") }], config }));
}
