import type { Address } from "../config/mod.ts";
import { formatAddress } from "../config/mod.ts";

/** What a name resolves to. */
export interface Answer {
  /** IP literals, sorted. */
  readonly addresses: readonly string[];
  readonly ttlMs: number;
}

export type ResolveName = (host: string) => Promise<Answer>;

/** How long an answer counts that tells no time: one of the system's resolver, from a hosts file. */
const UNTOLD_MS = 30_000;
/** An answer is asked for again after this at the soonest and the latest, whatever its TTL. */
const MIN_TTL_MS = 1_000;
const MAX_TTL_MS = 300_000;

/**
 * Asks DNS for the addresses of a name, and for how long they count; IPv6
 * where there is no IPv4. What DNS does not know may stand in a hosts file:
 * the system's resolver is asked then, unless servers were named.
 *
 * @param servers of DNS; empty: those of the system.
 */
export async function nameResolver(servers: readonly Address[]): Promise<ResolveName> {
  const { Resolver } = await import("node:dns/promises");
  const resolver = new Resolver({ timeout: 2_000, tries: 2 });
  if (servers.length > 0) resolver.setServers(servers.map(formatAddress));
  return async (host) => {
    try {
      const found = await resolver.resolve4(host, { ttl: true }).catch(() => resolver.resolve6(host, { ttl: true }));
      const ttl = Math.min(...found.map((record) => record.ttl)) * 1000;
      const addresses = [...new Set(found.map(({ address }) => address))].sort();
      return { addresses, ttlMs: Math.min(Math.max(ttl, MIN_TTL_MS), MAX_TTL_MS) };
    } catch (error) {
      if (servers.length > 0) throw error;
      return { addresses: await systemAddresses(host), ttlMs: UNTOLD_MS };
    }
  };
}

/** Addresses of a name by these servers, or by whatever the system asks. */
export function hostResolver(servers: readonly Address[]): (host: string) => Promise<readonly string[]> {
  if (servers.length === 0) return systemAddresses;
  let made: Promise<ResolveName> | null = null;
  return async (host) => {
    made ??= nameResolver(servers);
    return (await (await made)(host)).addresses;
  };
}

/** What the system's resolver finds: hosts file, DNS, and whatever else it is told to ask. */
async function systemAddresses(host: string): Promise<readonly string[]> {
  const found = await Bun.dns.lookup(host, {});
  return [...new Set(found.map(({ address }) => address))];
}
