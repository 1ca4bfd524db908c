import type { Clock, Timer } from "../base/mod.ts";
import type { Compiled } from "../compile/mod.ts";
import { contentHash, type Published, publish, sequenceOf } from "./published.ts";

export interface PublisherOptions {
  readonly clock: Clock;
  /** Changes that come together are compiled together. */
  readonly debounceMs: number;
  /** Revision of the last run, so that numbers never go back. */
  readonly last: string | null;
  readonly compile: () => Compiled;
  /** Keeps the revision, and what must survive of it, before anybody hears of it. */
  readonly keep: (revision: string, compiled: Compiled) => Promise<void>;
  readonly published: (compiled: Compiled) => void;
  readonly failed: (error: unknown) => void;
}

/**
 * Compiles what there is whenever it changes, and numbers what came out. The
 * same content keeps its revision, across restarts too.
 */
export class Publisher {
  readonly #options: PublisherOptions;
  readonly #blobs = new Map<string, Uint8Array>();
  #current: Published | null = null;
  #revision: string;
  #timer: Timer | null = null;
  #running: Promise<void> | null = null;
  #dirty = false;
  #waiting: (() => void)[] = [];
  #closed = false;

  constructor(options: PublisherOptions) {
    this.#options = options;
    this.#revision = options.last ?? "0-00000000";
  }

  get current(): Published | null {
    return this.#current;
  }

  /** Bytes of a plugin of the newest revision or of the one before, which a slow proxy may still be taking in. */
  blob(sha256: string): Uint8Array | null {
    return this.#blobs.get(sha256) ?? null;
  }

  /** Something that goes into the compilation has changed. */
  changed(): void {
    this.#dirty = true;
    if (this.#closed || this.#timer !== null || this.#running !== null) return;
    this.#timer = this.#options.clock.after(this.#options.debounceMs, () => void this.flush());
  }

  /** Compiles now; resolves when everything that had changed by then is published. */
  async flush(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = null;
    while (this.#dirty && !this.#closed) {
      this.#running ??= this.#run().finally(() => {
        this.#running = null;
      });
      await this.#running;
    }
    await this.#running;
  }

  /** Resolves when what had changed by now is published, with whatever comes within the debounce. */
  settled(): Promise<void> {
    if (!this.#dirty) return this.#running ?? Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  async #run(): Promise<void> {
    this.#dirty = false;
    const waiting = this.#waiting.splice(0);
    try {
      const compiled = this.#options.compile();
      const hash = contentHash(compiled.resources);
      if (!this.#revision.endsWith(`-${hash}`)) await this.#number(hash, compiled);
      this.#take(compiled);
    } catch (error) {
      this.#options.failed(error);
    } finally {
      for (const resolve of waiting) resolve();
    }
  }

  async #number(hash: string, compiled: Compiled): Promise<void> {
    const revision = `${sequenceOf(this.#revision) + 1}-${hash}`;
    await this.#options.keep(revision, compiled);
    this.#revision = revision;
  }

  #take(compiled: Compiled): void {
    const before = new Set(pluginHashes(this.#current));
    this.#current = publish(this.#revision, compiled.resources, this.#options.clock.monotonic());
    for (const [sha256, bytes] of compiled.blobs) this.#blobs.set(sha256, bytes);
    for (const sha256 of this.#blobs.keys())
      if (!compiled.blobs.has(sha256) && !before.has(sha256)) this.#blobs.delete(sha256);
    this.#options.published(compiled);
  }
}

function pluginHashes(published: Published | null): string[] {
  const resources = [...(published?.resources.values() ?? [])];
  return resources.flatMap((resource) => (resource.kind === "plugin" ? [resource.model.sha256] : []));
}
