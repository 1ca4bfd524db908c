/**
 * Compiles dist/mesh: `npm run build`.
 *
 * What Bun 1.4.5 needs, found by trying:
 * - `--splitting` keeps the libraries of a role out of the memory of the
 *   others; `--bytecode` works with it as long as the format is esm.
 * - A Worker's file must be an entry of its own, or the binary does not hold
 *   it. `--entry-naming` puts all entries and chunks in one folder, so that
 *   `new Worker(new URL("./worker.ts", import.meta.url))`, written in a file
 *   beside worker.ts, finds it both in the source tree and in the binary.
 * - `import path from "./x.wasm" with { type: "file" }` and `import()` need nothing.
 * - `--compile-exec-argv=--smol` is not inherited by Workers: they are given `smol: true`.
 * - The file must not be stripped: its payload would go.
 * @module
 */
import { existsSync, mkdirSync, renameSync, rmSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { $, Glob } from "bun";

const ROOT = join(import.meta.dir, "..");
/** Where the binary stands once built. */
export const BINARY: string = join(ROOT, "dist", "mesh");

/** Compiles the binary and puts it in place in one step, so that a running one is never half overwritten. */
export async function build(): Promise<void> {
  const work = join(ROOT, "dist", `.build-${process.pid}`);
  mkdirSync(work, { recursive: true });
  try {
    await compile(join(work, "mesh"));
    renameSync(join(work, "mesh"), BINARY);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Whether some file that goes into the binary is newer than the binary. */
export function isStale(): boolean {
  if (!existsSync(BINARY)) return true;
  const built = statSync(BINARY).mtimeMs;
  const sources = [
    "package-lock.json",
    "package.json",
    "scripts/build.ts",
    ...filesOf("{cmd,core,plugins,examples}/**/*"),
  ];
  return sources.some((file) => !file.endsWith(".test.ts") && statSync(join(ROOT, file)).mtimeMs > built);
}

async function compile(outfile: string): Promise<void> {
  const workers = await workerEntries();
  const done = await $`${process.execPath} build --compile --minify --bytecode --format=esm --splitting \
    --compile-exec-argv=--smol --no-compile-autoload-dotenv --no-compile-autoload-bunfig \
    --entry-naming=[name].[ext] --outfile=${outfile} cmd/mesh.ts ${workers}`
    .cwd(ROOT)
    .quiet()
    .nothrow();
  if (done.exitCode === 0) return;
  process.stderr.write(done.stderr);
  throw new Error(`Cannot compile mesh: bun build ended with ${done.exitCode}`);
}

/** Files that some source starts as a Worker. */
async function workerEntries(): Promise<string[]> {
  const entries: string[] = [];
  for (const file of filesOf("{cmd,core}/**/*.ts").filter((name) => !name.endsWith(".test.ts"))) {
    const source = await Bun.file(join(ROOT, file)).text();
    for (const [, name] of source.matchAll(/new Worker\(\s*new URL\("\.\/([\w.-]+)", import\.meta\.url\)/g)) {
      entries.push(join(file, "..", name!));
    }
  }
  return distinct(entries);
}

function distinct(entries: readonly string[]): string[] {
  const byName = new Map(entries.map((entry) => [basename(entry), entry]));
  const hidden = entries.find((entry) => byName.get(basename(entry)) !== entry);
  if (hidden) throw new Error(`Cannot compile mesh: "${hidden}" and another worker have the same file name`);
  return [...byName.values()];
}

function filesOf(pattern: string): string[] {
  return [...new Glob(pattern).scanSync({ cwd: ROOT, onlyFiles: true })];
}

if (import.meta.main) await build();
