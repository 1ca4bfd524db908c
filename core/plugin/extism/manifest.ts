import type { Manifest } from "@extism/extism";
import { MeshError } from "../../base/mod.ts";

/** A manifest that cannot become a policy. */
export class ManifestRejected extends MeshError {
  override readonly name = "ManifestRejected";
  readonly code = "MESH_MANIFEST_REJECTED";
  readonly source = "mesh";

  constructor(problem: string) {
    super(`Cannot load the Extism manifest: ${problem}`);
  }
}

/** What a manifest comes to. */
export interface LoadedManifest {
  readonly bytes: Uint8Array;
  readonly sha256: string;
  readonly config: Readonly<Record<string, string>>;
}

/** The one module of a policy's manifest: Extism can link several, a policy is one. */
type Entry = Manifest["wasm"][number];

/**
 * Reads an Extism manifest: gets its module and checks it against the hash
 * that stands there. Nothing is instantiated, for the module has not been
 * made safe yet. Paths are read by what is given; URLs are not fetched here.
 *
 * @throws {ManifestRejected}
 */
export async function loadManifest(
  manifest: unknown,
  readFile: (path: string) => Promise<Uint8Array>,
): Promise<LoadedManifest> {
  if (!isObject(manifest)) throw new ManifestRejected("it is not an object");
  const entry = entryOf(manifest["wasm"]);
  const bytes = await bytesOf(entry, readFile);
  const sha256 = new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
  if (entry.hash !== undefined && entry.hash.toLowerCase() !== sha256)
    throw new ManifestRejected(`the SHA-256 of the module is ${sha256}, not ${entry.hash}`);
  if (Array.isArray(manifest["allowed_hosts"]) && manifest["allowed_hosts"].length > 0)
    throw new ManifestRejected('"allowed_hosts" asks for a network, and policies have none');
  return { bytes, sha256, config: configOf(manifest["config"] ?? {}) };
}

function entryOf(wasm: unknown): Entry {
  const entries = Array.isArray(wasm) ? wasm : [wasm];
  const [entry] = entries;
  if (entries.length !== 1 || !isObject(entry)) throw new ManifestRejected('"wasm" is not one module');
  if (entry["hash"] !== undefined && typeof entry["hash"] !== "string")
    throw new ManifestRejected('"hash" is not text');
  return entry as unknown as Entry;
}

async function bytesOf(entry: Entry, readFile: (path: string) => Promise<Uint8Array>): Promise<Uint8Array> {
  if ("path" in entry && typeof entry.path === "string") return await readFile(entry.path);
  if ("data" in entry && entry.data instanceof Uint8Array) return entry.data;
  if ("data" in entry && typeof entry.data === "string") return Buffer.from(entry.data, "base64");
  throw new ManifestRejected('its module has no "path" and no "data"');
}

function configOf(config: unknown): Readonly<Record<string, string>> {
  if (!isObject(config)) throw new ManifestRejected('"config" is not an object');
  const odd = Object.keys(config).find((key) => typeof config[key] !== "string");
  if (odd !== undefined) throw new ManifestRejected(`the value of "${odd}" in "config" is not text`);
  return config as Readonly<Record<string, string>>;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
