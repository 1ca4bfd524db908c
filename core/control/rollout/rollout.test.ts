import { expect, test } from "bun:test";
import { parseDocuments } from "../../schema/mod.ts";
import { CLUSTER_MS_BOUNDS } from "../../telemetry/mod.ts";
import { judge } from "./judge.ts";
import { Measurements, observed } from "./measurements.ts";
import type { Observation, RolloutPlan, RolloutRecord } from "./model.ts";
import { type RouteDocument, rewritten, sidesOf, weightsAt, withWeights } from "./weights.ts";

const PLAN: RolloutPlan = {
  ...{ kind: "HTTPRoute", namespace: "default", route: "web", rule: "0", to: "v2", steps: [10, 100], intervalMs: 1000 },
  ...{ minRequests: 20, maxErrorIncrease: 0.01, maxLatencyIncrease: 0.5 },
};

test("nothing is judged before there are requests enough, however bad they are", () => {
  expect(judge(PLAN, side(100, 0), side(19, 19), true)).toEqual({
    verdict: "wait",
    reason: "19 of 20 requests to v2 so far",
  });
});

test("failures count against those of the old, and one is no trend", () => {
  const verdict = (old: Observation, seen: Observation) => judge(PLAN, old, seen, true).verdict;

  expect(verdict(side(100, 0), side(100, 2))).toBe("failed");
  expect(verdict(side(100, 5), side(100, 6))).toBe("held");
  expect(verdict(side(100, 0), side(20, 1))).toBe("held");
});

test("what is plainly worse does not wait for the end of the step", () => {
  expect(judge(PLAN, side(100, 0), side(20, 2), false).verdict).toBe("wait");
  expect(judge(PLAN, side(100, 0), side(20, 4), false).verdict).toBe("failed");
});

test("latency is compared at nine of ten requests, and a millisecond is nothing", () => {
  const verdict = (old: number, seen: number) => judge(PLAN, side(100, 0, old), side(100, 0, seen), true).verdict;

  expect(verdict(10, 15)).toBe("held");
  expect(verdict(10, 15.1)).toBe("failed");
  expect(verdict(0.5, 1.4)).toBe("held");
});

test("what proxies had counted before they were asked belongs to nobody, and a stream that ends takes nothing back", () => {
  const measurements = new Measurements();
  measurements.want(["v2"]);
  const [first, second] = [{}, {}];
  measurements.add(first, counts(100, 50));
  measurements.add(second, counts(0, 0));
  const from = measurements.of(["v2"]);

  measurements.add(first, counts(110, 51));
  measurements.add(second, counts(5, 0));
  measurements.add({}, counts(7, 7));

  expect(observed(from, measurements.of(["v2", "unknown"]))).toMatchObject({ requests: 16, failures: 1 });
});

test("clusters that nobody asked for are not counted, and those that are no more asked for are forgotten", () => {
  const measurements = new Measurements();
  const stream = {};
  measurements.want(["v1"]);
  measurements.add(stream, counts(0, 0));
  measurements.add(stream, counts(10, 0));
  expect(measurements.of(["v2"]).successes).toBe(0);

  measurements.want(["v2"]);
  measurements.add(stream, counts(20, 0));
  measurements.add(stream, counts(25, 0));
  expect(measurements.of(["v2"]).successes).toBe(5);
  measurements.want([]);

  expect(measurements.of(["v2"]).successes).toBe(0);
});

test("quantiles are those of the requests in between", () => {
  const measurements = new Measurements();
  measurements.want(["v2"]);
  const stream = {};
  measurements.add(stream, counts(0, 0));
  const from = measurements.of(["v2"]);
  const durations: number[] = CLUSTER_MS_BOUNDS.map((bound) => (bound === CLUSTER_MS_BOUNDS[10] ? 90 : 0));
  durations[20] = 10;

  measurements.add(stream, { clusters: { v2: { successes: 100, failures: 0, durations } } });
  const seen = observed(from, measurements.of(["v2"]));

  expect(seen.p50Ms).toBeGreaterThan(CLUSTER_MS_BOUNDS[9]!);
  expect(seen.p90Ms).toBe(CLUSTER_MS_BOUNDS[10]!);
  expect(seen.p99Ms).toBeGreaterThan(CLUSTER_MS_BOUNDS[19]!);
});

test("the new backend gets its percentage, and the others keep their proportions", () => {
  expect(weightsAt([3, 1, 0], 2, 20)).toEqual([600, 200, 200]);
  expect(weightsAt([3, 1, 0], 2, 100)).toEqual([0, 0, 1000]);
  expect(weightsAt([0, 5], 1, 0.1)).toEqual([999, 1]);
});

test("weights of a rollout stand in the documents that are compiled, while the rule is what it was", () => {
  const document = route("[{name: v1, port: 80, weight: 1}, {name: v2, port: 80, weight: 0}]");
  const compiled = (state: RolloutRecord["state"], before: readonly number[], backends = ["/v1:80", "/v2:80"]) =>
    (
      withWeights([document], [record(state, before, backends)])[0] as RouteDocument
    ).body.spec.rules[0]!.backendRefs.map(({ weight }) => weight);

  expect(compiled("Progressing", [1, 0])).toEqual([900, 100]);
  expect(compiled("Promoted", [1, 0])).toEqual([900, 100]);
  expect(compiled("Aborted", [1, 0])).toEqual([1, 0]);
  expect(compiled("Progressing", [2, 0])).toEqual([1, 0]);
  expect(compiled("Promoted", [1, 0], ["/v2:80", "/v3:80"])).toEqual([1, 0]);
  expect(document.body.spec.rules[0]!.backendRefs[0]!.weight).toBe(1);
});

test("the sides of a rollout are clusters as proxies know them, those of subsets too", () => {
  const document = route(
    "[{name: web, port: 80}, {group: mesh.dev, kind: Subset, name: web.v2, port: 80}, {name: a, namespace: b, port: 81}]",
  );

  expect(sidesOf(document, document.body.spec.rules[0]!, "web.v2")).toEqual({
    new: ["default/web:80/v2"],
    old: ["default/web:80", "b/a:81"],
  });
});

test("a document is written again with the weights and nothing else changed", () => {
  const document = route("[{name: v1, port: 80}, {name: v2, port: 80, weight: 0}]");

  const raw = rewritten(document, 0, [0, 1000]) as typeof document.raw & object;

  expect(raw).toEqual({
    ...(document.raw as object),
    spec: {
      rules: [
        {
          backendRefs: [
            { name: "v1", port: 80, weight: 0 },
            { name: "v2", port: 80, weight: 1000 },
          ],
        },
      ],
    },
  });
});

function side(requests: number, failures: number, p90Ms = 5): Observation {
  return { requests, failures, p50Ms: p90Ms / 2, p90Ms, p99Ms: p90Ms * 2 };
}

function counts(successes: number, failures: number) {
  return { clusters: { v2: { successes, failures, durations: [successes + failures] } } };
}

function route(backendRefs: string): RouteDocument {
  const text = `{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: web}, spec: {rules: [{backendRefs: ${backendRefs}}]}}`;
  return parseDocuments([{ file: "web.yaml", text }]).documents[0] as RouteDocument;
}

function record(state: RolloutRecord["state"], before: readonly number[], backends: readonly string[]): RolloutRecord {
  const more = { reason: "", startedBy: "me", startedAt: 0, endedAt: null, steps: [] };
  return { plan: PLAN, state, before, backends, weights: [900, 100], ...more };
}
