import { isOurDomain, readSpiffeId } from "../identity/mod.ts";
import { DEFAULT_TRUST_DOMAIN, type DocumentOf } from "../schema/mod.ts";
import type { MeshModel } from "../snapshot/mod.ts";
import type { Report } from "./report.ts";

/** What the Mesh document says, or the defaults without one. */
export function meshOf(documents: readonly DocumentOf<"Mesh">[], report: Report): MeshModel {
  const [first, ...others] = documents;
  for (const other of others)
    report.error(other, ["metadata", "name"], `must be the only Mesh: ${first?.name} stands already in ${first?.file}`);
  const spec = first?.body.spec;
  return {
    trustDomain: spec?.trustDomain ?? DEFAULT_TRUST_DOMAIN,
    trustDomainAliases: spec?.trustDomainAliases ?? [],
    mtls: spec?.mtls.mode ?? "STRICT",
    egress: spec?.egress.policy ?? "ALLOW_ANY",
    requestTimeoutMs: spec?.timeouts.request ?? 0,
  };
}

/** Tells of workloads whose identity no proxy of this mesh would believe. */
export function warnOfStrangers(workloads: readonly DocumentOf<"Workload">[], mesh: MeshModel, report: Report): void {
  for (const workload of workloads) {
    const id = readSpiffeId(workload.body.spec.identity ?? "");
    if (id === null || isOurDomain(mesh, id.trustDomain)) continue;
    const expected = [mesh.trustDomain, ...mesh.trustDomainAliases].join(" or ");
    const message = `must be of the trust domain ${expected}: proxies refuse ${id.trustDomain}`;
    report.warn(workload, ["spec", "identity"], message, { found: id.text, expected });
  }
}
