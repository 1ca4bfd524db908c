import type { Path } from "../config/mod.ts";
import type { Body, KindName } from "./kinds.ts";

/** Where a value stands in its file, both from 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** One document of a user, validated, that knows where it stands. */
export interface DocumentOf<K extends KindName> {
  readonly kind: K;
  readonly name: string;
  /** Empty for kinds without one. */
  readonly namespace: string;
  readonly body: Body<K>;
  /** As it was written, for a store or an answer; plain JSON. */
  readonly raw: unknown;
  readonly file: string;
  /** The place of a value, or of what encloses it where it is not there. */
  locate(path: Path): Place;
}

export type Document = { [K in KindName]: DocumentOf<K> }[KindName];

/** `Kind/namespace/name`, or `Kind/name` for kinds without a namespace. */
export function documentKey({ kind, namespace, name }: Pick<Document, "kind" | "namespace" | "name">): string {
  return namespace === "" ? `${kind}/${name}` : `${kind}/${namespace}/${name}`;
}

export function isKind<K extends KindName>(document: Document, kind: K): document is Extract<Document, { kind: K }> {
  return document.kind === kind;
}
