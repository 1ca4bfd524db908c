import { type FSWatcher, watch as watchPath } from "node:fs";
import type { Clock, Timer } from "../../base/mod.ts";

/** A directory under watch. */
export interface Watched {
  close(): void;
}

/** Editors write in several steps, and a mounted ConfigMap changes by a few renames: one reload is enough for all. */
const DEBOUNCE_MS = 50;

/** Whoever never stops writing must not keep a change from being seen for longer. */
const MAX_UNSETTLED_MS = 1000;

/** Events get lost: on network file systems, behind links, when the kernel's queue is full. */
const POLL_MS = 5000;

/** What was found in a directory, as far as a watch must know. */
export interface Watchable {
  /** The directories in which a change may change something. */
  readonly directories: readonly string[];
}

export interface WatchOptions<T extends Watchable> {
  readonly root: string;
  readonly clock: Clock;
  /** Looks at the directory; `before` is what was found the last time. */
  readonly load: (before: T | null) => Promise<T>;
  readonly isSame: (a: T, b: T) => boolean;
  /** Told when something has changed; the next look waits for what it returns. */
  readonly onChange: (loaded: T) => Promise<void> | void;
  /** What the caller runs already; null where it is to be told of whatever there is. */
  readonly first: T | null;
}

/**
 * Looks at a directory anew whenever its manifests may have changed, and tells
 * of it when they have.
 */
export function watch<T extends Watchable>(options: WatchOptions<T>): Watched {
  return new DirectoryWatch(options);
}

class DirectoryWatch<T extends Watchable> implements Watched {
  readonly #options: WatchOptions<T>;
  readonly #watchers = new Map<string, FSWatcher>();
  readonly #poll: Timer;
  #debounce: Timer | null = null;
  /** When the first change came that no load has taken in; null where all are. */
  #unsettledAt: number | null = null;
  #loaded: T | null;
  #loading = false;
  /** Something changed while a load was under way: what it reads may be half of each. */
  #again = false;
  #closed = false;

  constructor(options: WatchOptions<T>) {
    const { root, clock, first } = options;
    this.#options = options;
    this.#loaded = first;
    this.#watch(first?.directories ?? [root]);
    this.#poll = clock.every(POLL_MS, () => {
      if (this.#debounce === null) void this.#reload();
    });
    // Also with a first load in hand: it may have changed before the watch began.
    void this.#reload();
  }

  close(): void {
    this.#closed = true;
    this.#poll.cancel();
    this.#debounce?.cancel();
    this.#watch([]);
  }

  #touched(): void {
    this.#unsettledAt ??= this.#options.clock.monotonic();
    if (this.#debounce !== null && !this.#isUnsettled()) return;
    this.#debounce?.cancel();
    this.#debounce = this.#options.clock.after(DEBOUNCE_MS, () => {
      this.#debounce = null;
      void this.#reload();
    });
  }

  /** True while it may be somebody still writing. */
  #isUnsettled(): boolean {
    return this.#unsettledAt !== null && this.#options.clock.monotonic() - this.#unsettledAt < MAX_UNSETTLED_MS;
  }

  async #reload(): Promise<void> {
    if (this.#loading) {
      this.#again = true;
      return;
    }
    this.#loading = true;
    do {
      this.#again = false;
      await this.#load();
    } while (this.#again && !this.#closed);
    this.#loading = false;
  }

  async #load(): Promise<void> {
    const { load, isSame, onChange } = this.#options;
    const before = this.#loaded;
    const loaded = await load(before);
    if (this.#closed) return;
    // A directory that is new to the watch may have changed between its reading and now.
    if (this.#watch(loaded.directories)) this.#again = true;
    // A file that was written to meanwhile may have been read by half: the next load sees it whole.
    if (this.#debounce !== null && this.#isUnsettled()) return;
    if (this.#debounce === null) this.#unsettledAt = null;
    if (before !== null && isSame(before, loaded)) return;
    this.#loaded = loaded;
    await onChange(loaded);
  }

  /** Watches directories, not files: a link that is swapped is seen only by what holds it. True when one is new. */
  #watch(directories: readonly string[]): boolean {
    for (const [path, watcher] of this.#watchers) {
      if (directories.includes(path)) continue;
      watcher.close();
      this.#watchers.delete(path);
    }
    const added = directories.filter((path) => !this.#watchers.has(path));
    return added.filter((path) => this.#open(path)).length > 0;
  }

  #open(path: string): boolean {
    try {
      const watcher = watchPath(path, () => this.#touched());
      // What cannot be watched is polled, and tried again after the next load.
      watcher.on("error", () => this.#forget(path, watcher));
      this.#watchers.set(path, watcher);
      return true;
    } catch {
      return false;
    }
  }

  #forget(path: string, watcher: FSWatcher): void {
    watcher.close();
    if (this.#watchers.get(path) === watcher) this.#watchers.delete(path);
  }
}
