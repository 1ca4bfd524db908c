import type { LimitsModel } from "./model.ts";

/** Requests that wait, where a limit is set and no queue is named. */
const MAX_WAITING = 1_024;

/** Who waits for its turn. */
export interface TurnTaker {
  turnCame(): void;
}

/** How many requests are under way at a cluster where that is limited, and those that wait for their turn, in order. */
export class Turns {
  #active = 0;
  #max = Number.POSITIVE_INFINITY;
  #maxWaiting = MAX_WAITING;
  #isHanding = false;
  readonly #waiting: TurnTaker[] = [];

  get isLimited(): boolean {
    return this.#max !== Number.POSITIVE_INFINITY;
  }
  get active(): number {
    return this.#active;
  }
  /** Who comes now need not wait. */
  get isFree(): boolean {
    return this.#active < this.#max;
  }
  get waiting(): number {
    return this.#waiting.length;
  }

  limit(limits: LimitsModel | undefined): void {
    this.#max = limits?.requests ?? Number.POSITIVE_INFINITY;
    this.#maxWaiting = limits?.pending ?? MAX_WAITING;
  }

  /** Whether the turn is there; where it is not, `turnCame` is called later. Whoever has had a turn must `leave`. */
  take(taker: TurnTaker): boolean | "overflow" {
    if (this.#active < this.#max) {
      this.#active++;
      return true;
    }
    if (this.#waiting.length >= this.#maxWaiting) return "overflow";
    this.#waiting.push(taker);
    return false;
  }

  /** It waits no more. */
  cancel(taker: TurnTaker): void {
    const i = this.#waiting.indexOf(taker);
    if (i >= 0) this.#waiting.splice(i, 1);
  }

  /** The turn goes to the next; to several where the limit has been raised. */
  leave(): void {
    this.#active--;
    // One that fails at once leaves before it has come: it must not hand on from within.
    if (this.#isHanding) return;
    this.#isHanding = true;
    while (this.#waiting.length > 0 && this.#active < this.#max) {
      this.#active++;
      this.#waiting.shift()!.turnCame();
    }
    this.#isHanding = false;
  }
}
