import { expect, test } from "bun:test";
import { memoryRecords } from "../../test/harness/records.ts";
import { parseDocuments } from "../schema/mod.ts";
import { type GenerationRecord, Generations } from "./generation.ts";

test("a generation counts the changes of what a document says, and of nothing else", async () => {
  const { stamp } = generations();

  expect(await stamp(service(80))).toMatchObject([{ generation: 1 }]);
  expect(await stamp(service(80, "labels: {team: shop}"))).toMatchObject([{ generation: 1, labels: { team: "shop" } }]);
  expect(await stamp(service(81))).toMatchObject([{ generation: 2 }]);
  expect(await stamp(service(80))).toMatchObject([{ generation: 3 }]);
});

test("a document that was gone begins anew", async () => {
  const { stamp, records } = generations();
  await stamp(service(80));
  await stamp(service(81));
  await stamp();

  expect(records.kept.size).toBe(0);
  expect(await stamp(service(82))).toMatchObject([{ generation: 1 }]);
});

test("what was applied is as old as its first day here, unless it says otherwise; files tell no age", async () => {
  const { stamp, time } = generations();
  const [first] = await stamp(service(80));
  time.now = 5_000;

  expect(first).toMatchObject({ creationTimestamp: "1970-01-01T00:00:01.000Z" });
  expect(await stamp(service(81))).toMatchObject([{ creationTimestamp: "1970-01-01T00:00:01.000Z" }]);
  const written = 'creationTimestamp: "2020-01-01T00:00:00Z"';
  expect(await stamp(service(81, written))).toMatchObject([{ creationTimestamp: "2020-01-01T00:00:00Z" }]);
  const file = generations(false);
  expect((await file.stamp(service(80)))[0]).not.toHaveProperty("creationTimestamp");
});

test("what is known is kept before it is told, and what has not changed is not written again", async () => {
  const { stamp, records } = generations();
  await stamp(service(80));
  await stamp(service(80));
  expect(records.puts).toEqual(["Service/default/web"]);

  const after = generations(true, records);
  await after.load();
  expect(await after.stamp(service(81))).toMatchObject([{ generation: 2 }]);
});

function generations(isApplied = true, records = memoryRecords<GenerationRecord>()) {
  const time = { now: 1_000 };
  const known = new Generations({ records, now: () => time.now, hasAge: () => isApplied });
  const stamp = async (...texts: readonly string[]) => {
    const { documents } = parseDocuments([{ file: "test.yaml", text: texts.join("\n---\n") }]);
    return (await known.stamp(documents)).map(({ body }) => body.metadata);
  };
  return { stamp, records, time, load: () => known.load() };
}

function service(port: number, metadata = "annotations: {}"): string {
  return `{apiVersion: v1, kind: Service, metadata: {name: web, ${metadata}}, spec: {ports: [{port: ${port}}]}}`;
}
