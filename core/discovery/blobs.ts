import { type Disk, sha256Hex } from "./disk.ts";
import { BadBlob } from "./stream.ts";

/** Where bytes come from that are not on the disk. */
export type FetchBlob = (sha256: string) => Promise<Uint8Array>;

/** Plugins by the hash of their bytes: from the disk, else from the control plane, once for all who ask. */
export class Blobs {
  readonly #disk: Disk | null;
  readonly #fetch: FetchBlob;
  readonly #coming = new Map<string, Promise<Uint8Array>>();

  constructor(disk: Disk | null, fetch: FetchBlob) {
    this.#disk = disk;
    this.#fetch = fetch;
  }

  /** @throws {BadBlob} when the bytes are not what their name says. */
  get(sha256: string): Promise<Uint8Array> {
    const coming = this.#coming.get(sha256);
    if (coming !== undefined) return coming;
    const loading = this.#load(sha256).finally(() => this.#coming.delete(sha256));
    this.#coming.set(sha256, loading);
    return loading;
  }

  async #load(sha256: string): Promise<Uint8Array> {
    // It becomes a file name.
    if (!/^[0-9a-f]{64}$/.test(sha256))
      throw new BadBlob(`Cannot fetch a plugin: "${sha256.slice(0, 80)}" is no SHA-256`);
    const kept = await this.#disk?.loadBlob(sha256);
    if (kept) return kept;
    const bytes = await this.#fetch(sha256);
    if (sha256Hex(bytes) !== sha256)
      throw new BadBlob(`Cannot use ${sha256.slice(0, 12)}: its bytes have another SHA-256`);
    await this.#disk?.saveBlob(sha256, bytes);
    return bytes;
  }
}
