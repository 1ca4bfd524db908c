import type { Locality } from "./model.ts";

/** How near an endpoint is; the lower the nearer. */
const SAME_SUB_ZONE = 0;
const SAME_ZONE = 1;
const SAME_REGION = 2;
/** Regions that are named follow in their order; all others come last. */
const FIRST_OTHER_REGION = 3;

/** Reads `region[/zone[/subzone]]`; null for anything else. */
export function parseLocality(text: string): Locality | null {
  const parts = text.split("/");
  if (parts.length > 3 || parts.some((part) => !/^[A-Za-z0-9][\w.-]{0,62}$/.test(part))) return null;
  const [region = "", zone = "", subZone = ""] = parts;
  return { region, zone, subZone };
}

/** As `parseLocality` reads it. */
export function formatLocality({ region, zone, subZone }: Locality): string {
  return [region, zone, subZone].join("/").replace(/\/+$/, "");
}

/** How far an endpoint is from here. One whose place is not known is as far as can be. */
export function distance(from: Locality, to: Locality | undefined, regions: readonly string[]): number {
  const last = FIRST_OTHER_REGION + regions.length;
  if (to === undefined) return last;
  // A slice of Kubernetes tells the zone alone, which no other region has.
  const sameRegion = to.region === from.region || (to.region === "" && to.zone === from.zone && to.zone !== "");
  if (!sameRegion) {
    const named = regions.indexOf(to.region);
    return named < 0 ? last : FIRST_OTHER_REGION + named;
  }
  if (from.zone === "" || to.zone !== from.zone) return SAME_REGION;
  return to.subZone === from.subZone ? SAME_SUB_ZONE : SAME_ZONE;
}
