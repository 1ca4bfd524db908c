/**
 * The gate: `npm test`. Fast things first; every level runs, whatever the one
 * before said. The last line counts tests: "N passed, N failed".
 *
 *   npm test -- [LEVEL…]     check · unit · integration · binary
 *   npm run check            the first level
 * @module
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Glob } from "bun";
import { build } from "../scripts/build.ts";
import { NO_RESULTS, parseResults, type Results, sum } from "./harness/results.ts";

const ROOT = join(import.meta.dir, "..");
/** One command that takes longer hangs. */
const COMMAND_DEADLINE_MS = 10 * 60_000;
/** All of them together stay below half an hour. */
const DEADLINE_MS = 27 * 60_000;

interface Level {
  readonly name: string;
  readonly holds: (file: string) => boolean;
  readonly testTimeoutMs: number;
  /** What must be true before its tests run, by name. */
  readonly steps: Readonly<Record<string, () => Promise<boolean>>>;
}

const isCheck = (file: string) => file === "test/architecture.test.ts";
const isBinary = (file: string) =>
  /^test\/(examples|binary\/.*|conformance\/gateway-api\/gateway-api|integration\/(container|mesh-.*))\.test\.ts$/.test(
    file,
  );
const isIntegration = (file: string) => file.startsWith("test/integration/") && !isBinary(file);

const LEVELS: readonly Level[] = [
  {
    name: "check",
    holds: isCheck,
    testTimeoutMs: 10_000,
    steps: {
      "format and lint": () => succeeds(["node_modules/.bin/biome", "check", "--error-on-warnings", "."]),
      types: () => succeeds(["node_modules/.bin/tsc", "-p", "."]),
    },
  },
  {
    name: "unit",
    holds: (file) => !isCheck(file) && !isBinary(file) && !isIntegration(file),
    testTimeoutMs: 10_000,
    steps: {},
  },
  { name: "integration", holds: isIntegration, testTimeoutMs: 30_000, steps: {} },
  { name: "binary", holds: isBinary, testTimeoutMs: 120_000, steps: { build: () => built() } },
];

const wanted = process.argv.slice(2);
const unknown = wanted.find((name) => !LEVELS.some((level) => level.name === name));
if (unknown !== undefined) {
  console.error(`Cannot test "${unknown}": the levels are ${LEVELS.map(({ name }) => name).join(", ")}`);
  process.exit(64);
}

let total = NO_RESULTS;
for (const level of LEVELS.filter(({ name }) => wanted.length === 0 || wanted.includes(name))) {
  total = sum(total, await run(level));
}
report(total);
process.exit(total.failed.length === 0 ? 0 : 1);

async function run(level: Level): Promise<Results> {
  const start = performance.now();
  console.log(`── ${level.name}`);
  let results = NO_RESULTS;
  for (const [name, step] of Object.entries(level.steps)) {
    if (!(await step())) results = sum(results, { ...NO_RESULTS, failed: [`${level.name}: ${name}`] });
  }
  const files = testFiles().filter(level.holds);
  if (files.length > 0) results = sum(results, await runTests(level, files));
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  console.log(`   ${results.passed} passed, ${results.failed.length} failed in ${seconds} s`);
  return results;
}

function testFiles(): string[] {
  const files = [...new Glob("{cmd,core,plugins,scripts,test}/**/*.test.ts").scanSync({ cwd: ROOT })];
  return files.filter((file) => !file.includes("node_modules/")).sort();
}

/** Runs test files in one process, and counts what it wrote down: a process that died counts as a failure. */
async function runTests(level: Level, files: readonly string[]): Promise<Results> {
  const folder = mkdtempSync(join(tmpdir(), "mesh-test-"));
  const outfile = join(folder, "results.xml");
  try {
    const ended = await succeeds([
      process.execPath,
      "test",
      "--only-failures",
      `--timeout=${level.testTimeoutMs}`,
      "--reporter=junit",
      `--reporter-outfile=${outfile}`,
      ...files.map((file) => `./${file}`),
    ]);
    const results = parseResults(
      await Bun.file(outfile)
        .text()
        .catch(() => ""),
    );
    if (ended || results.failed.length > 0) return results;
    return { ...results, failed: [`${level.name}: the test process failed outside of a test, see above`] };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function built(): Promise<boolean> {
  try {
    await build();
    return true;
  } catch (error) {
    console.error(String(error));
    return false;
  }
}

async function succeeds(command: readonly string[]): Promise<boolean> {
  const child = Bun.spawn([...command], {
    cwd: ROOT,
    stdin: "ignore",
    stdout: "inherit",
    stderr: "inherit",
    timeout: Math.max(1, Math.min(COMMAND_DEADLINE_MS, DEADLINE_MS - performance.now())),
    killSignal: "SIGKILL",
  });
  return (await child.exited) === 0;
}

function report({ passed, failed, skipped }: Results): void {
  console.log("");
  if (skipped.length > 0) console.log(`Skipped:\n${skipped.map((name) => `  ${name}`).join("\n")}\n`);
  if (failed.length > 0) console.log(`Failed:\n${failed.map((name) => `  ${name}`).join("\n")}\n`);
  console.log(`${passed} passed, ${failed.length} failed`);
}
