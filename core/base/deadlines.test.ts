import { expect, test } from "bun:test";
import { type FakeClock, fakeClock } from "../../test/harness/fake-clock.ts";
import { Deadline, Deadlines } from "./deadlines.ts";

test("a deadline never expires early, and late by at most its slot", () => {
  for (const [ms, slotMs] of [
    [0, 10],
    [1, 10],
    [9.5, 10],
    [10, 10],
    [1234, 10],
    [1999, 10],
    [2000, 250],
    [61_007, 250],
    [200_000, 250],
  ] as const) {
    for (const phase of [0, 3.3, 9.99, 249]) {
      const { clock, deadlines } = setUp();
      clock.advance(phase);
      const entry = new Probe(clock);

      deadlines.set(entry, ms);
      clock.advance(ms + slotMs);

      expect(entry.expiredAt).toHaveLength(1);
      expect(entry.expiredAt[0]).toBeGreaterThanOrEqual(phase + ms);
    }
  }
});

test("the recent time is the last one read, and lags by no more than a slot while a deadline is set", () => {
  for (const [ms, slotMs] of [
    [1_500, 10],
    [300_000, 250],
  ] as const) {
    const { clock, deadlines } = setUp();
    deadlines.set(new Probe(clock), ms);

    for (let passed = 0; passed < 1_000; passed += 7) {
      clock.advance(7);
      expect(deadlines.recent).toBeLessThanOrEqual(clock.monotonic());
      expect(deadlines.recent).toBeGreaterThan(clock.monotonic() - slotMs);
    }
    expect(deadlines.now).toBe(deadlines.recent);
  }
});

test("a deadline set while the wheel is in the middle of a slot keeps the same bounds", () => {
  const { clock, deadlines } = setUp();
  deadlines.set(new Probe(clock), 1_900);
  clock.advance(4);
  const entry = new Probe(clock);

  deadlines.set(entry, 3);
  clock.advance(2.9);
  expect(entry.expiredAt).toEqual([]);
  clock.advance(10.1);

  expect(entry.expiredAt).toEqual([10]);
});

test("set() moves an entry that was set before, between wheels too", () => {
  const { clock, deadlines } = setUp();
  const entry = new Probe(clock);

  deadlines.set(entry, 50);
  deadlines.set(entry, 5_000);
  clock.advance(4_999);
  expect(entry.expiredAt).toEqual([]);
  deadlines.set(entry, 20);
  clock.advance(60_000);

  expect(entry.expiredAt).toHaveLength(1);
  expect(entry.expiredAt[0]).toBeLessThanOrEqual(4_999 + 30);
});

test("a cleared entry never expires, and clearing twice changes nothing", () => {
  const { clock, deadlines } = setUp();
  const entry = new Probe(clock);

  deadlines.set(entry, 50);
  expect(entry.isSet).toBe(true);
  deadlines.clear(entry);
  deadlines.clear(entry);
  clock.advance(10_000);

  expect(entry.isSet).toBe(false);
  expect(entry.expiredAt).toEqual([]);
});

test("an infinite time is no deadline and clears the one before", () => {
  const { clock, deadlines } = setUp();
  const entry = new Probe(clock);

  deadlines.set(entry, 50);
  deadlines.set(entry, Number.POSITIVE_INFINITY);
  clock.advance(10_000);

  expect(entry.expiredAt).toEqual([]);
});

test("a wheel ticks only while it holds entries", () => {
  const { clock, deadlines } = setUp();
  expect(clock.pending).toBe(0);

  deadlines.set(new Probe(clock), 100);
  deadlines.set(new Probe(clock), 10_000);
  expect(clock.pending).toBe(2);
  clock.advance(200);
  expect(clock.pending).toBe(1);
  clock.advance(20_000);

  expect(clock.pending).toBe(0);
});

test("requests that set and clear start no timer each", () => {
  const { clock, deadlines } = setUp();
  let started = 0;
  const every = clock.every;
  clock.every = (ms, call) => {
    started++;
    return every(ms, call);
  };

  for (let i = 0; i < 1000; i++) {
    const entry = new Probe(clock);
    deadlines.set(entry, 100);
    deadlines.clear(entry);
  }

  expect(started).toBe(1);
});

test("expire() may set its own entry again, to no time at all, without holding up the tick", () => {
  const { clock, deadlines } = setUp();
  const entry = new Probe(clock, () => deadlines.set(entry, 0));

  deadlines.set(entry, 10);
  clock.advance(50);

  expect(entry.expiredAt).toEqual([10, 20, 30, 40, 50]);
});

test("expire() may clear and set the other entries of its slot", () => {
  const { clock, deadlines } = setUp();
  const cleared = new Probe(clock);
  const moved = new Probe(clock);
  const last = new Probe(clock);
  const first = new Probe(clock, () => {
    deadlines.clear(cleared);
    deadlines.set(moved, 100);
  });

  for (const entry of [first, cleared, moved, last]) deadlines.set(entry, 10);
  clock.advance(15);
  expect([first, cleared, moved, last].map((entry) => entry.expiredAt.length)).toEqual([1, 0, 0, 1]);
  clock.advance(200);

  expect([first, cleared, moved, last].map((entry) => entry.expiredAt.length)).toEqual([1, 0, 1, 1]);
});

test("an expire() that throws takes no other deadline with it", () => {
  const { clock, deadlines } = setUp();
  const bad = new Probe(clock, () => {
    throw new Error("bug");
  });
  const good = new Probe(clock);

  deadlines.set(bad, 10);
  deadlines.set(good, 10);
  expect(() => clock.advance(15)).toThrow("bug");
  clock.advance(15);

  expect(good.expiredAt).toHaveLength(1);
});

test("a loop that was blocked for more than a turn of the wheel loses no deadline", () => {
  const { clock, deadlines } = setUp();
  const entries = Array.from({ length: 190 }, () => new Probe(clock));
  let blocked = true;
  const ticks: (() => void)[] = [];
  clock.every = (_ms, call) => {
    ticks.push(() => blocked || call());
    return { cancel: () => {} };
  };

  entries.forEach((entry, i) => {
    deadlines.set(entry, i * 10);
  });
  clock.advance(100_000);
  blocked = false;
  for (const tick of ticks) tick();

  expect(entries.every((entry) => entry.expiredAt.length === 1)).toBe(true);
});

test("ten thousand random sets, moves and clears expire exactly what a sorted list would", () => {
  const { clock, deadlines } = setUp();
  const random = lcg(7);
  const entries = Array.from({ length: 300 }, () => new Probe(clock));
  const due = new Map<Probe, number>();

  for (let step = 0; step < 10_000; step++) {
    const entry = entries[Math.floor(random() * entries.length)]!;
    const ms = random() < 0.5 ? random() * 2_000 : random() * 100_000;
    if (random() < 0.3) {
      deadlines.clear(entry);
      due.delete(entry);
    } else {
      deadlines.set(entry, ms);
      due.set(entry, clock.monotonic() + ms);
    }
    clock.advance(random() * 40);
    for (const probe of entries) {
      for (const at of probe.expiredAt.splice(0)) {
        expect(due.get(probe)).toBeLessThanOrEqual(at);
        due.delete(probe);
      }
    }
    for (const at of due.values()) expect(at).toBeGreaterThan(clock.monotonic() - 251);
  }
});

class Probe extends Deadline {
  readonly expiredAt: number[] = [];
  readonly #clock: FakeClock;
  readonly #then: () => void;

  constructor(clock: FakeClock, then: () => void = () => {}) {
    super();
    this.#clock = clock;
    this.#then = then;
  }

  override expire(): void {
    this.expiredAt.push(this.#clock.monotonic());
    this.#then();
  }
}

function setUp(): { clock: FakeClock; deadlines: Deadlines } {
  const clock = fakeClock();
  return { clock, deadlines: new Deadlines(clock) };
}

function lcg(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}
