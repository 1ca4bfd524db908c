import { hostsOverlap } from "./hostname.ts";
import type { ConflictReason, ListenerSpec, Transport } from "./model.ts";

/** What a listener needs of the port it shares with others. */
export interface Claim {
  readonly transport: Transport | null;
  readonly hostname: string;
  readonly port: ListenerSpec["port"];
}

/**
 * Why a listener cannot be told from others, in the order given; null where it
 * can. Each group is one Gateway or ListenerSet, the one that takes precedence
 * first. Inside a group nobody wins; between groups whoever comes first does.
 */
export function conflictsAmong(groups: readonly (readonly Claim[])[]): readonly (readonly (ConflictReason | null)[])[] {
  const taken = new Map<number, Claim[]>();
  return groups.map((group) => {
    const reasons = group.map((claim) => conflictWith(claim, taken) ?? conflictInside(claim, group));
    for (const [i, claim] of group.entries()) if (reasons[i] === null && claim.transport !== null) take(claim, taken);
    return reasons;
  });
}

function take(claim: Claim, taken: Map<number, Claim[]>): void {
  const others = taken.get(claim.port);
  if (others === undefined) taken.set(claim.port, [claim]);
  else others.push(claim);
}

function conflictWith(claim: Claim, taken: ReadonlyMap<number, readonly Claim[]>): ConflictReason | null {
  return firstConflict(claim, taken.get(claim.port) ?? []);
}

function conflictInside(claim: Claim, group: readonly Claim[]): ConflictReason | null {
  return firstConflict(
    claim,
    group.filter((other) => other !== claim && other.port === claim.port),
  );
}

function firstConflict(claim: Claim, others: readonly Claim[]): ConflictReason | null {
  for (const other of others) {
    const reason = conflictOf(claim, other);
    if (reason !== null) return reason;
  }
  return null;
}

/** Two listeners of one port; UDP has ports of its own. */
function conflictOf(a: Claim, b: Claim): ConflictReason | null {
  if (a.transport === null || b.transport === null) return null;
  if ((a.transport === "udp") !== (b.transport === "udp")) return null;
  // Where nothing is read, nothing but the port tells listeners apart.
  const isRead = a.transport === "http" || a.transport === "tls";
  if (a.transport !== b.transport || !isRead) return "ProtocolConflict";
  return a.hostname === b.hostname ? "HostnameConflict" : null;
}

/** For each claim of TLS, whether another one of its port is for some of the same hosts. */
export function overlapsAmong(claims: readonly Claim[]): readonly boolean[] {
  const byPort = Map.groupBy(
    claims.filter(({ transport }) => transport === "tls"),
    ({ port }) => port,
  );
  return claims.map((claim) => {
    if (claim.transport !== "tls") return false;
    const others = byPort.get(claim.port) ?? [];
    return others.some((other) => other !== claim && hostsOverlap(other.hostname, claim.hostname));
  });
}
