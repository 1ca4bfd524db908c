import { type FSWatcher, watch } from "node:fs";
import { type Clock, messageOf, type Timer } from "../../base/mod.ts";
import { problemOf } from "../../config/mod.ts";
import { type LoadedDirectory, loadDirectory } from "./directory.ts";

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

/**
 * Loads a directory anew whenever its manifests may have changed, and tells of
 * it when they have. `first` is what the caller runs already.
 */
export function watchDirectory(
  root: string,
  clock: Clock,
  onChange: (loaded: LoadedDirectory) => void,
  first: LoadedDirectory | null = null,
): Watched {
  return new DirectoryWatch(root, clock, onChange, first);
}

class DirectoryWatch implements Watched {
  readonly #root: string;
  readonly #clock: Clock;
  readonly #onChange: (loaded: LoadedDirectory) => void;
  readonly #watchers = new Map<string, FSWatcher>();
  readonly #poll: Timer;
  #debounce: Timer | null = null;
  /** When the first change came that no load has taken in; null where all are. */
  #unsettledAt: number | null = null;
  #loaded: LoadedDirectory | null;
  #loading = false;
  /** Something changed while a load was under way: what it reads may be half of each. */
  #again = false;
  #closed = false;

  constructor(root: string, clock: Clock, onChange: (loaded: LoadedDirectory) => void, first: LoadedDirectory | null) {
    this.#root = root;
    this.#clock = clock;
    this.#onChange = onChange;
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
    this.#unsettledAt ??= this.#clock.monotonic();
    if (this.#debounce !== null && !this.#isUnsettled()) return;
    this.#debounce?.cancel();
    this.#debounce = this.#clock.after(DEBOUNCE_MS, () => {
      this.#debounce = null;
      void this.#reload();
    });
  }

  /** True while it may be somebody still writing. */
  #isUnsettled(): boolean {
    return this.#unsettledAt !== null && this.#clock.monotonic() - this.#unsettledAt < MAX_UNSETTLED_MS;
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
    const before = this.#loaded;
    const loaded = await loadDirectory(this.#root, before).catch((error) => failed(this.#root, error));
    if (this.#closed) return;
    // A directory that is new to the watch may have changed between its reading and now.
    if (this.#watch(loaded.directories)) this.#again = true;
    // A file that was written to meanwhile may have been read by half: the next load sees it whole.
    if (this.#debounce !== null && this.#isUnsettled()) return;
    if (this.#debounce === null) this.#unsettledAt = null;
    if (before !== null && isSame(before, loaded)) return;
    this.#loaded = loaded;
    this.#onChange(loaded);
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
      const watcher = watch(path, () => this.#touched());
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

/** Files that were not parsed again are the very same. */
function isSame(a: LoadedDirectory, b: LoadedDirectory): boolean {
  const files = a.files.length === b.files.length && a.files.every((file, i) => file === b.files[i]);
  return files && JSON.stringify(a.problems) === JSON.stringify(b.problems);
}

function failed(root: string, error: unknown): LoadedDirectory {
  const problem = problemOf(root, `Cannot read ${root}: ${messageOf(error)}`);
  return { files: [], directories: [root], documents: [], problems: [problem] };
}
