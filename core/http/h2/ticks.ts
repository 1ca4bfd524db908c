/** Something that has written, and wants to hand it to the kernel once all events at hand are done. */
export interface Ticked {
  tick(): void;
}

/**
 * The ends of the event loop's rounds. What all ready sockets of a round made
 * a connection write leaves in one system call: a microtask would run behind
 * each of them.
 */
export class Ticks {
  readonly #schedule: (run: () => void) => void;
  readonly #settled: () => void;
  readonly #run = (): void => this.#tick();
  #waiting: Ticked[] = [];
  #running: Ticked[] = [];

  /** `settled` is called behind each round. */
  constructor(schedule: (run: () => void) => void, settled: () => void) {
    this.#schedule = schedule;
    this.#settled = settled;
  }

  /** Call once for a round: who has asked already must know. */
  ask(ticked: Ticked): void {
    this.#waiting.push(ticked);
    if (this.#waiting.length === 1) this.#schedule(this.#run);
  }

  #tick(): void {
    const running = this.#waiting;
    this.#waiting = this.#running;
    this.#running = running;
    for (let i = 0; i < running.length; i++) running[i]!.tick();
    running.length = 0;
    this.#settled();
  }
}
