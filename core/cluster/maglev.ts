import { hashOfText } from "./hash.ts";

/** Sizes of the table: thirty slots an endpoint keep their shares within a thirtieth, and it is filled anew with each change. */
const PRIMES = [16_381, 65_537, 655_373] as const;
const SLOTS_PER_ENDPOINT = 30;

/**
 * The table of Maglev (Eisenbud et al., 3.4): one look finds the endpoint.
 * Endpoints take turns to claim the next free slot of their own permutation,
 * by weight; when one goes, nearly all other slots keep their owner.
 */
export class MaglevTable {
  readonly size: number;
  readonly #owners: Uint16Array | Uint32Array;

  constructor(names: readonly string[], weights: Float64Array) {
    const wanted = names.length * SLOTS_PER_ENDPOINT;
    this.size = PRIMES.find((prime) => prime >= wanted) ?? PRIMES[PRIMES.length - 1]!;
    this.#owners = names.length < 0xffff ? new Uint16Array(this.size) : new Uint32Array(this.size);
    this.#fill(names, weights);
  }

  ownerAt(slot: number): number {
    return this.#owners[slot % this.size]!;
  }

  #fill(names: readonly string[], weights: Float64Array): void {
    const { size } = this;
    const owners = this.#owners;
    const taken = new Uint8Array(size);
    const next = Float64Array.from(names, (name) => hashOfText(name) % size);
    const skips = Float64Array.from(names, (name) => (hashOfText(`${name}_skip`) % (size - 1)) + 1);
    // By name, so that the order in which endpoints are told changes nothing.
    const order = [...names.keys()].sort((a, b) => (names[a]! < names[b]! ? -1 : 1));
    const most = Math.max(...weights);
    const credit = new Float64Array(names.length);
    for (let filled = 0; filled < size; ) {
      for (const i of order) {
        credit[i]! += weights[i]! / most;
        if (credit[i]! < 1) continue;
        credit[i]! -= 1;
        while (taken[next[i]!] === 1) next[i] = (next[i]! + skips[i]!) % size;
        taken[next[i]!] = 1;
        owners[next[i]!] = i;
        if (++filled === size) return;
      }
    }
  }
}
