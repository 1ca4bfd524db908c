import { afterEach, beforeEach, expect, test } from "bun:test";
import { closeSync, constants, mkdtempSync, openSync, readFileSync, readSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { descriptorSink, fileSink, LogFileUnusable, openLogSink } from "./log-sink.ts";
import { pollWritable } from "./poll.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "mesh-log-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

test("a file is appended to, and reopened where it was moved away", () => {
  const path = join(folder, "access.log");
  const first = openLogSink(path);
  put(first, "one\n");
  first.close();

  const sink = openLogSink(path);
  put(sink, "two\n");
  renameSync(path, `${path}.1`);
  put(sink, "three\n");
  sink.reopen();
  put(sink, "four\n");
  sink.close();

  expect(readFileSync(`${path}.1`, "utf8")).toBe("one\ntwo\nthree\n");
  expect(readFileSync(path, "utf8")).toBe("four\n");
});

test("a file that cannot be opened is named", () => {
  const path = join(folder, "missing", "access.log");

  expect(() => openLogSink(path)).toThrow(LogFileUnusable);
  expect(() => openLogSink(path)).toThrow(`Cannot open log file "${path}"`);
});

test("a reopen that fails keeps the file that is open", () => {
  const path = join(folder, "sub");
  const sink = fileSink(path, () => true);
  renameSync(path, `${path}.1`);
  rmSync(path, { force: true });
  const blocked = join(folder, "sub");
  Bun.spawnSync(["mkdir", blocked]);

  expect(() => sink.reopen()).toThrow(LogFileUnusable);
  put(sink, "kept\n");
  sink.close();

  expect(readFileSync(`${path}.1`, "utf8")).toBe("kept\n");
});

test("a pipe that is full is asked, not waited for, and takes the rest later", () => {
  const { read, write } = pipe();
  const sink = descriptorSink(write, pollWritable());
  const lines = Buffer.from(`${"x".repeat(99)}\n`.repeat(1000));

  const taken = sink.write(lines, 0, lines.length);
  expect(taken).toBeGreaterThan(0);
  expect(taken).toBeLessThan(lines.length);
  expect(taken % 100).toBe(0);
  expect(sink.write(lines, taken, lines.length)).toBe(0);
  const got = drain(read);
  const rest = sink.write(lines, taken, lines.length);

  expect(got).toBe(taken);
  expect(taken + rest).toBe(lines.length);
  closeSync(read);
  closeSync(write);
});

test("each write to a pipe is whole lines and no more than a pipe takes at once", () => {
  const { read, write } = pipe();
  const sizes: number[] = [];
  // Asked before every piece: what is in the pipe then is the piece before.
  const sink = descriptorSink(write, () => {
    sizes.push(drain(read));
    return true;
  });
  const text = `${"x".repeat(2999)}\n${"y".repeat(2999)}\n${"z".repeat(8999)}\n${"w".repeat(99)}\n`;
  const lines = Buffer.from(text);

  expect(sink.write(lines, 0, lines.length)).toBe(lines.length);

  expect([...sizes.slice(1), drain(read)]).toEqual([3000, 3000, 4096, 4096, 908]);
  closeSync(read);
  closeSync(write);
});

test("a pipe whose reader has gone, and a closed descriptor, take nothing and throw nothing", () => {
  const { read, write } = pipe();
  closeSync(read);
  const sink = descriptorSink(write, () => true);

  expect(put(sink, "line\n")).toBe(0);
  closeSync(write);
  expect(put(descriptorSink(write, pollWritable()), "line\n")).toBe(0);
});

function put(sink: { write(bytes: Buffer, start: number, end: number): number }, text: string): number {
  return sink.write(Buffer.from(text), 0, text.length);
}

/** A named pipe, both ends; reading never waits. */
function pipe(): { read: number; write: number } {
  const path = join(folder, `fifo-${Bun.randomUUIDv7()}`);
  Bun.spawnSync(["mkfifo", path]);
  const read = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  return { read, write: openSync(path, constants.O_WRONLY | constants.O_NONBLOCK) };
}

function drain(fd: number): number {
  const into = Buffer.alloc(1 << 20);
  try {
    return readSync(fd, into);
  } catch {
    return 0;
  }
}
