import type { Clock, Log } from "../../base/mod.ts";

/** Lines a plugin may write at once, and per second after that. */
const BURST = 20;
const PER_SECOND = 5;
/** Longest line that is kept. */
export const MAX_LINE_BYTES = 2048;

/** What one plugin writes into the process log: a few lines a second, the rest is counted. */
export class LimitedLog {
  readonly #log: Log;
  readonly #clock: Clock;
  #tokens = BURST;
  #filledAt: number;
  #dropped = 0;

  constructor(log: Log, clock: Clock) {
    this.#log = log;
    this.#clock = clock;
    this.#filledAt = clock.monotonic();
  }

  /** Says whether a line may be written now; one that may not is counted. */
  admits(): boolean {
    const now = this.#clock.monotonic();
    this.#tokens = Math.min(BURST, this.#tokens + ((now - this.#filledAt) / 1000) * PER_SECOND);
    this.#filledAt = now;
    if (this.#tokens < 1) {
      this.#dropped++;
      return false;
    }
    this.#tokens--;
    return true;
  }

  /** Writes a line that was admitted. */
  write(
    level: "debug" | "info" | "warn" | "error",
    message: string,
    fields: Record<string, string | number> = {},
  ): void {
    this.#log[level](message, this.#dropped === 0 ? fields : { ...fields, dropped: this.#dropped });
    this.#dropped = 0;
  }
}
