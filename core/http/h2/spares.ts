/** Kept for reuse, per worker. */
const MOST = 256;

/**
 * Objects that are over, for whoever needs one next. Not before the round is
 * over: functions that are not done yet may still look at them. Made anew for
 * each request, those that a collection finds at work would count as old, and
 * stay until memory is searched as a whole.
 */
export class Spares<T> {
  readonly #free: T[] = [];
  readonly #over: T[] = [];

  take(): T | undefined {
    return this.#free.pop();
  }

  give(one: T): void {
    if (this.#over.length < MOST) this.#over.push(one);
  }

  /** The round is over. */
  settle(): void {
    const [free, over] = [this.#free, this.#over];
    while (over.length > 0) {
      const one = over.pop()!;
      if (free.length < MOST) free.push(one);
    }
  }
}
