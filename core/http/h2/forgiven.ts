const KEPT = 256;

/** Streams we reset lately: what the peer had sent on them by then is no mistake. */
export class Forgiven {
  readonly #ids = new Int32Array(KEPT);
  #at = 0;

  add(id: number): void {
    this.#ids[this.#at] = id;
    this.#at = (this.#at + 1) % KEPT;
  }

  has(id: number): boolean {
    return this.#ids.includes(id);
  }
}
