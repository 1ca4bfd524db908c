import { afterAll, beforeAll, expect, test } from "bun:test";
import { INFRA } from "./manifest.ts";
import { featuresHeld, outcomeOf, readmeOf, readNotYet, readReadme } from "./report.ts";
import { type Steady, startSteady } from "./steady.ts";
import { addressOf } from "./steps/door.ts";
import { documentsOf, type Lane, laneOf, loadSuite, runTest } from "./suite.ts";
import { startWorld, type World } from "./world.ts";

const suite = await loadSuite();
const notYet = await readNotYet();
const passing = suite.filter((each) => outcomeOf(each, notYet) === "passed");
const needs = (feature: string) => passing.some(({ features }) => features.includes(feature));

const started: World[] = [];
/** Of every test, what it came to: all lanes run from the start, whatever order the tests are asked in. */
const outcomes = new Map<string, Promise<void>>();
const steadies: Steady[] = [];
beforeAll(async () => {
  const world = await startWorld({ mesh: needs("Mesh"), gateway: needs("Gateway") });
  started.push(world);
  steadies.push(await startSteady(world, () => addressOf(world, "steady")));
  const ends = new Map<Lane, Promise<void>>();
  for (const each of passing) {
    const before = ends.get(laneOf(each)) ?? Promise.resolve();
    const outcome = before.then(() => runTest(world, each));
    outcomes.set(each.name, outcome);
    ends.set(
      laneOf(each),
      outcome.catch(() => {}),
    );
  }
}, 60_000);
afterAll(async () => {
  await Promise.allSettled(outcomes.values());
  for (const world of started) await world.stop();
});

for (const { name } of passing) {
  test(name, async () => {
    await outcomes.get(name);
  });
}

test("a route that nobody touches answers every request while all others come and go", async () => {
  const steady = steadies[0]!;

  await Promise.allSettled(outcomes.values());
  await steady.stop();

  expect(steady.failures).toEqual([]);
  expect(steady.requests).toBeGreaterThan(100);
});

test("the status that is judged is what mesh get prints", async () => {
  const world = started[0]!;
  await Promise.allSettled(outcomes.values());

  const { stdout } = await world.verb("get", "gateway", "same-namespace", "--namespace", INFRA, "-o", "json");

  const read = await world.read({ kind: "Gateway", namespace: INFRA, name: "same-namespace" });
  expect(JSON.parse(stdout)).toEqual(read);
  expect(read.status?.["conditions"]).toContainEqual(expect.objectContaining({ type: "Programmed", status: "True" }));
});

test("a GatewayClass claims the features whose tests pass, and no others", async () => {
  const world = started[0]!;
  const document = {
    apiVersion: "gateway.networking.k8s.io/v1",
    kind: "GatewayClass",
    metadata: { name: "features" },
    spec: { controllerName: "mesh.dev/gateway-controller" },
  };

  await world.apply([document]);
  const { status } = await world.read({ kind: "GatewayClass", namespace: "", name: "features" });

  const claimed = status?.["supportedFeatures"] as readonly { readonly name: string }[];
  expect(claimed.map(({ name }) => name)).toEqual([...featuresHeld(suite, notYet)]);
});

test("the table of the README is what the tests say", async () => {
  expect(await readReadme()).toBe(await readmeOf(suite, notYet));
});

test("what does not pass yet is a test of the suite", () => {
  const names = new Set(suite.map(({ name }) => name));

  expect(Object.keys(notYet).filter((name) => !names.has(name))).toEqual([]);
});

test("tests that run beside each other share no document", () => {
  const lanesOf = new Map<string, Set<Lane>>();
  for (const each of suite)
    for (const document of documentsOf(each))
      lanesOf.set(document, (lanesOf.get(document) ?? new Set()).add(laneOf(each)));

  expect([...lanesOf].filter(([, own]) => own.size > 1).map(([document]) => document)).toEqual([]);
});
