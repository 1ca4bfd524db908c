import { fingerprints, type Svid, workloadId } from "../identity/mod.ts";
import { JoinRefused } from "./enrol.ts";
import type { WorkloadClaim } from "./protocol.ts";
import type { JoinToken } from "./token.ts";

/**
 * The SPIFFE ID this proxy asks for: the token's, or, without one, that of the
 * identity it has kept.
 *
 * @throws {JoinRefused} when neither says who we are, or it is not who we should be.
 */
export function whoAmI(token: JoinToken | null, kept: Svid | null, workload: WorkloadClaim | null): string {
  const id = token !== null ? workloadId(token.trustDomain, token.namespace, token.name) : (kept?.spiffeId ?? null);
  if (id === null)
    throw new JoinRefused(
      'Cannot join: there is no join token and no identity on disk; make one with "mesh token create"',
    );
  if (workload === null || id.endsWith(`/ns/${workload.namespace}/sa/${workload.name}`)) return id;
  const own = `${workload.namespace}/${workload.name}`;
  const source = token === null ? "identity on disk" : "join token";
  throw new JoinRefused(
    `Cannot join as ${own}: the ${source} is for "${id}"; make a token for ${own} with "mesh token create"`,
  );
}

/**
 * True where the identity on disk does not believe the root that the token
 * names: a control plane that was begun anew signs with a new one, though
 * trust domain and names are the same. What is on disk could only shut out the
 * token, and serve what nobody keeps up to date.
 */
export function isOfAnotherMesh(kept: Svid, token: JoinToken): boolean {
  return !fingerprints(kept.bundle).includes(token.root);
}
