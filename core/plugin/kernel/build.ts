/** Assembles kernel.wat and writes the bytes beside it: `bun core/plugin/kernel/build.ts` after every change. */
import binaryen from "binaryen";

/** Bytes of a text module, assembled without optimization. */
export function assemble(wat: string): Uint8Array {
  // The levels are those of the process, and a compiler that ran before has left its own.
  binaryen.setOptimizeLevel(0);
  binaryen.setShrinkLevel(0);
  const module = binaryen.parseText(wat);
  module.setFeatures(binaryen.Features.BulkMemory | binaryen.Features.BulkMemoryOpt);
  const bytes = module.emitBinary();
  module.dispose();
  return bytes;
}

async function write(): Promise<void> {
  const bytes = assemble(await Bun.file(new URL("kernel.wat", import.meta.url)).text());
  const lines = Buffer.from(bytes)
    .toString("base64")
    .match(/.{1,110}/g)!;
  const text = `/** The module of kernel.wat in base64, written by build.ts. In the source, so that it is there in every worker and in the binary. */
export const KERNEL_BASE64 =
${lines.map((line) => `  "${line}"`).join(" +\n")};
`;
  await Bun.write(new URL("bytes.ts", import.meta.url), text);
}

if (import.meta.main) await write();
