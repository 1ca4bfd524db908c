import { type Svid, workloadId } from "../identity/mod.ts";
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
