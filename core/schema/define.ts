import { z } from "zod";
import { ignored, object } from "./field.ts";
import { metadata } from "./metadata.ts";

/** Whether documents of a kind live in a namespace. */
export type Scope = "Namespaced" | "Cluster";

/** A kind users write: its names, its schema, and how one of it reads in a list. */
export interface KindDefinition<K extends string, S extends z.ZodType> {
  readonly kind: K;
  /** The preferred one first. */
  readonly apiVersions: readonly [string, ...string[]];
  readonly scope: Scope;
  readonly schema: S;
  /** One line for lists. */
  summary(body: z.output<S>): string;
}

/** Holds a kind to its type; `summary` learns its body from the schema. */
export function defineKind<const K extends string, S extends z.ZodType>(definition: KindDefinition<K, S>) {
  return definition;
}

/** The schema of a document with these fields beside those that every document has. Status is the mesh's to write. */
export function documentSchema<S extends z.core.$ZodLooseShape>(fields: S, name?: z.ZodType<string>) {
  return object({ apiVersion: z.string(), kind: z.string(), metadata: metadata(name), ...fields, status: ignored() });
}
