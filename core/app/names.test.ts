import { expect, test } from "bun:test";
import { eventually } from "../../test/harness/eventually.ts";
import { type FakeClock, fakeClock } from "../../test/harness/fake-clock.ts";
import { jsonLog } from "../base/mod.ts";
import type { SnapshotModel } from "../snapshot/mod.ts";
import { Names } from "./names.ts";
import type { Answer } from "./resolver.ts";

test("endpoints are what the names resolve to, each with the weight and the port of its name", async () => {
  const { names } = namesWith({ "a.test": [answer("10.0.0.1", "10.0.0.2")], "b.test": [answer("10.0.1.1")] });
  const model = modelOf({ "a.test": 1, "b.test": 5 });

  await names.follow(model);

  expect(placesOf(names.fill(model))).toEqual(["10.0.0.1:443*1", "10.0.0.2:443*1", "10.0.1.1:443*5"]);
});

test("a name is asked for again when its time is over, and a change is told with another version", async () => {
  const { names, clock, asked, news } = namesWith({ "a.test": [answer("10.0.0.1"), answer("10.0.0.9")] });
  const model = modelOf({ "a.test": 1 });
  await names.follow(model);
  const before = versionOf(names.fill(model));

  clock.advance(6_999);
  expect(asked).toEqual(["a.test"]);
  clock.advance(1);
  await eventually(() => news.count === 1);

  expect(placesOf(names.fill(model))).toEqual(["10.0.0.9:443*1"]);
  expect(versionOf(names.fill(model))).not.toBe(before);
});

test("the same answer again is no news", async () => {
  const { names, clock, asked, news } = namesWith({ "a.test": [answer("10.0.0.1"), answer("10.0.0.1")] });
  await names.follow(modelOf({ "a.test": 1 }));

  clock.advance(7_000);
  await eventually(() => asked.length === 2 && clock.pending === 1);

  expect(news.count).toBe(0);
});

test("a failure keeps what was known, and is tried again", async () => {
  const { names, clock, asked } = namesWith({ "a.test": [answer("10.0.0.1"), null, answer("10.0.0.2")] });
  const model = modelOf({ "a.test": 1 });
  await names.follow(model);

  clock.advance(7_000);
  await eventually(() => asked.length === 2 && clock.pending === 1);
  expect(placesOf(names.fill(model))).toEqual(["10.0.0.1:443*1"]);
  clock.advance(5_000);
  await eventually(() => placesOf(names.fill(model))[0] === "10.0.0.2:443*1");
});

test("a name nobody needs any more is left alone", async () => {
  const { names, clock, asked } = namesWith({ "a.test": [answer("10.0.0.1")] });
  await names.follow(modelOf({ "a.test": 1 }));

  await names.follow(modelOf({}));
  clock.advance(60_000);

  expect(asked).toEqual(["a.test"]);
  expect(clock.pending).toBe(0);
});

test("a snapshot does not wait for ever for a name that nobody answers", async () => {
  const { names, clock } = namesWith({ "a.test": ["never"] });
  const model = modelOf({ "a.test": 1 });

  const followed = names.follow(model);
  await Promise.resolve();
  clock.advance(2_000);
  await followed;

  expect(placesOf(names.fill(model))).toEqual([]);
});

test("a model without names is handed on as it is", () => {
  const { names } = namesWith({});
  const model: SnapshotModel = { revision: "1-00000000", resources: [] };

  expect(names.fill(model)).toBe(model);
});

type Given = Answer | null | "never";

function namesWith(answers: Readonly<Record<string, Given[]>>) {
  const clock: FakeClock = fakeClock();
  const asked: string[] = [];
  const news = { count: 0 };
  const resolve = async (host: string): Promise<Answer> => {
    asked.push(host);
    const next = answers[host]?.shift() ?? null;
    if (next === "never") return new Promise(() => {});
    if (next === null) throw new Error("ENOTFOUND");
    return next;
  };
  const log = jsonLog(clock, () => {}, "off");
  const changed = (): void => void news.count++;
  return { names: new Names({ resolver: async () => resolve, clock, log, changed }), clock, asked, news };
}

function answer(...addresses: string[]): Answer {
  return { addresses, ttlMs: 7_000 };
}

function modelOf(weights: Readonly<Record<string, number>>): SnapshotModel {
  const names = Object.entries(weights).map(([host, weight]) => ({ host, port: 443, weight }));
  const model = {
    name: "default/api:443",
    service: { namespace: "default", name: "api", host: "a.test" },
    balancer: "RoundRobin" as const,
    resolve: { type: "Names" as const, names },
    endpoints: [],
    confirmedAt: 0,
  };
  return { revision: "1-00000000", resources: [{ kind: "cluster", name: model.name, version: "v", model }] };
}

function placesOf({ resources }: SnapshotModel): string[] {
  return resources.flatMap((resource) =>
    resource.kind !== "cluster"
      ? []
      : resource.model.endpoints.map(({ address, port, weight }) => `${address}:${port}*${weight}`),
  );
}

function versionOf({ resources }: SnapshotModel): string {
  return resources[0]!.version;
}
