import { expect, test } from "bun:test";
import { pick } from "./balance.ts";
import { Cluster, ClusterState } from "./cluster.ts";
import { markDown, markUp } from "./health.ts";
import { distance, formatLocality, parseLocality } from "./locality.ts";
import type { ClusterModel, LocalityModel } from "./model.ts";

const HERE = parseLocality("eu/eu-1/rack-1")!;

test("a locality is a region, a zone and a subzone", () => {
  expect(parseLocality("eu")).toEqual({ region: "eu", zone: "", subZone: "" });
  expect(HERE).toEqual({ region: "eu", zone: "eu-1", subZone: "rack-1" });
  expect([HERE, parseLocality("eu")!].map(formatLocality)).toEqual(["eu/eu-1/rack-1", "eu"]);
  expect(["", "eu/", "/eu", "a/b/c/d", "e u"].map(parseLocality)).toEqual([null, null, null, null, null]);
});

test("the nearest is of the same subzone, zone, region; then regions as they are named; then all others", () => {
  const places = ["eu/eu-1/rack-1", "eu/eu-1/rack-2", "eu/eu-2", "us/us-1", "asia/asia-1", "africa"];

  const distances = places.map((place) => distance(HERE, parseLocality(place)!, ["us", "asia"]));

  expect(distances).toEqual([0, 1, 2, 3, 4, 5]);
  expect(distance(HERE, undefined, ["us"])).toBe(4);
  expect(distance(HERE, { region: "", zone: "eu-1", subZone: "" }, [])).toBe(1);
});

test("requests stay where they are while enough is healthy there", () => {
  const cluster = clusterOf({ "eu/eu-1": 4, "eu/eu-2": 4, "us/us-1": 4 });

  expect(sharesOf(cluster)).toEqual({ "eu-1": 1 });
  markDown(cluster.endpoints[0]!, "gone");
  expect(sharesOf(cluster)).toEqual({ "eu-1": 1 });
});

test("a zone that is short gives away as much as it lacks, and gets it back", () => {
  const cluster = clusterOf({ "eu/eu-1": 10, "eu/eu-2": 10, "us/us-1": 10 });
  const down = (count: number): void => {
    for (const endpoint of cluster.endpoints.slice(0, count)) if (endpoint.downUntil === 0) markDown(endpoint, "gone");
  };

  down(5);
  // Half is healthy where 70 in a hundred would do: 5/7 stay.
  const half = sharesOf(cluster);
  expect(half["eu-1"]).toBeCloseTo(5 / 7, 1);
  expect(half["eu-2"]).toBeCloseTo(2 / 7, 1);
  down(10);
  expect(sharesOf(cluster)).toEqual({ "eu-2": 1 });
  down(20);
  expect(sharesOf(cluster)).toEqual({ "us-1": 1 });
  for (const endpoint of cluster.endpoints.slice(0, 10)) markUp(endpoint, 0);
  expect(sharesOf(cluster)).toEqual({ "eu-1": 1 });
});

test("where nothing is healthy anywhere, all zones are tried alike", () => {
  const cluster = clusterOf({ "eu/eu-1": 2, "us/us-1": 2 });
  for (const endpoint of cluster.endpoints) markDown(endpoint, "gone");

  const shares = sharesOf(cluster);

  expect(shares["eu-1"]).toBeCloseTo(0.5, 1);
  expect(shares["us-1"]).toBeCloseTo(0.5, 1);
});

test("the threshold is the policy's, and so is whether distance matters at all", () => {
  const strict = clusterOf({ "eu/eu-1": 4, "us/us-1": 4 }, { mode: "Failover", spillBelow: 1 });
  const none = clusterOf({ "eu/eu-1": 4, "us/us-1": 4 }, { mode: "None" });

  markDown(strict.endpoints[0]!, "gone");

  expect(sharesOf(strict)["us-1"]).toBeCloseTo(0.25, 1);
  expect(sharesOf(none)["us-1"]).toBeCloseTo(0.5, 1);
});

test("another attempt leaves the zone only where the zone has no other endpoint", () => {
  const cluster = clusterOf({ "eu/eu-1": 1, "us/us-1": 1 });
  const first = pick(cluster, () => 0.5, 0, null)!;

  expect(first).toBe(cluster.endpoints[0]!);
  expect(pick(cluster, () => 0.5, 0, first)).toBe(cluster.endpoints[1]!);
});

function sharesOf(cluster: Cluster): Record<string, number> {
  const random = seeded(5);
  const counts: Record<string, number> = {};
  for (let i = 0; i < 4000; i++) {
    const zone = pick(cluster, random, 0, null)!.workload.name;
    counts[zone] = (counts[zone] ?? 0) + 1 / 4000;
  }
  return Object.fromEntries(Object.entries(counts).map(([zone, share]) => [zone, Number(share.toFixed(3))]));
}

function clusterOf(zones: Readonly<Record<string, number>>, locality?: LocalityModel): Cluster {
  const endpoints = Object.entries(zones).flatMap(([place, count]) =>
    Array.from({ length: count }, (_, i) => {
      const at = parseLocality(place)!;
      const workload = { name: at.zone, namespace: "shop", app: "web", version: "v1" };
      return { address: `10.${Object.keys(zones).indexOf(place)}.0.1`, port: i + 1, weight: 1, workload, locality: at };
    }),
  );
  const service = { namespace: "shop", name: "web", host: "web.shop" };
  const model: ClusterModel = { name: "c", service, balancer: "Random", confirmedAt: 0, endpoints };
  const state = new ClusterState("c", { ejected() {}, returned() {} });
  const cluster = new Cluster(locality === undefined ? model : { ...model, locality }, state, "", HERE);
  cluster.adopt();
  return cluster;
}

function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}
