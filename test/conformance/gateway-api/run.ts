/**
 * Runs tests of the Gateway API conformance suite, all or those named, also
 * those that do not pass yet.
 *
 *   bun test/conformance/gateway-api/run.ts [NAME…] [--write]
 *
 * A name may be the beginning of several. `--write` keeps what came out in not-yet.json and README.md.
 * @module
 */
import { readNotYet, writeReport } from "./report.ts";
import { LANES, laneOf, loadSuite, runTest } from "./suite.ts";
import { startWorld } from "./world.ts";

/** Those that fail should not wait as long as those that must pass may. */
const PATIENCE_MS = 2500;

const words = process.argv.slice(2);
const names = words.filter((word) => !word.startsWith("--"));
const suite = await loadSuite();
const chosen = suite.filter(
  ({ name, isWritten, excepted }) =>
    isWritten && excepted === null && (names.length === 0 || names.some((wanted) => name.startsWith(wanted))),
);
const notYet: Record<string, string> = { ...(await readNotYet()) };
const world = await startWorld({
  mesh: chosen.some(({ features }) => features.includes("Mesh")),
  gateway: chosen.some(({ features }) => features.includes("Gateway")),
});
let failed = 0;
try {
  await Promise.all(LANES.map((lane) => runAll(chosen.filter((test) => laneOf(test) === lane))));
} finally {
  await world.stop();
}
console.log(`${chosen.length - failed} passed, ${failed} failed`);
if (words.includes("--write")) await writeReport(suite, notYet);
process.exit(failed === 0 ? 0 : 1);

async function runAll(tests: typeof chosen): Promise<void> {
  for (const test of tests) {
    const start = performance.now();
    const why = await outcome(test);
    const ms = Math.round(performance.now() - start);
    console.log(`${why === null ? "passed" : "FAILED"} ${test.name} ${ms} ms${why === null ? "" : `\n       ${why}`}`);
    if (why === null) delete notYet[test.name];
    else notYet[test.name] = why;
    failed += why === null ? 0 : 1;
  }
}

async function outcome(test: (typeof chosen)[number]): Promise<string | null> {
  try {
    await runTest(world, test, PATIENCE_MS);
    return null;
  } catch (error) {
    return (error instanceof Error ? error.message : String(error)).split("\n", 1)[0]!;
  }
}
