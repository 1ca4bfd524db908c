import { version } from "../package.json";
import { outputFlag } from "./output.ts";
import { defineVerb } from "./verb.ts";

export const verb = defineVerb({
  flags: { output: outputFlag() },
  details: "The version of mesh; with -o json, also of the Bun inside.",
  examples: [
    ["mesh version", "for people"],
    ["mesh version -o json", "for programs"],
  ],
  run({ flags }) {
    console.log(flags.output === "json" ? JSON.stringify({ version, bun: Bun.version }) : `mesh ${version}`);
    return 0;
  },
});
