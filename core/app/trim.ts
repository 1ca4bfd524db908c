import { dlopen } from "bun:ffi";
import { readFileSync, readlinkSync } from "node:fs";
import { type Clock, type Log, messageOf, type Timer } from "../base/mod.ts";
import { droppable, type Mapping } from "./mapping.ts";
import { memoryLimit } from "./memory-limit.ts";

/** What trimming does to a process, and what it asks of it. */
export interface Memory {
  /** Bytes the process may use; infinite without a limit. */
  limit(): number;
  /** Pages that had to be read from disk so far. */
  majorFaults(): number;
  mappings(): readonly Mapping[];
  /** Gives the pages of a mapping back; the next to touch one gets it from the page cache. */
  drop(mapping: Mapping): void;
}

export interface Trim {
  close(): void;
}

/** Below this the kernel takes dropped pages out of its cache first, and each comes back as a read from disk. */
const LEAST_LIMIT_BYTES = 96 * 1024 * 1024;

/** Start-up code is touched once: the first times come soon. */
const EARLY_MS = [1_000, 3_000];
const PERIOD_MS = 10_000;

/** Reads from disk between two times that say the cache does not keep what was dropped. */
const MOST_MAJOR_FAULTS = 20;

/**
 * Gives back, again and again, the pages of our own executable that lie in
 * memory because some code ran once: most of what a proxy that does nothing
 * holds. Ends by itself where the page cache does not keep them.
 */
export function startTrim(memory: Memory, clock: Clock, log: Log): Trim {
  if (memory.limit() < LEAST_LIMIT_BYTES) {
    log.debug("memory is not trimmed: the limit is too near", { limit: memory.limit() });
    return { close() {} };
  }
  return new Trimming(memory, clock, log);
}

class Trimming implements Trim {
  readonly #memory: Memory;
  readonly #log: Log;
  readonly #timers: readonly Timer[];
  /** Before the first time the start itself reads from disk. */
  #faults = Number.POSITIVE_INFINITY;

  constructor(memory: Memory, clock: Clock, log: Log) {
    this.#memory = memory;
    this.#log = log;
    const trim = (): void => this.#trim();
    this.#timers = [...EARLY_MS.map((ms) => clock.after(ms, trim)), clock.every(PERIOD_MS, trim)];
  }

  close(): void {
    for (const timer of this.#timers) timer.cancel();
  }

  #trim(): void {
    try {
      const faults = this.#memory.majorFaults() - this.#faults;
      if (faults > MOST_MAJOR_FAULTS) {
        this.#log.info("memory is not trimmed any more: what was given back had to be read from disk", { faults });
        this.close();
        return;
      }
      for (const mapping of this.#memory.mappings()) this.#memory.drop(mapping);
      this.#faults = this.#memory.majorFaults();
    } catch (error) {
      this.#log.warn("memory is not trimmed", { reason: messageOf(error) });
      this.close();
    }
  }
}

const MADV_DONTNEED = 4;

/** Our own process; null where the system offers nothing of the kind. */
export function ownMemory(): Memory | null {
  if (process.platform !== "linux") return null;
  const { symbols } = dlopen("libc.so.6", { madvise: { args: ["usize", "usize", "i32"], returns: "i32" } });
  return {
    limit: () => memoryLimit(readOrNull),
    majorFaults: () => process.resourceUsage().majorPageFault,
    // Read anew each time: what was only read before may have been written to since.
    mappings: () => droppable(readFileSync("/proc/self/smaps", "latin1"), readlinkSync("/proc/self/exe")),
    drop: ({ address, length }) => void symbols.madvise(address, length, MADV_DONTNEED),
  };
}

function readOrNull(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}
