import type { Document } from "./document.ts";
import { KINDS } from "./kinds.ts";

/** A line about a document, for lists. */
export interface DocumentRow {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly summary: string;
}

/** One line a document, in the order given. */
export function describe(documents: readonly Document[]): readonly DocumentRow[] {
  return documents.map((document) => {
    const { kind, namespace, name } = document;
    // Each definition reads bodies of its own kind; the union of them cannot say so.
    const summary = KINDS[kind].summary as (body: Document["body"]) => string;
    return { kind, namespace, name, summary: summary(document.body) };
  });
}
