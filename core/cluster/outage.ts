import type { Endpoint } from "./endpoint.ts";
import type { Group } from "./group.ts";

/** Share of healthy endpoints below which a group gives part of its requests away (Envoy: 1 / 1.4). */
const SPILL_BELOW = 0.7;
/** Share of healthy endpoints below which health is ignored. */
const PANIC_BELOW = 0.5;

export interface OutageSettings {
  readonly panicThreshold?: number | undefined;
  readonly spillBelow?: number | undefined;
}

/**
 * What becomes of the groups of a cluster while some endpoints are out: how
 * much each takes, and where health is ignored because too little is left. It
 * is reckoned anew only when something has changed.
 */
export class Outage {
  readonly #groups: readonly Group[];
  readonly #panicBelow: number;
  readonly #spillBelow: number;
  /** Sums of the groups' shares of the requests; the last is the whole. */
  readonly sums: Float64Array;
  readonly #healthy: Float64Array;
  readonly #panics: Uint8Array;
  #change = -1;
  #until = 0;

  constructor(groups: readonly Group[], { panicThreshold, spillBelow }: OutageSettings) {
    this.#groups = groups;
    this.#panicBelow = panicThreshold ?? PANIC_BELOW;
    this.#spillBelow = spillBelow ?? SPILL_BELOW;
    this.sums = new Float64Array(groups.length);
    this.#healthy = new Float64Array(groups.length);
    this.#panics = new Uint8Array(groups.length);
  }

  /** Too few are healthy in a group: better to try any than to overload those. */
  isPanic(group: number): boolean {
    return this.#panics[group] === 1;
  }

  refresh(change: number, now: number): void {
    if (change === this.#change && now < this.#until) return;
    this.#change = change;
    this.#until = Number.POSITIVE_INFINITY;
    for (let g = 0; g < this.#groups.length; g++) this.#healthy[g] = this.#healthOf(this.#groups[g]!, now);
    this.#share();
  }

  /** Share of targets that may be asked. One whose ejection has ended counts: it is due for a probe. */
  #healthOf({ targets }: Group, now: number): number {
    let healthy = 0;
    for (let i = 0; i < targets.length; i++) if (this.#isSound(targets[i]!, now)) healthy++;
    return healthy / targets.length;
  }

  #isSound({ ejectedUntil, downUntil }: Endpoint, now: number): boolean {
    if (ejectedUntil > now && ejectedUntil < this.#until) this.#until = ejectedUntil;
    return now >= ejectedUntil && now >= downUntil;
  }

  /** From the nearest on, each takes as much as its health allows; what is left over goes to all in proportion. */
  #share(): void {
    const healthy = this.#healthy;
    let left = 1;
    let sum = 0;
    for (let g = 0; g < healthy.length; g++) {
      const share = Math.min(left, this.#spillBelow === 0 ? 1 : Math.min(1, healthy[g]! / this.#spillBelow));
      left -= share;
      sum += share;
      this.sums[g] = sum;
    }
    // Several groups panic only where they cannot take all together.
    const isShort = healthy.length === 1 || left > 1e-9;
    for (let g = 0; g < healthy.length; g++)
      this.#panics[g] = isShort && (healthy[g]! < this.#panicBelow || healthy[g] === 0) ? 1 : 0;
    if (sum === 0) for (let g = 0; g < healthy.length; g++) this.sums[g] = g + 1;
  }
}
