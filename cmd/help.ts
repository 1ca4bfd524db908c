import { tableText } from "./table.ts";
import { type AnyVerb, type Example, type FlagTable, flagName, type Group } from "./verb.ts";

/** The page of one verb: what it does, its flags with their defaults, examples. */
export function verbHelp(name: string, about: string, verb: AnyVerb): string {
  const flags = Object.keys(verb.flags).length > 0;
  const command = verb.command === undefined ? [] : [`-- ${verb.command}`];
  const words = [...(flags ? ["[FLAGS]"] : []), ...(verb.operands ?? []), ...command];
  return page([
    `mesh ${name}: ${about}`,
    `usage: ${["mesh", name, ...words].join(" ")}`,
    wrap(verb.details),
    flagsText(verb.flags),
    examplesText(verb.examples),
  ]);
}

/** The page of a verb of verbs. */
export function groupHelp(name: string, about: string, { details, verbs }: Group): string {
  const rows = Object.entries(verbs).map(([verb, { about }]) => [`${name} ${verb}`, about]);
  return page([
    `mesh ${name}: ${about}`,
    `usage: mesh ${name} ${Object.keys(verbs).join("|")} [FLAGS]`,
    wrap(details),
    indent(tableText([], rows)),
    `"mesh help ${name} ${Object.keys(verbs)[0]}" says more of one.`,
  ]);
}

/** The page of all verbs. */
export function overview(
  verbs: Readonly<Record<string, { readonly about: string; readonly chapter: string }>>,
): string {
  const shown = Object.entries(verbs).filter(([, { chapter }]) => chapter !== "");
  const chapters = Map.groupBy(shown, ([, { chapter }]) => chapter);
  const width = Math.max(...Object.keys(verbs).map((name) => name.length));
  const parts = [...chapters].map(([chapter, list]) => {
    const lines = list.map(([name, { about }]) => `  ${name.padEnd(width)}  ${about}`);
    return [`${chapter}:`, ...lines].join("\n");
  });
  return page([
    "mesh: a service mesh in one file",
    "usage: mesh VERB [FLAGS]",
    ...parts,
    '"mesh help VERB" says what a verb takes. Exit codes: 0 done, 1 failed, 64 the words make no sense.',
  ]);
}

function flagsText(flags: FlagTable): string {
  const rows = Object.entries(flags).map(([property, { hint, short, fallback, about, env, repeats }]) => {
    const letter = short === "" ? "    " : `-${short}, `;
    const more = [repeats ? "may be repeated" : "", env === "" ? "" : `or ${env}`].filter((word) => word !== "");
    const typed = `${letter}--${flagName(property)}${hint === "" ? "" : ` ${hint}`}`;
    return [typed, fallback, more.length === 0 ? about : `${about} (${more.join("; ")})`];
  });
  return rows.length === 0 ? "" : indent(tableText(["flag", "default", "meaning"], rows));
}

function examplesText(examples: readonly Example[]): string {
  return ["examples:", ...examples.map(([command, does]) => `  ${command}\n      ${does}`)].join("\n");
}

function page(parts: readonly string[]): string {
  return parts.filter((part) => part !== "").join("\n\n");
}

function indent(text: string): string {
  return text.replace(/^(?=.)/gm, "  ");
}

const WIDTH = 100;

/** Breaks a paragraph into lines; a line break of its own stays. */
function wrap(text: string): string {
  const lines = text.split("\n").map((paragraph) => {
    const words = paragraph.split(" ");
    return words.reduce((done, word) => {
      const last = done.length - done.lastIndexOf("\n") - 1;
      return done === "" ? word : `${done}${last + 1 + word.length > WIDTH ? "\n" : " "}${word}`;
    }, "");
  });
  return lines.join("\n");
}
