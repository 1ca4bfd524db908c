import type { Stream } from "./stream.ts";

/** A power of two; more streams than clients open at once, as a rule. */
const SLOTS = 128;

/**
 * The streams of a connection by their numbers. A ring, as numbers only grow,
 * with a map behind it for those that stay while the ring goes round: a map
 * alone makes garbage for every few streams that come and go.
 */
export class StreamTable {
  readonly #ring: (Stream | null)[] = new Array<Stream | null>(SLOTS).fill(null);
  readonly #rest = new Map<number, Stream>();
  size = 0;

  get(id: number): Stream | undefined {
    const stream = this.#ring[slotOf(id)]!;
    if (stream !== null && stream.id === id) return stream;
    return this.#rest.size === 0 ? undefined : this.#rest.get(id);
  }

  has(id: number): boolean {
    return this.get(id) !== undefined;
  }

  /** Takes in a stream whose number is not there. */
  add(stream: Stream): void {
    const slot = slotOf(stream.id);
    if (this.#ring[slot] === null) this.#ring[slot] = stream;
    else this.#rest.set(stream.id, stream);
    stream.isListed = true;
    this.size++;
  }

  delete(id: number): boolean {
    const stream = this.get(id);
    if (stream === undefined) return false;
    if (!this.#rest.delete(id)) this.#ring[slotOf(id)] = null;
    this.size--;
    stream.isListed = false;
    stream.release();
    return true;
  }

  /** All there are now: what is done with one may end others. */
  all(): readonly Stream[] {
    return [...this.#ring.filter((stream) => stream !== null), ...this.#rest.values()];
  }
}

/** Clients have odd numbers. */
function slotOf(id: number): number {
  return (id >>> 1) & (SLOTS - 1);
}
