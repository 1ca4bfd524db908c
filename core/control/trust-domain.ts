import { loadDirectory } from "../compile/mod.ts";
import { type Problem, problemOf } from "../config/mod.ts";
import { DEFAULT_TRUST_DOMAIN, type Document, isKind } from "../schema/mod.ts";
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
  const decided = trustDomainOf(documents);
  await records.put("trust-domain", decided);
  return decided;
}

/** Certificates that are out there name the trust domain: a document cannot change it. */
export function trustDomainProblems(documents: readonly Document[], trustDomain: string): readonly Problem[] {
  const wanted = trustDomainOf(documents);
  if (wanted === trustDomain) return [];
  const mesh = documents.find((document) => isKind(document, "Mesh"));
  const message = `must stay "${trustDomain}": the authority of this control plane signs for it; use another --data directory for "${wanted}"`;
  if (mesh === undefined) return [problemOf("", `spec.trustDomain of the Mesh ${message}`)];
  const path = ["spec", "trustDomain"];
  const more = { ...mesh.locate(path), path: "spec.trustDomain", found: wanted, expected: trustDomain };
  return [problemOf(mesh.file, `spec.trustDomain ${message}`, more)];
}

function trustDomainOf(documents: readonly Document[]): string {
  for (const document of documents) if (isKind(document, "Mesh")) return document.body.spec.trustDomain;
  return DEFAULT_TRUST_DOMAIN;
}
