/** So many faults within the window open the breaker. */
const FAULTS = 5;
const WINDOW_MS = 10_000;
/** How long it stays open first; every time that the trial call fails, twice as long, up to the most. */
const OPEN_MS = 10_000;
const MOST_OPEN_MS = 300_000;

/** Keeps a plugin that faults again and again from being called for a while. */
export class Breaker {
  /** Times of the last faults, oldest first. */
  readonly #faults: number[] = [];
  #openUntil = 0;
  #openMs = OPEN_MS;
  /** It was open, and the next call shows whether the plugin works again. */
  #onTrial = false;
  #isOpen = false;

  /** True while the plugin must not be called. Time is asked for only when it matters. */
  blocks(now: () => number): boolean {
    if (!this.#isOpen) return false;
    if (now() < this.#openUntil) return true;
    this.#isOpen = false;
    this.#onTrial = true;
    return false;
  }

  succeeded(): void {
    if (!this.#onTrial) return;
    this.#onTrial = false;
    this.#openMs = OPEN_MS;
    this.#faults.length = 0;
  }

  /** Counts a fault; true where it opens the breaker. */
  failed(now: number): boolean {
    this.#faults.push(now);
    if (this.#faults.length > FAULTS) this.#faults.shift();
    const many = this.#faults.length === FAULTS && now - this.#faults[0]! <= WINDOW_MS;
    if (!many && !this.#onTrial) return false;
    if (this.#onTrial) this.#openMs = Math.min(MOST_OPEN_MS, this.#openMs * 2);
    this.#onTrial = false;
    this.#isOpen = true;
    this.#openUntil = now + this.#openMs;
    this.#faults.length = 0;
    return true;
  }
}
