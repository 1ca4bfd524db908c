/**
 * The words typed at a shell: the first picks a verb, whose file does the rest.
 * Owns the exit codes: 0, 1 failed, 64 usage.
 * @module
 */
import { messageOf } from "../core/base/mod.ts";
import { Usage } from "./usage.ts";

interface Verb {
  readonly about: string;
  load(): Promise<{ run(args: readonly string[]): Promise<number> | number }>;
}

/** One line a verb; a verb's libraries are loaded only when it is called. */
const VERBS: Readonly<Record<string, Verb>> = {
  version: { about: "print the version", load: () => import("./version.ts") },
};

process.exitCode = await main(process.argv.slice(2));

async function main([verb, ...args]: readonly string[]): Promise<number> {
  if (verb === "--help" || verb === "help") return print(usage());
  try {
    if (verb === undefined) throw new Usage("a verb is missing");
    const found = Object.hasOwn(VERBS, verb) ? VERBS[verb] : undefined;
    if (!found) throw new Usage(`there is no verb "${verb}"`);
    return await (await found.load()).run(args);
  } catch (error) {
    console.error(`mesh: ${messageOf(error)}`);
    return error instanceof Usage ? 64 : 1;
  }
}

function print(text: string): number {
  console.log(text);
  return 0;
}

function usage(): string {
  const width = Math.max(...Object.keys(VERBS).map((verb) => verb.length));
  const lines = Object.entries(VERBS).map(([verb, { about }]) => `  ${verb.padEnd(width)}  ${about}`);
  return ["usage: mesh VERB [OPTIONS]", "", ...lines].join("\n");
}
