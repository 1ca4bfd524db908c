import { expect, test } from "bun:test";
import { fakeClock } from "../../test/harness/fake-clock.ts";
import type { Resource } from "../snapshot/mod.ts";
import { Publisher } from "./publisher.ts";

test("changes that come together are compiled once", async () => {
  const { publisher, clock, seen } = publisherOf();

  publisher.changed();
  clock.advance(10);
  publisher.changed();
  publisher.changed();
  expect(seen).toEqual([]);
  clock.advance(10);
  await publisher.flush();

  expect(seen).toEqual(["1"]);
  expect(publisher.current?.revision).toMatch(/^1-[0-9a-f]{8}$/);
});

test("content that is the same again keeps its revision, across a restart too", async () => {
  const first = publisherOf();
  first.publisher.changed();
  await first.publisher.flush();
  const revision = first.publisher.current!.revision;
  first.publisher.changed();
  await first.publisher.flush();
  expect(first.publisher.current!.revision).toBe(revision);

  const next = publisherOf(revision);
  next.publisher.changed();
  await next.publisher.flush();

  expect(next.publisher.current!.revision).toBe(revision);
  expect(next.kept).toEqual([]);
});

test("a revision is kept before it is published, and numbers go up", async () => {
  const { publisher, kept, world } = publisherOf("41-00000000");

  for (const version of ["2", "3"]) {
    world.version = version;
    publisher.changed();
    await publisher.flush();
  }

  expect(kept.map((revision) => revision.split("-")[0])).toEqual(["42", "43"]);
  expect(publisher.current!.revision).toBe(kept[1]!);
});

test("a change that comes while one is being kept is compiled as well", async () => {
  const { publisher, seen, world } = publisherOf();
  publisher.changed();
  const flushing = publisher.flush();
  world.version = "2";
  publisher.changed();

  await flushing;

  expect(seen).toEqual(["1", "2"]);
});

test("settled() waits for the debounce, and for all that came within it", async () => {
  const { publisher, clock, seen } = publisherOf();
  publisher.changed();
  const first = publisher.settled();
  clock.advance(10);
  publisher.changed();
  const second = publisher.settled();
  expect(seen).toEqual([]);

  clock.advance(10);
  await Promise.all([first, second]);

  expect(seen).toEqual(["1"]);
  await publisher.settled();
});

test("a compiler that throws leaves the revision before", async () => {
  const { publisher, world, failures } = publisherOf();
  publisher.changed();
  await publisher.flush();
  const before = publisher.current;

  world.version = "throw";
  publisher.changed();
  await publisher.flush();

  expect(publisher.current).toBe(before);
  expect(failures).toEqual(["broken"]);
});

function publisherOf(last: string | null = null) {
  const clock = fakeClock();
  const world = { version: "1" };
  const seen: string[] = [];
  const kept: string[] = [];
  const failures: string[] = [];
  const publisher = new Publisher({
    clock,
    debounceMs: 20,
    last,
    compile: () => {
      if (world.version === "throw") throw new Error("broken");
      const service = { namespace: "x", name: "a", host: "a" };
      const model = { name: "a", service, balancer: "RoundRobin" as const, endpoints: [], confirmedAt: 0 };
      const resource: Resource = { kind: "cluster", name: "a", version: world.version, model };
      return { resources: [resource], blobs: new Map(), problems: [], statuses: [], gatewayAddresses: new Map() };
    },
    keep: async (revision) => {
      kept.push(revision);
    },
    published: (compiled) => seen.push(compiled.resources[0]!.version),
    failed: (error) => failures.push((error as Error).message),
  });
  return { publisher, clock, world, seen, kept, failures };
}
