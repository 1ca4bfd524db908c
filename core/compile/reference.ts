import type { DocumentOf } from "../schema/mod.ts";
import type { Report } from "./report.ts";

/** Who refers to something. */
export interface Referrer {
  readonly group: string;
  readonly kind: string;
  readonly namespace: string;
}

/** What somebody refers to. */
export interface Referent extends Referrer {
  readonly name: string;
}

/**
 * Which references may cross namespaces: those that a ReferenceGrant lets in,
 * which stands in the namespace they lead to. Within a namespace all may.
 */
export class ReferenceGrants {
  readonly #names = new Map<string, Set<string>>();

  constructor(documents: readonly DocumentOf<"ReferenceGrant">[]) {
    for (const { namespace, body } of documents)
      for (const from of body.spec.from)
        for (const { group, kind, name } of body.spec.to)
          this.#add(from, { group, kind, namespace, name: name ?? ANY });
  }

  permits(from: Referrer, to: Referent): boolean {
    if (from.namespace === to.namespace) return true;
    const names = this.#names.get(keyOf(from, to));
    return names !== undefined && (names.has(ANY) || names.has(to.name));
  }

  #add(from: Referrer, to: Referent): void {
    const key = keyOf(from, to);
    const names = this.#names.get(key);
    if (names === undefined) this.#names.set(key, new Set([to.name]));
    else names.add(to.name);
  }
}

/** Tells of grants that add nothing: they stand where the references come from, not where they lead. */
export function warnOfIdleGrants(documents: readonly DocumentOf<"ReferenceGrant">[], report: Report): void {
  for (const document of documents)
    for (const [i, { namespace }] of document.body.spec.from.entries()) {
      if (namespace !== document.namespace) continue;
      const message = `must be another namespace: within ${namespace} no grant is needed, and one for references to another namespace stands there`;
      report.warn(document, ["spec", "from", i, "namespace"], message, { found: namespace });
    }
}

/** No object has this name. */
const ANY = "";

function keyOf(from: Referrer, to: Referrer): string {
  return JSON.stringify([from.group, from.kind, from.namespace, to.group, to.kind, to.namespace]);
}
