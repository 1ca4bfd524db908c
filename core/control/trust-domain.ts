import { type Compiled, loadDirectory } from "../compile/mod.ts";
import { type Problem, problemOf } from "../config/mod.ts";
import { DEFAULT_TRUST_DOMAIN, type Document, isKind } from "../schema/mod.ts";
import type { Resource } from "../snapshot/mod.ts";
import type { Storage } from "./record.ts";

/**
 * The trust domain of a control plane: decided at its first start, by the Mesh
 * document if there is one, and kept with the authority from then on.
 */
export async function decideTrustDomain(storage: Storage, directory: string | null): Promise<string> {
  const records = storage.records<string>("control");
  const kept = await records.get("trust-domain");
  if (kept !== null) return kept;
  const documents = directory === null ? [] : (await loadDirectory(directory)).documents;
  const decided = documents.map(writtenIn).find((written) => written !== null) ?? DEFAULT_TRUST_DOMAIN;
  await records.put("trust-domain", decided);
  return decided;
}

/** Certificates that are out there name the trust domain: a document cannot change it. */
export function trustDomainProblems(documents: readonly Document[], trustDomain: string): readonly Problem[] {
  return documents.flatMap((document) => {
    const wanted = writtenIn(document);
    if (wanted === null || wanted === trustDomain) return [];
    const path = ["spec", "trustDomain"];
    const message = `spec.trustDomain must stay "${trustDomain}": the authority of this control plane signs for it; use another --data directory for "${wanted}"`;
    const more = { ...document.locate(path), path: "spec.trustDomain", found: wanted, expected: trustDomain };
    return [problemOf(document.file, message, more)];
  });
}

/** Says the authority's trust domain to proxies, also where no document does. */
export function withTrustDomain(compiled: Compiled, trustDomain: string): Compiled {
  const resources = compiled.resources.map((resource): Resource => {
    if (resource.kind !== "mesh" || resource.model.trustDomain === trustDomain) return resource;
    return { ...resource, version: `${resource.version}@${trustDomain}`, model: { ...resource.model, trustDomain } };
  });
  return { ...compiled, resources };
}

function writtenIn(document: Document): string | null {
  if (!isKind(document, "Mesh")) return null;
  const { spec } = document.raw as { spec?: { trustDomain?: string } };
  return spec?.trustDomain ?? null;
}
