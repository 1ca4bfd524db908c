import { afterAll, beforeAll, expect, test } from "bun:test";
import { outcomeOf, readmeOf, readNotYet, readReadme } from "./report.ts";
import { loadSuite, runTest } from "./suite.ts";
import { startWorld, type World } from "./world.ts";

const suite = await loadSuite();
const notYet = await readNotYet();
const passing = suite.filter((each) => outcomeOf(each, notYet) === "passed");
const needs = (feature: string) => passing.some(({ features }) => features.includes(feature));

const started: World[] = [];
beforeAll(async () => {
  if (passing.length > 0) started.push(await startWorld({ mesh: needs("Mesh"), gateway: needs("Gateway") }));
}, 60_000);
afterAll(() => Promise.all(started.map((world) => world.stop())));

for (const each of passing) {
  test(each.name, async () => {
    await runTest(started[0]!, each);
  });
}

test("the table of the README is what the tests say", async () => {
  expect(await readReadme()).toBe(await readmeOf(suite, notYet));
});

test("what does not pass yet is a test of the suite", () => {
  const names = new Set(suite.map(({ name }) => name));

  expect(Object.keys(notYet).filter((name) => !names.has(name))).toEqual([]);
});
