import { expect, test } from "bun:test";
import { Turns } from "./turns.ts";

test("as many go at once as the limit says; the others wait in order, and too many overflow", () => {
  const turns = new Turns();
  const came: string[] = [];
  const taker = (name: string) => ({ turnCame: () => came.push(name) });
  turns.limit({ requests: 2, pending: 2 });

  const taken = ["a", "b", "c", "d", "e"].map((name) => turns.take(taker(name)));
  turns.leave();
  turns.leave();

  expect(taken).toEqual([true, true, false, false, "overflow"]);
  expect(came).toEqual(["c", "d"]);
  expect(turns.active).toBe(2);
});

test("whoever waits no more gets no turn, and a limit that is lifted lets all go", () => {
  const turns = new Turns();
  const came: string[] = [];
  const takers = ["a", "b", "c", "d"].map((name) => ({ turnCame: () => came.push(name) }));
  turns.limit({ requests: 1 });
  for (const taker of takers) turns.take(taker);

  turns.cancel(takers[1]!);
  turns.limit(undefined);
  turns.leave();

  expect(came).toEqual(["c", "d"]);
  expect([turns.isLimited, turns.waiting]).toEqual([false, 0]);
});
