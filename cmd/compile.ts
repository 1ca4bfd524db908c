import { compileDirectory, encodeCompiled } from "../core/app/compiler/mod.ts";
import { systemClock } from "../core/base/mod.ts";
import { builtin, builtinNames } from "../plugins/builtin.ts";
import { gatewayAddresses } from "./flag.ts";
import { defineVerb } from "./verb.ts";

export const verb = defineVerb({
  operands: ["DIR"],
  flags: { gatewayAddresses: gatewayAddresses() },
  details: [
    "Compiles manifests for a proxy that serves from files, prints what it runs, and ends, so that the proxy itself",
    "never holds what reads them. mesh validate is for people.",
  ].join(" "),
  examples: [["mesh compile examples/edge", "what a proxy is told"]],
  async run({ flags, operands: [directory = ""] }) {
    const compiled = await compileDirectory(directory, {
      builtins: { builtin, builtinNames: builtinNames() },
      clock: systemClock,
      gatewayAddresses: flags.gatewayAddresses,
    });
    await Bun.write(Bun.stdout, encodeCompiled(compiled));
    return 0;
  },
});
