/** A pending call of a clock; `cancel` is idempotent. */
export interface Timer {
  cancel(): void;
}

/** The only source of time in the house: code is given one, so that tests can own it. */
export interface Clock {
  /** Wall time, milliseconds since the epoch. */
  now(): number;
  /** Time that never goes back, milliseconds with a fraction; only differences mean anything. */
  monotonic(): number;
  after(ms: number, call: () => void): Timer;
  every(ms: number, call: () => void): Timer;
}

/** The clock of the machine. Timers do not keep the process alive. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => Bun.nanoseconds() / 1e6,
  after(ms, call) {
    const id = setTimeout(call, ms);
    id.unref();
    return { cancel: () => clearTimeout(id) };
  },
  every(ms, call) {
    const id = setInterval(call, ms);
    id.unref();
    return { cancel: () => clearInterval(id) };
  },
};

/** The chance of the machine, evenly spread over [0, 1): for choices, never for secrets. */
export const systemRandom: () => number = () => Math.random();

/** Calls once all events that are ready now are done: what they wrote can leave together. */
export function atRoundEnd(call: () => void): void {
  setImmediate(call);
}
