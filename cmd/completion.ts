import { type AnyVerb, defineVerb, flagName, isGroup } from "./verb.ts";
import { VERBS } from "./verbs.ts";

export const verb = defineVerb({
  flags: {},
  details: "Prints a script that completes verbs and flags in bash.",
  examples: [
    ["source <(mesh completion)", "in this shell"],
    ["mesh completion > /etc/bash_completion.d/mesh", "in every shell"],
  ],
  async run() {
    console.log(script(await wordsOf()));
    return 0;
  },
});

/** What may follow a verb, or a verb of a verb; the empty one stands for mesh itself. */
async function wordsOf(): Promise<ReadonlyMap<string, readonly string[]>> {
  const shown = Object.entries(VERBS).filter(([, { chapter }]) => chapter !== "");
  const words = new Map<string, readonly string[]>([["", ["help", ...shown.map(([name]) => name)]]]);
  for (const [name, { load }] of shown) {
    const { verb } = await load();
    if (!isGroup(verb)) words.set(name, flagsOf(verb));
    else {
      words.set(name, Object.keys(verb.verbs));
      for (const [inner, { verb: own }] of Object.entries(verb.verbs)) words.set(`${name} ${inner}`, flagsOf(own));
    }
  }
  return words;
}

function flagsOf({ flags }: AnyVerb): readonly string[] {
  return [...Object.keys(flags).map((property) => `--${flagName(property)}`), "--help"];
}

/** Files are completed where no word of ours fits: most values are paths. */
function script(words: ReadonlyMap<string, readonly string[]>): string {
  const groups = new Set([...words.keys()].filter((after) => after.includes(" ")).map((after) => after.split(" ")[0]));
  const cases = [...words].map(([after, list]) => `    "${after}") words="${list.join(" ")}" ;;`);
  return `_mesh() {
  local words="" after="\${COMP_WORDS[1]}"
  (( COMP_CWORD < 2 )) && after=""
  case "$after" in
    ${[...groups].join("|")}) (( COMP_CWORD > 2 )) && after="$after \${COMP_WORDS[2]}" ;;
  esac
  case "$after" in
${cases.join("\n")}
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}")
}
complete -o default -F _mesh mesh`;
}
