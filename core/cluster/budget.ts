import type { RetryBudgetModel } from "./model.ts";

/** Seconds that deposits and withdrawals count for. */
const WINDOW_SECONDS = 10;
/** Retries a second that are always allowed, so that a quiet cluster may retry too. */
const MIN_PER_SECOND = 10;
/** Retries allowed for each request. */
const PER_REQUEST = 0.2;

/**
 * How many retries a cluster can stand: a fifth of the requests of the last
 * ten seconds, and ten a second beside that (the figures of Finagle and
 * Linkerd). An outage then costs a fifth more load, never a multiple.
 */
export class RetryBudget {
  readonly #requests = new Int32Array(WINDOW_SECONDS);
  readonly #retries = new Int32Array(WINDOW_SECONDS);
  #requestSum = 0;
  #retrySum = 0;
  #second = 0;
  #perRequest = PER_REQUEST;
  #minPerSecond = MIN_PER_SECOND;

  /** What the policy of the cluster allows; without one, the defaults. */
  limit(model: RetryBudgetModel | undefined): void {
    this.#perRequest = model?.fraction ?? PER_REQUEST;
    this.#minPerSecond = model?.minPerSecond ?? MIN_PER_SECOND;
  }

  /** Counts a request, not its retries. `now` is monotonic, in ms. */
  deposit(now: number): void {
    this.#advance(now);
    this.#requests[this.#second % WINDOW_SECONDS]! += 1;
    this.#requestSum++;
  }

  /** Whether a retry may be made; it then counts. */
  withdraw(now: number): boolean {
    this.#advance(now);
    const allowed = WINDOW_SECONDS * this.#minPerSecond + this.#requestSum * this.#perRequest;
    if (this.#retrySum + 1 > allowed) return false;
    this.#retries[this.#second % WINDOW_SECONDS]! += 1;
    this.#retrySum++;
    return true;
  }

  #advance(now: number): void {
    const second = Math.floor(now / 1000);
    if (second <= this.#second) return;
    const passed = Math.min(second - this.#second, WINDOW_SECONDS);
    for (let i = 0; i < passed; i++) this.#forget((second - i) % WINDOW_SECONDS);
    this.#second = second;
  }

  #forget(slot: number): void {
    this.#requestSum -= this.#requests[slot]!;
    this.#retrySum -= this.#retries[slot]!;
    this.#requests[slot] = 0;
    this.#retries[slot] = 0;
  }
}
