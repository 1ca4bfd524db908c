import { chmod, mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { messageOf } from "../base/mod.ts";
import type { Svid } from "../identity/mod.ts";
import type { SnapshotModel } from "../snapshot/mod.ts";
import { lockDirectory } from "./lock.ts";

/** What a proxy keeps so that it can serve without a control plane. */
export interface LastGood {
  readonly model: SnapshotModel;
  /** Hosts and the services they meant: the learned set. */
  readonly hosts: Readonly<Record<string, string | null>>;
}

const SVID_FILE = "svid.json";
const SNAPSHOT_FILE = "snapshot.json";
const PROXY_FILE = "proxy-id";
const BLOBS = "plugins";
/** What a file is called until it is whole. */
const TEMPORARY = ".tmp";

/**
 * A proxy's own directory: its identity with the private key, its last good
 * snapshot, the plugins of it, and its name among its peers. Files are
 * replaced whole, and what was damaged is treated as absent.
 */
export class Disk {
  readonly #directory: string;
  readonly #warn: (message: string) => void;
  /** Plugins of a snapshot that is still being tried: not named by the kept one yet. */
  readonly #fresh = new Set<string>();

  readonly #unlock: () => Promise<void>;

  private constructor(directory: string, warn: (message: string) => void, unlock: () => Promise<void>) {
    this.#directory = directory;
    this.#warn = warn;
    this.#unlock = unlock;
  }

  /**
   * Opens the directory, made if need be, readable by its owner only, and used by one process only.
   *
   * @throws {DirectoryInUse}
   */
  static async open(directory: string, warn: (message: string) => void): Promise<Disk> {
    await mkdir(join(directory, BLOBS), { recursive: true, mode: 0o700 });
    await chmod(directory, 0o700);
    return new Disk(directory, warn, await lockDirectory(directory));
  }

  /** Gives the directory free; what it keeps stays. */
  async close(): Promise<void> {
    await this.#unlock();
  }

  /** The name kept here, or the given one, kept from now on. */
  async proxyId(fresh: string): Promise<string> {
    const kept = await this.#read(PROXY_FILE);
    if (kept !== null && /^[0-9a-z-]{1,64}$/.test(kept.toString())) return kept.toString();
    await this.#write(PROXY_FILE, fresh);
    return fresh;
  }

  async loadSvid(): Promise<Svid | null> {
    return await this.#load<Svid>(SVID_FILE);
  }

  async saveSvid(svid: Svid): Promise<void> {
    await this.#save(SVID_FILE, svid);
  }

  async loadSnapshot(): Promise<LastGood | null> {
    return await this.#load<LastGood>(SNAPSHOT_FILE);
  }

  /** Keeps a snapshot, and of the plugins only those it names. */
  async saveSnapshot(good: LastGood): Promise<void> {
    await this.#save(SNAPSHOT_FILE, good);
    const named = new Set(good.model.resources.flatMap((r) => (r.kind === "plugin" ? [r.model.sha256] : [])));
    for (const sha256 of named) this.#fresh.delete(sha256);
    for (const name of await readdir(join(this.#directory, BLOBS))) {
      // One that is still being written has its own name only when it is whole.
      const sha256 = name.replace(TEMPORARY, "");
      if (!named.has(sha256) && !this.#fresh.has(sha256)) await rm(join(this.#directory, BLOBS, name), { force: true });
    }
  }

  /** Bytes kept under their SHA-256, checked again. */
  async loadBlob(sha256: string): Promise<Uint8Array | null> {
    const bytes = await this.#read(join(BLOBS, sha256));
    if (bytes === null) return null;
    if (sha256Hex(bytes) === sha256) return bytes;
    this.#warn(`Cannot use the kept plugin ${sha256.slice(0, 12)}: its bytes have another SHA-256; fetching it again`);
    return null;
  }

  async saveBlob(sha256: string, bytes: Uint8Array): Promise<void> {
    this.#fresh.add(sha256);
    await this.#write(join(BLOBS, sha256), bytes);
  }

  /** First line: SHA-256 of the rest. */
  async #load<T>(name: string): Promise<T | null> {
    const bytes = await this.#read(name);
    if (bytes === null) return null;
    const end = bytes.indexOf(0x0a);
    const body = bytes.subarray(end + 1);
    if (end < 0 || bytes.subarray(0, end).toString() !== sha256Hex(body)) {
      this.#warn(`Cannot use ${join(this.#directory, name)}: it is damaged; going on as if it were absent`);
      return null;
    }
    return JSON.parse(body.toString()) as T;
  }

  async #save(name: string, value: object): Promise<void> {
    const body = JSON.stringify(value);
    await this.#write(name, `${sha256Hex(Buffer.from(body))}\n${body}`);
  }

  async #read(name: string): Promise<Buffer | null> {
    try {
      return await readFile(join(this.#directory, name));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT")
        this.#warn(`Cannot read ${join(this.#directory, name)}: ${messageOf(error)}`);
      return null;
    }
  }

  /** A reader sees the old file or the new one, never a part, even after a power cut. */
  async #write(name: string, body: string | Uint8Array): Promise<void> {
    const path = join(this.#directory, name);
    const file = await open(path + TEMPORARY, "w", 0o600);
    try {
      await file.writeFile(body);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(path + TEMPORARY, path);
  }
}

export function sha256Hex(bytes: Uint8Array): string {
  return new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
}
