import { addByte, addText, beginHash, endHash } from "./hash.ts";

/** Points of the endpoint with the most weight. */
const POINTS = 160;
/** Most points of one ring: 2 MB. */
const MAX_POINTS = 262_144;
/** More endpoints than a cluster has; with 32 bits of a point below 2^53. */
const MAX_OWNERS = 2 ** 20;

/**
 * A ring of hashes (Karger): every endpoint stands at many points of it, as
 * many as its weight says, and takes what lies in front of them. An endpoint
 * that comes or goes moves only what it takes or had.
 */
export class HashRing {
  readonly size: number;
  readonly #points: Uint32Array;
  readonly #owners: Uint32Array;

  constructor(names: readonly string[], weights: Float64Array) {
    const each = Math.max(1, Math.min(POINTS, Math.floor(MAX_POINTS / Math.max(names.length, 1))));
    const most = Math.max(...weights);
    const counts = weights.map((weight) => Math.max(1, Math.round((each * weight) / most)));
    this.size = counts.reduce((sum, count) => sum + count, 0);
    // Point and owner in one number: typed arrays are sorted natively, and a large cluster has many points.
    const stands = new Float64Array(this.size);
    let at = 0;
    for (const [owner, name] of names.entries()) {
      const hash = addText(beginHash(), name);
      for (let k = 0; k < counts[owner]!; k++) stands[at++] = pointOf(hash, k) * MAX_OWNERS + owner;
    }
    stands.sort();
    this.#points = Uint32Array.from(stands, (stand) => Math.floor(stand / MAX_OWNERS));
    this.#owners = Uint32Array.from(stands, (stand) => stand % MAX_OWNERS);
  }

  /** Where a hash falls: the first point at it or behind it, around the end. */
  find(hash: number): number {
    const points = this.#points;
    let low = 0;
    let high = points.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (points[middle]! < hash) low = middle + 1;
      else high = middle;
    }
    return low === points.length ? 0 : low;
  }

  /** Index of the endpoint at a point, counted on around the end. */
  ownerAt(point: number): number {
    return this.#owners[point % this.size]!;
  }
}

function pointOf(hash: number, k: number): number {
  return endHash(addByte(addByte(hash, k & 0xff), k >> 8));
}
