import type { Clock, Timer } from "../../core/base/mod.ts";

/** A clock that moves only when told to. */
export interface FakeClock extends Clock {
  /** Moves time on and runs what comes due on the way, in the order of time. */
  advance(ms: number): void;
  /** How many timers are pending: 0 means that nothing would ever wake. */
  readonly pending: number;
}

interface Entry {
  readonly call: () => void;
  readonly everyMs: number | null;
  at: number;
}

/** Makes a clock that stands at the given wall time, by default noon of a day in 2026. */
export function fakeClock(startMs = Date.UTC(2026, 0, 1, 12)): FakeClock {
  const timers = new Set<Entry>();
  let elapsed = 0;

  function start(ms: number, call: () => void, everyMs: number | null): Timer {
    const entry: Entry = { call, everyMs, at: elapsed + Math.max(ms, 0) };
    timers.add(entry);
    return { cancel: () => void timers.delete(entry) };
  }

  function run(entry: Entry): void {
    elapsed = Math.max(elapsed, entry.at);
    if (entry.everyMs === null) timers.delete(entry);
    else entry.at += Math.max(entry.everyMs, 1);
    entry.call();
  }

  function advance(ms: number): void {
    const until = elapsed + ms;
    for (let entry = soonest(timers); entry !== null && entry.at <= until; entry = soonest(timers)) run(entry);
    elapsed = until;
  }

  return {
    now: () => startMs + elapsed,
    monotonic: () => elapsed,
    after: (ms, call) => start(ms, call, null),
    every: (ms, call) => start(ms, call, ms),
    advance,
    get pending() {
      return timers.size;
    },
  };
}

/** The timer that comes due first; of equals, the one that was started first. */
function soonest(timers: ReadonlySet<Entry>): Entry | null {
  let first: Entry | null = null;
  for (const entry of timers) if (first === null || entry.at < first.at) first = entry;
  return first;
}
