import { formatDuration } from "../core/config/mod.ts";

const UNITS_MS = [86_400_000, 3_600_000, 60_000, 1000] as const;

/** A length of time in one unit, for tables: `3m`, `2h`, `5d`. */
export function roughDuration(ms: number): string {
  const unit = UNITS_MS.find((each) => ms >= each) ?? 1000;
  const whole = Math.floor(Math.max(0, ms) / unit) * unit;
  return unit === UNITS_MS[0] ? `${whole / unit}d` : formatDuration(whole);
}

/** How long ago a time was. */
export function agoText(at: number, now: number): string {
  return at === 0 ? "never" : `${roughDuration(now - at)} ago`;
}
