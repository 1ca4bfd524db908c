import { type Document, type DocumentOf, documentKey, type KindName } from "../schema/mod.ts";
import type { Report } from "./report.ts";

/** Documents by kind and by key, each key once. */
export class Catalog {
  readonly #byKey = new Map<string, Document>();
  readonly #byKind = new Map<KindName, Document[]>();

  constructor(documents: readonly Document[], report: Report) {
    for (const document of documents) {
      const first = this.#byKey.get(documentKey(document));
      if (first === undefined) this.#add(document);
      else refuseSecond(document, first, report);
    }
  }

  all<K extends KindName>(kind: K): readonly DocumentOf<K>[] {
    return (this.#byKind.get(kind) ?? []) as unknown as readonly DocumentOf<K>[];
  }

  find<K extends KindName>(kind: K, namespace: string, name: string): DocumentOf<K> | null {
    const found = this.#byKey.get(documentKey({ kind, namespace, name })) ?? null;
    return found as unknown as DocumentOf<K> | null;
  }

  #add(document: Document): void {
    this.#byKey.set(documentKey(document), document);
    const ofKind = this.#byKind.get(document.kind);
    if (ofKind === undefined) this.#byKind.set(document.kind, [document]);
    else ofKind.push(document);
  }
}

function refuseSecond(document: Document, first: Document, report: Report): void {
  const { line } = first.locate(["metadata", "name"]);
  const path = ["metadata", "name"];
  report.error(document, path, `must be unique: ${documentKey(document)} stands already in ${first.file}:${line}`, {
    found: document.name,
    expected: "a name that no other document of the kind and namespace has",
  });
}
