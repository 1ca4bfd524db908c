/** What a peer can do to a connection that costs it nothing and us something. */
export const ABUSES = [
  "rapid_reset",
  "continuation_flood",
  "empty_frames",
  "settings_flood",
  "ping_flood",
  "window_flood",
  "priority_flood",
  "broken_streams",
  "head_deadline",
  "stalled",
] as const;
export type Abuse = (typeof ABUSES)[number];

const WINDOW_MS = 10_000;

/**
 * How many of each are taken within a window, beyond those that belong to
 * something useful: a reset to each stream that was served, window updates to
 * the DATA we send.
 */
const LIMITS: Readonly<Record<Abuse, number>> = {
  rapid_reset: 200,
  continuation_flood: 32,
  empty_frames: 500,
  settings_flood: 100,
  ping_flood: 500,
  window_flood: 2_000,
  priority_flood: 2_000,
  broken_streams: 100,
  head_deadline: 0,
  stalled: 0,
};

const INDEX = Object.fromEntries(ABUSES.map((abuse, i) => [abuse, i])) as Readonly<Record<Abuse, number>>;

/** Counts on one connection what only attacks do often. */
export class Guard {
  readonly #counts = new Uint32Array(ABUSES.length);
  #since: number;

  constructor(now: number) {
    this.#since = now;
  }

  /** One more; true when it was too many. */
  counts(abuse: Abuse, now: number): boolean {
    if (now - this.#since > WINDOW_MS) {
      this.#counts.fill(0);
      this.#since = now;
    }
    return ++this.#counts[INDEX[abuse]]! > LIMITS[abuse];
  }

  /** Something useful was done: what was counted for it is forgiven. */
  forgive(abuse: Abuse, times: number): void {
    const i = INDEX[abuse];
    this.#counts[i] = Math.max(0, this.#counts[i]! - times);
  }
}
