import type { Flag } from "./flag.ts";

/** Flags by property name; `tokenFile` is typed as `--token-file`. */
export type FlagTable = Readonly<Record<string, Flag<unknown>>>;

/** What was typed for a table of flags. */
export type Given<F extends FlagTable> = { readonly [K in keyof F]: F[K] extends Flag<infer T> ? T : never };

/** A command typed and what it does. */
export type Example = readonly [command: string, does: string];

export interface VerbText<F extends FlagTable> {
  /** Words beside flags, as help shows them: `KIND`, `[NAME]` may be left out, `FILE…` stands for one or more. */
  readonly operands?: readonly string[];
  /** What follows `--`, as help shows it: a command that is run. Left out, nothing may. */
  readonly command?: string;
  readonly flags: F;
  /** A paragraph for help. */
  readonly details: string;
  readonly examples: readonly Example[];
}

/** The words typed for one verb, read. */
export interface Words<F extends FlagTable> {
  readonly flags: Given<F>;
  readonly operands: readonly string[];
  /** What stood after `--`. */
  readonly command: readonly string[];
}

/** A verb: its words, and what it does with them; resolves to the exit code. */
export interface Verb<F extends FlagTable = FlagTable> extends VerbText<F> {
  run(words: Words<F>): Promise<number> | number;
}

/** A verb of verbs: `mesh token create`. */
export interface Group {
  readonly details: string;
  readonly verbs: Readonly<Record<string, { readonly about: string; readonly verb: AnyVerb }>>;
}

/** A verb whose flags nobody asks for by name. */
// biome-ignore lint/suspicious/noExplicitAny: a verb reads its own flags only, and a table of verbs cannot name them all.
export type AnyVerb = Verb<any>;

/** Holds a verb to its flags; `run` learns their types from the table. */
export function defineVerb<const F extends FlagTable>(verb: Verb<F>): Verb<F> {
  return verb;
}

export function isGroup(found: AnyVerb | Group): found is Group {
  return "verbs" in found;
}

/** The way a flag is typed. */
export function flagName(property: string): string {
  return property.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
