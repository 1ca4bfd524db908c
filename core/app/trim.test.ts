import { expect, test } from "bun:test";
import { fakeClock } from "../../test/harness/fake-clock.ts";
import { jsonLog } from "../base/mod.ts";
import { startTrim } from "./trim.ts";

const MB = 1024 * 1024;

test("memory is trimmed one and three seconds after the start, then every ten seconds", () => {
  const { clock, memory, times } = setUp();

  startTrim(memory, clock, memory.log);
  clock.advance(30_500);

  expect(times).toEqual([1_000, 3_000, 10_000, 20_000, 30_000]);
});

test("nothing is trimmed where the limit is below 96 MB", () => {
  const { clock, memory, times } = setUp({ limit: 96 * MB - 1 });

  startTrim(memory, clock, memory.log);
  clock.advance(60_000);

  expect(times).toEqual([]);
  expect(clock.pending).toBe(0);
});

test("trimming ends where what was dropped is read from disk again", () => {
  const { clock, memory, times } = setUp({ limit: 96 * MB });
  startTrim(memory, clock, memory.log);

  clock.advance(1_500);
  memory.faults += 21;
  clock.advance(60_000);

  expect(times).toEqual([1_000]);
  expect(clock.pending).toBe(0);
  expect(memory.lines).toEqual([expect.stringContaining("not trimmed any more")]);
});

test("what the start read from disk does not count", () => {
  const { clock, memory, times } = setUp();
  startTrim(memory, clock, memory.log);

  memory.faults += 1_000;
  clock.advance(3_500);

  expect(times).toEqual([1_000, 3_000]);
});

test("a kernel that says nothing of mappings ends it with one warning", () => {
  const { clock, memory } = setUp();
  memory.mappings = () => {
    throw new Error("no such file");
  };
  startTrim(memory, clock, memory.log);

  clock.advance(60_000);

  expect(memory.lines.length).toBe(1);
  expect(clock.pending).toBe(0);
});

test("nothing is trimmed after it is closed", () => {
  const { clock, memory, times } = setUp();
  const trim = startTrim(memory, clock, memory.log);

  trim.close();
  clock.advance(60_000);

  expect(times).toEqual([]);
});

function setUp({ limit = 512 * MB } = {}) {
  const clock = fakeClock();
  const began = clock.now();
  const times: number[] = [];
  const lines: string[] = [];
  const memory = {
    limit: () => limit,
    faults: 5,
    majorFaults: () => memory.faults,
    mappings: () => [{ address: 4096, length: 8192 }],
    drop: () => void times.push(clock.now() - began),
    lines,
    log: jsonLog(clock, (line) => lines.push(line)),
  };
  return { clock, memory, times };
}
