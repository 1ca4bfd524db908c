import { expect, test } from "bun:test";
import { type FakeClock, fakeClock } from "../../test/harness/fake-clock.ts";
import { logConstant, logKey } from "./log-key.ts";
import type { LogSink } from "./log-sink.ts";
import { type LogFormat, LogWriter } from "./log-writer.ts";

const A = logKey("a");
const B = logKey("b");

test("a line is JSON with every kind of value", () => {
  const { log, lines } = setUp();

  log.begin();
  log.key(A);
  log.text("plain");
  log.key(B);
  log.bytes(Buffer.from("GET /path HTTP"), 4, 9);
  for (const [name, value] of Object.entries({
    n: 12,
    z: 0,
    f: 0.125,
    m: -3.5,
    big: 9007199254740991,
    nan: Number.NaN,
  })) {
    log.key(logKey(name));
    log.number(value);
  }
  log.key(logKey("yes"));
  log.boolean(true);
  log.key(logKey("none"));
  log.null();
  log.key(logKey("route"));
  log.raw(logConstant('HTTPRoute/shop/"é"/0'));
  log.end();

  expect(lines()).toEqual([
    '{"a":"plain","b":"/path","n":12,"z":0,"f":0.125,"m":-3.5,"big":9007199254740991,"nan":null,"yes":true,"none":null,"route":"HTTPRoute/shop/\\"\\u00e9\\"/0"}',
  ]);
  expect(JSON.parse(lines()[0]!).route).toBe('HTTPRoute/shop/"é"/0');
});

test("a line without fields is an empty object", () => {
  const { log, lines } = setUp();

  log.begin();
  log.end();

  expect(lines()).toEqual(["{}"]);
});

test("the text format writes name=value with the same quoting", () => {
  const { log, lines } = setUp("text");

  log.begin();
  log.key(A);
  log.text('say "x y"\n');
  log.key(B);
  log.number(7);
  log.end();

  expect(lines()).toEqual(['a="say \\"x y\\"\\u000a" b=7']);
});

test("every byte and every character comes back from JSON, and nothing but ASCII is written", () => {
  const { log, lines } = setUp();
  const all = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
  const text = `${all.latin1Slice()}\u2028 mötley ✓ 😀 \ud800 lone`;

  log.begin();
  log.key(A);
  log.bytes(all, 0, 256);
  log.key(B);
  log.text(text);
  log.end();

  const [line] = lines();
  expect(JSON.parse(line!)).toEqual({ a: all.latin1Slice(), b: text });
  expect(line).toMatch(/^[\x20-\x7e]*$/);
});

test("numbers have three decimals at most, rounded, without trailing zeros", () => {
  const { log, lines } = setUp();
  const cases = [
    2147483647,
    2147483648,
    4000000000001,
    0.1,
    0.0004,
    0.0005,
    1.9996,
    12.34567,
    100,
    0.05,
    1e15 + 0.5,
    1e300,
  ];

  for (const value of cases) {
    log.begin();
    log.key(A);
    log.number(value);
    log.end();
  }

  const values = lines().map((line) => line.slice(5, -1));
  expect(values).toEqual([
    "2147483647",
    "2147483648",
    "4000000000001",
    "0.1",
    "0",
    "0.001",
    "2",
    "12.346",
    "100",
    "0.05",
    "1000000000000000.5",
    "null",
  ]);
});

test("a time is ISO 8601 to the millisecond, within a second and across", () => {
  const { log, lines } = setUp();
  const times = [0, 1, 999, 1000, 1767268800123.7, 1767268800999].map((ms) => ms);

  for (const ms of times) {
    log.begin();
    log.key(A);
    log.time(ms);
    log.end();
  }

  expect(lines().map((line) => JSON.parse(line).a)).toEqual(times.map((ms) => new Date(ms).toISOString()));
});

test("lines go out a second after the first, and an idle log has no timer", () => {
  const { clock, log, sink } = setUp();
  expect(clock.pending).toBe(0);

  write(log, "one");
  clock.advance(600);
  write(log, "two");
  expect(sink.text).toBe("");
  clock.advance(400);

  expect(sink.text).toBe('{"a":"one"}\n{"a":"two"}\n');
  expect(clock.pending).toBe(0);
});

test("lines go out when the buffer is full, whole, and in order", () => {
  const { log, sink } = setUp();

  for (let i = 0; i < 5000; i++) write(log, `line ${i} ${"x".repeat(i % 90)}`);
  expect(sink.writes.length).toBeGreaterThan(2);
  expect(sink.writes.every((piece) => piece.endsWith("}\n"))).toBe(true);
  log.close();

  const texts = sink.text.trimEnd().split("\n");
  expect(texts.map((line) => JSON.parse(line).a.split(" ")[1])).toEqual(texts.map((_, i) => String(i)));
  expect(texts).toHaveLength(5000);
});

test("a sink that takes a few bytes at a time gets every line, once", () => {
  const { clock, log, sink } = setUp();
  sink.accepts = 7;

  for (let i = 0; i < 20; i++) write(log, `${i}`);
  clock.advance(60_000);

  expect(sink.text).toBe(Array.from({ length: 20 }, (_, i) => `{"a":"${i}"}\n`).join(""));
});

test("while the sink takes nothing, whole lines are dropped and counted; what is kept comes out later", () => {
  const { clock, log, sink } = setUp();
  sink.accepts = 0;

  for (let i = 0; i < 10_000; i++) write(log, `line ${i}`);
  expect(log.dropped).toBeGreaterThan(5000);
  const dropped = log.dropped;
  sink.accepts = Number.POSITIVE_INFINITY;
  clock.advance(1_000);
  write(log, "after");
  log.close();

  const texts = sink.text.trimEnd().split("\n");
  expect(texts).toHaveLength(10_000 - dropped + 1);
  expect(texts.every((line) => typeof JSON.parse(line).a === "string")).toBe(true);
  expect(log.dropped).toBe(dropped);
});

test("lines that nobody took at the end are counted", () => {
  const { log, sink } = setUp();
  sink.accepts = 0;

  for (let i = 0; i < 3; i++) write(log, "lost");
  log.close();

  expect(log.dropped).toBe(3);
});

test("a long value is cut and its line kept", () => {
  const { log, lines } = setUp();
  const long = Buffer.alloc(100_000, "p");

  log.begin();
  log.key(A);
  log.bytes(long, 0, long.length);
  log.key(B);
  log.text("€".repeat(50_000));
  log.end();

  const line = JSON.parse(lines()[0]!);
  expect(line.a).toBe(`${"p".repeat(4096)}...`);
  expect(line.b).toMatch(/^€{600,700}\.\.\.$/);
});

test("no request makes its line too long to be written, however many long values it has", () => {
  const { log, lines } = setUp();
  const long = Buffer.alloc(65_536, '"');

  for (let fields = 1; fields < 60; fields++) {
    log.begin();
    for (let i = 0; i < fields; i++) {
      log.key(logKey(`k${i}`));
      log.bytes(long, 0, long.length);
    }
    log.key(A);
    log.number(fields);
    log.end();
  }

  expect(lines().map((line) => JSON.parse(line).a)).toEqual(Array.from({ length: 59 }, (_, i) => i + 1));
  expect(log.dropped).toBe(0);
});

interface MemorySink extends LogSink {
  text: string;
  writes: string[];
  accepts: number;
}

function setUp(format: LogFormat = "json"): {
  clock: FakeClock;
  log: LogWriter;
  sink: MemorySink;
  lines: () => string[];
} {
  const clock = fakeClock();
  const sink: MemorySink = {
    text: "",
    writes: [],
    accepts: Number.POSITIVE_INFINITY,
    write(bytes, start, end) {
      const piece = bytes.latin1Slice(start, Math.min(end, start + sink.accepts));
      sink.writes.push(piece);
      sink.text += piece;
      return piece.length;
    },
    reopen() {},
    close() {},
  };
  const log = new LogWriter(sink, clock, format);
  return {
    clock,
    log,
    sink,
    lines() {
      log.flush();
      return sink.text.trimEnd().split("\n");
    },
  };
}

function write(log: LogWriter, text: string): void {
  log.begin();
  log.key(A);
  log.text(text);
  log.end();
}
