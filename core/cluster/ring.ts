import { hashOfText } from "./hash.ts";

/** Points of the endpoint with the most weight. */
const POINTS = 160;
/** Most points of one ring: 2 MB. */
const MAX_POINTS = 262_144;

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
    const stands = names.flatMap((name, owner) => {
      const points = Math.max(1, Math.round((each * weights[owner]!) / most));
      return Array.from({ length: points }, (_, k) => ({ point: hashOfText(`${name}_${k}`), owner }));
    });
    // Names decide between equal points, so that every proxy has the same ring.
    stands.sort((a, b) => a.point - b.point || (names[a.owner]! < names[b.owner]! ? -1 : 1));
    this.size = stands.length;
    this.#points = Uint32Array.from(stands, ({ point }) => point);
    this.#owners = Uint32Array.from(stands, ({ owner }) => owner);
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
