import { compile, type LoadedDirectory, loadDirectory, loadModules, readBeside } from "../core/compile/mod.ts";
import { hasErrors, inOrder, type Problem } from "../core/config/mod.ts";
import type { Document } from "../core/schema/mod.ts";
import { builtin, builtinNames } from "../plugins/builtin.ts";
import { toggle } from "./flag.ts";
import { outputFlag } from "./output.ts";
import { printProblems } from "./problems.ts";
import { defineVerb } from "./verb.ts";

export const verb = defineVerb({
  operands: ["PATH…"],
  flags: { strict: toggle("warnings are failures too"), output: outputFlag() },
  details: [
    "Reads manifests (*.yaml, *.yml, *.json, and directories of them) as the control plane would, all together,",
    "and tells everything that is wrong at once: with file, line and column, what was found and what may stand there.",
    "Talks to nobody. Exit code 1 where there is an error; a warning is something that runs without effect.",
  ].join(" "),
  examples: [
    ["mesh validate examples/hello", "a directory"],
    ["mesh validate mesh.yaml routes/ --strict -o json", "a file with a directory beside it, for a pipeline"],
  ],
  async run({ flags, operands }) {
    const { documents, files, problems } = await check(operands);
    const failed = hasErrors(problems) || (flags.strict && problems.length > 0);
    if (flags.output === "json")
      console.log(JSON.stringify({ valid: !failed, documents: documents.length, files, problems }));
    else printProblems(problems, `${plural(documents.length, "document")} in ${plural(files, "file")}`);
    return failed ? 1 : 0;
  },
});

interface Checked {
  readonly documents: readonly Document[];
  readonly files: number;
  readonly problems: readonly Problem[];
}

/** Everything the paths hold, and everything that is wrong with it. */
async function check(paths: readonly string[]): Promise<Checked> {
  const loaded: LoadedDirectory[] = [];
  for (const path of paths) loaded.push(await loadDirectory(path));
  const documents = loaded.flatMap((directory) => directory.documents);
  const modules = await loadModules(documents, { builtin, builtinNames: builtinNames(), readFile: readBeside });
  const compiled = compile(documents, [], { modules: modules.modules });
  const problems = inOrder([...loaded.flatMap((each) => each.problems), ...modules.problems, ...compiled.problems]);
  return { documents, files: loaded.reduce((sum, { files }) => sum + files.length, 0), problems };
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
