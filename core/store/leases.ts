import type { Clock, Timer } from "../base/mod.ts";
import type { LeaseId } from "./model.ts";

interface Lease {
  readonly ttlMs: number;
  /** On the clock that never goes back. */
  deadline: number;
}

/** The time that leases have left. One timer, set to the soonest deadline, ends those that have none. */
export class Leases {
  readonly #clock: Clock;
  readonly #expired: (leases: readonly LeaseId[]) => void;
  readonly #leases = new Map<LeaseId, Lease>();
  #timer: Timer | null = null;
  #timerAt = Number.POSITIVE_INFINITY;

  constructor(clock: Clock, expired: (leases: readonly LeaseId[]) => void) {
    this.#clock = clock;
    this.#expired = expired;
  }

  has(id: LeaseId): boolean {
    return this.#leases.has(id);
  }

  start(id: LeaseId, ttlMs: number): void {
    const deadline = this.#clock.monotonic() + ttlMs;
    this.#leases.set(id, { ttlMs, deadline });
    if (deadline < this.#timerAt) this.#sleepUntil(deadline);
  }

  /** The timer stays where it was: when it comes too early it is set anew. */
  renew(id: LeaseId): boolean {
    const lease = this.#leases.get(id);
    if (lease === undefined) return false;
    lease.deadline = this.#clock.monotonic() + lease.ttlMs;
    return true;
  }

  end(id: LeaseId): void {
    this.#leases.delete(id);
  }

  close(): void {
    this.#timer?.cancel();
    this.#leases.clear();
  }

  #sleepUntil(deadline: number): void {
    this.#timer?.cancel();
    this.#timerAt = deadline;
    this.#timer = this.#clock.after(Math.max(deadline - this.#clock.monotonic(), 0), () => this.#wake());
  }

  #wake(): void {
    const now = this.#clock.monotonic();
    this.#timerAt = Number.POSITIVE_INFINITY;
    let soonest = Number.POSITIVE_INFINITY;
    const over: LeaseId[] = [];
    for (const [id, lease] of this.#leases) {
      if (lease.deadline <= now) over.push(id);
      else soonest = Math.min(soonest, lease.deadline);
    }
    for (const id of over) this.#leases.delete(id);
    if (soonest < Number.POSITIVE_INFINITY) this.#sleepUntil(soonest);
    if (over.length > 0) this.#expired(over);
  }
}
