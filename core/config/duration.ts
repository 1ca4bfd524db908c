/** What `parseDuration` takes, for messages. */
export const DURATION = 'a duration like "10s", "1m30s" or "500ms"';

const UNIT_MS = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 } as const;
type Unit = keyof typeof UNIT_MS;

/** Reads a Gateway API duration (GEP-2257) to milliseconds; "0s" is 0. Null for anything else. */
export function parseDuration(input: unknown): number | null {
  if (typeof input !== "string" || !/^([0-9]{1,5}(h|m|s|ms)){1,4}$/.test(input)) return null;
  let total = 0;
  for (const [, digits, unit] of input.matchAll(/(\d+)(ms|h|m|s)/g)) total += Number(digits) * UNIT_MS[unit as Unit];
  return total;
}

/** Writes milliseconds so that `parseDuration` reads the same number back. */
export function formatDuration(ms: number): string {
  let text = "";
  let rest = Math.round(ms);
  for (const unit of ["h", "m", "s", "ms"] as const) {
    const count = Math.floor(rest / UNIT_MS[unit]);
    if (count > 0) text += `${count}${unit}`;
    rest -= count * UNIT_MS[unit];
  }
  return text || "0s";
}
