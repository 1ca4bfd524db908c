import type { HeaderChange } from "../plugin/mod.ts";
import { HeaderEdits, type HeaderLine } from "../route/mod.ts";

export type { HeaderEdits };

/** Edits of answers that were given before: a policy's answers are shared objects. */
const KNOWN = new WeakMap<readonly HeaderChange[], HeaderEdits>();

/** Header changes of one more policy on top of those before it: the later one counts. */
export function mergeChanges(before: HeaderEdits | null, changes: readonly HeaderChange[]): HeaderEdits {
  if (before !== null) return editsOf(before.dropped, before.added, changes);
  let edits = KNOWN.get(changes);
  if (edits === undefined) {
    edits = editsOf([], [], changes);
    KNOWN.set(changes, edits);
  }
  return edits;
}

function editsOf(
  dropped: readonly string[],
  added: readonly HeaderLine[],
  changes: readonly HeaderChange[],
): HeaderEdits {
  const names = changes.map(({ name }) => fold(name));
  const kept = added.filter(({ name }) => !names.includes(fold(name)));
  const lines = changes.filter(({ value }) => value !== null).map(({ name, value }) => ({ name, value: value! }));
  return new HeaderEdits([...dropped, ...names], [...kept, ...lines]);
}

function fold(name: string): string {
  return name.toLowerCase().replaceAll("_", "-");
}
