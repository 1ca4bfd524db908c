import type { Clock, Timer } from "./clock.ts";

/** Deadlines nearer than this are kept to 10 ms, the others to 250 ms. */
const FINE_BELOW_MS = 2_000;
const FINE_SLOT_MS = 10;
const COARSE_SLOT_MS = 250;
/** A power of two; fine slots must span more than `FINE_BELOW_MS`. Coarse ones may go round: 64 s a turn. */
const SLOTS = 256;

/**
 * Something that ends when its time has come. It is its own entry in the
 * wheel: setting and clearing allocates nothing. One entry holds one deadline;
 * what has several deadlines has several entries. Only `Deadlines` writes the fields.
 */
export abstract class Deadline {
  /** Point of the clock's monotonic time at which to expire. */
  deadlineAt = 0;
  deadlinePrev: Deadline = this;
  deadlineNext: Deadline = this;
  deadlineWheel: Wheel | null = null;

  /** Called once, with the entry already cleared. May set and clear any entry, this one included. */
  abstract expire(): void;

  get isSet(): boolean {
    return this.deadlineWheel !== null;
  }
}

/**
 * The deadlines of the request path. Never early; late by at most a slot:
 * 10 ms below two seconds, 250 ms from there on. A wheel ticks only while it
 * holds entries, so an idle proxy sleeps.
 */
export class Deadlines {
  readonly #clock: Clock;
  readonly #fine: Wheel;
  readonly #coarse: Wheel;
  #recent = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#fine = new Wheel(this, clock, FINE_SLOT_MS);
    this.#coarse = new Wheel(this, clock, COARSE_SLOT_MS);
  }

  /** The clock's monotonic time, in milliseconds. */
  get now(): number {
    this.#recent = this.#clock.monotonic();
    return this.#recent;
  }

  /**
   * The time that somebody read last: at most a slot behind `now` while an
   * entry is set. Reading the clock is dear; this is for the beginning of a
   * wait whose entry is set.
   */
  get recent(): number {
    return this.#recent;
  }

  /** Lets the entry expire in `ms` from `now`; moves it where it was set before. An infinite time is no deadline. */
  set(entry: Deadline, ms: number, now: number = this.now): void {
    if (entry.deadlineWheel !== null) entry.deadlineWheel.remove(entry);
    if (ms === Number.POSITIVE_INFINITY) return;
    entry.deadlineAt = now + Math.max(ms, 0);
    (ms < FINE_BELOW_MS ? this.#fine : this.#coarse).add(entry, now);
  }

  /** Forgets the entry; nothing happens where it was not set. */
  clear(entry: Deadline): void {
    if (entry.deadlineWheel !== null) entry.deadlineWheel.remove(entry);
  }
}

/** First and last of a circular list; it stands in no slot and never expires. */
class Ring extends Deadline {
  override expire(): void {}
}

/** A hashed timing wheel: an entry stands in the slot of its time, whatever the turn. */
class Wheel {
  readonly #deadlines: Deadlines;
  readonly #clock: Clock;
  readonly #slotMs: number;
  readonly #slots: readonly Ring[] = Array.from({ length: SLOTS }, () => new Ring());
  /** Entries of the slot being read. An entry that throws leaves the rest here, for the next tick. */
  readonly #reading = new Ring();
  readonly #tick = (): void => this.#read();
  #timer: Timer | null = null;
  #count = 0;
  /** Number of the oldest slot that may hold a deadline still to come. */
  #cursor = 0;

  constructor(deadlines: Deadlines, clock: Clock, slotMs: number) {
    this.#deadlines = deadlines;
    this.#clock = clock;
    this.#slotMs = slotMs;
  }

  add(entry: Deadline, now: number): void {
    entry.deadlineWheel = this;
    this.#place(entry);
    this.#count++;
    if (this.#timer === null) this.#start(now);
  }

  remove(entry: Deadline): void {
    unlink(entry);
    entry.deadlineWheel = null;
    this.#count--;
    // The timer goes on until its next tick: a request sets and clears, and must not start a timer each time.
  }

  #start(now: number): void {
    this.#cursor = Math.floor(now / this.#slotMs);
    this.#timer = this.#clock.every(this.#slotMs, this.#tick);
  }

  #place(entry: Deadline): void {
    link(entry, this.#slots[Math.floor(entry.deadlineAt / this.#slotMs) & (SLOTS - 1)]!);
  }

  /** Expires what is due. The slot of the present is read again next time: the ticks are not aligned to slots. */
  #read(): void {
    if (this.#count === 0) {
      this.#stop();
      return;
    }
    const { now } = this.#deadlines;
    const last = Math.floor(now / this.#slotMs);
    // One turn at most, however long the loop was blocked. All slots before any expire(): what that sets waits for the next tick.
    for (let slot = Math.max(this.#cursor, last - SLOTS + 1); slot <= last; slot++)
      append(this.#slots[slot & (SLOTS - 1)]!, this.#reading);
    this.#cursor = last;
    this.#expire(now);
  }

  #expire(now: number): void {
    const reading = this.#reading;
    for (let entry = reading.deadlineNext; entry !== reading; entry = reading.deadlineNext) {
      if (entry.deadlineAt > now) {
        unlink(entry);
        this.#place(entry);
      } else {
        this.remove(entry);
        entry.expire();
      }
    }
  }

  #stop(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }
}

function link(entry: Deadline, ring: Ring): void {
  const last = ring.deadlinePrev;
  entry.deadlinePrev = last;
  entry.deadlineNext = ring;
  last.deadlineNext = entry;
  ring.deadlinePrev = entry;
}

function unlink(entry: Deadline): void {
  entry.deadlinePrev.deadlineNext = entry.deadlineNext;
  entry.deadlineNext.deadlinePrev = entry.deadlinePrev;
  // Pointing at itself, a cleared entry keeps no neighbour alive.
  entry.deadlinePrev = entry;
  entry.deadlineNext = entry;
}

/** Moves all entries of one ring to the end of another. */
function append(from: Ring, to: Ring): void {
  const first = from.deadlineNext;
  if (first === from) return;
  const last = from.deadlinePrev;
  first.deadlinePrev = to.deadlinePrev;
  to.deadlinePrev.deadlineNext = first;
  last.deadlineNext = to;
  to.deadlinePrev = last;
  from.deadlineNext = from;
  from.deadlinePrev = from;
}
