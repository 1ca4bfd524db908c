/**
 * The words typed at a shell: the first picks a verb, whose file does the rest.
 * Owns the exit codes: 0, 1 failed, 64 usage.
 * @module
 */
import { MeshError, messageOf } from "../core/base/mod.ts";
import { nearest } from "../core/config/mod.ts";
import { groupHelp, overview, verbHelp } from "./help.ts";
import { Usage } from "./usage.ts";
import { type AnyVerb, type Group, isGroup } from "./verb.ts";
import { VERBS } from "./verbs.ts";
import { asksForHelp, readWords } from "./words.ts";

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  try {
    return await run(args);
  } catch (error) {
    console.error(`mesh: ${messageOf(error).replace(/[\u0000-\u001f\u007f-\u009f]+/g, " ")}`);
    // Anything but a failure with a name is a bug; where it is says more than its message.
    if (process.env["MESH_DEBUG"] && !(error instanceof Usage || error instanceof MeshError)) console.error(error);
    // Not by itself: a role that failed halfway may hold sockets that would keep the process.
    process.exit(error instanceof Usage ? 64 : 1);
  }
}

async function run([word, ...args]: readonly string[]): Promise<number> {
  if (word === undefined) throw new Usage("a verb is missing");
  if (word === "help") return print(await helpOf(args));
  if (word === "--help" || word === "-h") return print(overview(VERBS));
  if (asksForHelp(args)) return print(await helpOf([word, ...args]));
  const { name, verb, rest } = await find([word, ...args]);
  if (isGroup(verb)) throw new Usage(`${name} needs one of ${Object.keys(verb.verbs).join(", ")}`, name);
  return await verb.run(readWords(name, verb, rest, process.env));
}

interface Found {
  /** As it was typed: `token create`. */
  readonly name: string;
  readonly about: string;
  readonly verb: AnyVerb | Group;
  readonly rest: readonly string[];
}

async function find([word = "", ...args]: readonly string[]): Promise<Found> {
  const entry = entryOf(VERBS, word, "verb", "");
  const { verb } = await entry.load();
  if (!isGroup(verb)) return { name: word, about: entry.about, verb, rest: args };
  const [next, ...rest] = args;
  if (next === undefined || next.startsWith("-")) return { name: word, about: entry.about, verb, rest: args };
  const inner = entryOf(verb.verbs, next, `verb of ${word}`, word);
  return { name: `${word} ${next}`, about: inner.about, verb: inner.verb, rest };
}

function entryOf<T>(table: Readonly<Record<string, T>>, word: string, noun: string, verb: string): T {
  const found = Object.hasOwn(table, word) ? table[word] : undefined;
  if (found !== undefined) return found;
  const meant = nearest(word, Object.keys(table));
  throw new Usage(`"${word}" is no ${noun}${meant === null ? "" : `; did you mean "${meant}"?`}`, verb);
}

/** Help of the verb that the words name; what else was typed beside it does not matter. */
async function helpOf(words: readonly string[]): Promise<string> {
  const named = words.filter((word) => !word.startsWith("-"));
  if (named.length === 0) return overview(VERBS);
  const { name, about, verb } = await find(named);
  return isGroup(verb) ? groupHelp(name, about, verb) : verbHelp(name, about, verb);
}

function print(text: string): number {
  console.log(text);
  return 0;
}
