import { expect, test } from "bun:test";
import { Spares } from "./spares.ts";
import type { Stream } from "./stream.ts";
import { StreamTable } from "./stream-table.ts";

test("streams that stay are found while thousands come and go, and nothing else is", () => {
  const table = new StreamTable();
  const staying = [1, 3, 301, 999].map(streamOf);

  for (let id = 1; id < 5_000; id += 2) {
    const stream = staying.find((each) => each.id === id) ?? streamOf(id);
    expect(table.get(id)).toBeUndefined();
    table.add(stream);
    expect(table.get(id)).toBe(stream);
    if (!staying.includes(stream)) expect(table.delete(id)).toBe(true);
  }

  expect(table.size).toBe(4);
  expect(table.all().toSorted((a, b) => a.id - b.id)).toEqual(staying);
  for (const { id } of staying) expect(table.delete(id)).toBe(true);
  expect([table.size, table.all(), table.delete(1), table.has(301)]).toEqual([0, [], false, false]);
});

test("a stream leaves the table unlisted, and is told that it may go", () => {
  const table = new StreamTable();
  const stream = streamOf(1);
  table.add(stream);
  expect(stream.isListed).toBe(true);

  table.delete(1);

  expect([stream.isListed, stream.released]).toEqual([false, 1]);
});

test("what is over serves again once its round is over, not before", () => {
  const spares = new Spares<string>();
  spares.give("stream");

  expect(spares.take()).toBeUndefined();
  spares.settle();

  expect(spares.take()).toBe("stream");
  expect(spares.take()).toBeUndefined();
});

function streamOf(id: number): Stream & { released: number } {
  const stream = {
    id,
    isListed: false,
    released: 0,
    release() {
      stream.released++;
    },
  };
  return stream as unknown as Stream & { released: number };
}
