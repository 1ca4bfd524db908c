/**
 * Builds the shipped policies from their sources: `bun plugins/build.ts [name …]`.
 * Writes each module beside its source, and its hash into manifest.yaml.
 */
import { builtinNames } from "./builtin.ts";

/** As much of AssemblyScript's compiler as is used here. */
interface Compiler {
  main(
    words: readonly string[],
    host: { writeFile(name: string, contents: Uint8Array | string): void },
  ): Promise<{ readonly error: Error | null; readonly stderr: { toString(): string } }>;
}

/** Loaded by a name that the type checker does not follow: its types declare a global `console` that lacks `error`. */
const COMPILER: string = "assemblyscript/asc";

const ROOT = new URL("..", import.meta.url).pathname;

/** The command an author would type in the root of the repository, word by word. */
export function buildCommand(name: string): readonly string[] {
  return [
    `plugins/${name}/assembly/index.ts`,
    "--outFile",
    `plugins/${name}/${name}.wasm`,
    "-O3",
    "--runtime",
    "incremental",
    "--use",
    "abort=plugins/sdk/assembly/abort/abort",
  ];
}

/** Compiles a policy and returns the module; nothing is written. */
export async function build(name: string): Promise<Uint8Array> {
  let module: Uint8Array | null = null;
  const { default: asc }: { default: Compiler } = await import(COMPILER);
  const { error, stderr } = await asc.main([...buildCommand(name), "--baseDir", ROOT], {
    writeFile: (_, contents) => {
      if (contents instanceof Uint8Array) module = contents;
    },
  });
  if (error !== null || module === null) throw new Error(`Cannot build policy "${name}": ${stderr.toString()}`);
  return module;
}

async function write(name: string): Promise<void> {
  const bytes = await build(name);
  const sha256 = new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
  const manifest = Bun.file(`${ROOT}plugins/${name}/manifest.yaml`);
  await Bun.write(`${ROOT}plugins/${name}/${name}.wasm`, bytes);
  await Bun.write(manifest, (await manifest.text()).replace(/hash: .*/, `hash: ${sha256}`));
  console.log(`${name}: ${bytes.length} bytes, sha256 ${sha256}`);
}

if (import.meta.main) {
  const asked = process.argv.slice(2);
  for (const name of asked.length > 0 ? asked : builtinNames()) await write(name);
}
