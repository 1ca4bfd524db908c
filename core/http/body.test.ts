import { describe, expect, test } from "bun:test";
import { cuttings, seeded } from "../../test/harness/http1-reader.ts";
import { latin1 } from "../base/mod.ts";
import { BodyReader } from "./body.ts";
import { CHUNKED, UNTIL_CLOSE } from "./head.ts";
import { DEFAULT_HEAD_LIMITS, type HeadLimits } from "./parse.ts";

describe("a body of known length", () => {
  test("ends at its last byte, and what follows is left alone", () => {
    expect(read(5, "helloGET")).toEqual({ body: "hello", done: true, problem: "", trailers: [], rest: "GET" });
  });

  test("waits for the rest", () => {
    expect(read(6, "hello").done).toBe(false);
  });

  test("of no bytes is done before it begins", () => {
    const reader = new BodyReader();

    reader.begin(0);

    expect([reader.done, reader.endsWithConnection]).toEqual([true, false]);
  });
});

test("a body until the connection closes takes everything and is never done by itself", () => {
  const reader = new BodyReader();
  reader.begin(UNTIL_CLOSE);

  expect(reader.endsWithConnection).toBe(true);
  expect(read(UNTIL_CLOSE, "0\r\n\r\n")).toEqual({
    body: "0\r\n\r\n",
    done: false,
    problem: "",
    trailers: [],
    rest: "",
  });
});

test.each(["fff", "5;a", "5;a=\r\n", `1;${"a".repeat(1020)}`, "0\r\nX-A: b\r", "5\r\nhel", "5\r\nhello\r"])(
  "begin() forgets a body that broke off behind %p",
  (broken) => {
    const reader = new BodyReader();
    for (const text of [broken, "0000000000001;abcdef\r\na\r\n0\r\n\r\n"]) {
      const bytes = latin1(text);
      reader.begin(CHUNKED);
      for (let p = 0; p < bytes.length && reader.problem === ""; )
        p = reader.next(bytes, p, bytes.length, DEFAULT_HEAD_LIMITS);
    }

    expect([reader.done, reader.problem]).toEqual([true, ""]);
  },
);

describe("a chunked body", () => {
  test.each([
    ["0\r\n\r\n", "", []],
    ["000\r\n\r\n", "", []],
    ["5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "hello world", []],
    ["a\r\n0123456789\r\nA\r\n0123456789\r\n00\r\n\r\n", "01234567890123456789", []],
    ["0000000000001\r\nx\r\n0\r\n\r\n", "x", []],
    ["2\r\n\r\n\r\n0\r\n\r\n", "\r\n", []],
    ['1;a\r\nx\r\n0;b;c=d;e="f;\\"\t\\\\"\r\n\r\n', "x", []],
    ["0\r\nX-A: b\r\nx-c:\r\n\r\n", "", ["x-a: b", "x-c: "]],
    ["1\r\nx\r\n0\r\nContent-MD5: q\r\n\r\n", "x", ["content-md5: q"]],
  ])("%p is read, however it is cut", (text, body, trailers) => {
    const bytes = `${text}HTTP`;
    for (const cuts of cuttings(bytes.length, seeded(bytes.length))) {
      expect(read(CHUNKED, bytes, cuts)).toEqual({ body, done: true, problem: "", trailers, rest: "HTTP" });
    }
  });

  test.each([
    ["\r\n", "chunk size is not hexadecimal"],
    ["x\r\n", "chunk size is not hexadecimal"],
    ["-1\r\n", "chunk size is not hexadecimal"],
    ["+1\r\n", "chunk size is not hexadecimal"],
    [" 1\r\n", "chunk size is not hexadecimal"],
    ["\t1\r\n", "chunk size is not hexadecimal"],
    [";a\r\n", "chunk size is not hexadecimal"],
    ["0x1\r\n", "chunk size is followed by something else than CRLF or an extension"],
    ["1 \r\n", "chunk size is followed by something else than CRLF or an extension"],
    ["1\t\r\n", "chunk size is followed by something else than CRLF or an extension"],
    ["1 ;a\r\n", "chunk size is followed by something else than CRLF or an extension"],
    ["1_0\r\n", "chunk size is followed by something else than CRLF or an extension"],
    ["1\n", "chunk size is followed by something else than CRLF or an extension"],
    ["1\0\r\n", "chunk size is followed by something else than CRLF or an extension"],
    ["1\r\r\n", "bare CR after a chunk size"],
    ["1\rx", "bare CR after a chunk size"],
    ["10000000000000\r\n", "chunk size too large"],
    ["00000000000001\r\n", "chunk size too large"],
    ["fffffffffffffffff\r\n", "chunk size too large"],
    ["1;\r\n", "malformed chunk extension"],
    ["1; a\r\n", "malformed chunk extension"],
    ["1;a \r\n", "malformed chunk extension"],
    ["1;a;\r\n", "malformed chunk extension"],
    ["1;;a\r\n", "malformed chunk extension"],
    ["1;=a\r\n", "malformed chunk extension"],
    ["1;a=\r\n", "malformed chunk extension"],
    ["1;a=;b\r\n", "malformed chunk extension"],
    ["1;a==b\r\n", "malformed chunk extension"],
    ["1;a=b=c\r\n", "malformed chunk extension"],
    ["1;a= b\r\n", "malformed chunk extension"],
    ['1;a="b"c\r\n', "malformed chunk extension"],
    ['1;a="b""c"\r\n', "malformed chunk extension"],
    ['1;a"b"\r\n', "malformed chunk extension"],
    ["1;a\n", "malformed chunk extension"],
    ["1;a\0\r\n", "malformed chunk extension"],
    ["1;\xe4\r\n", "malformed chunk extension"],
    ["1;a\r\r\n", "bare CR after a chunk size"],
    ['1;a="b\r\n', "control byte in a chunk extension"],
    ['1;a="\n"\r\n', "control byte in a chunk extension"],
    ['1;a="\\\r\n', "control byte in a chunk extension"],
    ['1;a="\x7f"\r\n', "control byte in a chunk extension"],
    [`1;${"a".repeat(1025)}\r\n`, "chunk extension too long"],
    ["1\r\nxy\r\n", "chunk longer than its size"],
    ["1\r\nx\n", "chunk longer than its size"],
    ["1\r\nx\r\r\n", "bare CR after a chunk"],
    ["1\r\nx\r\n\r\n", "chunk size is not hexadecimal"],
    ["0\r\n\n", "trailer: bare LF"],
    ["0\r\nX-A : b\r\n\r\n", "trailer: white space before the colon"],
    ["0\r\nX-A: b\r\n c\r\n\r\n", "trailer: line begins with white space (obs-fold)"],
    ["0\r\nX-A: b\rc\r\n\r\n", "trailer: bare CR"],
    ["0\r\nX-A: \0\r\n\r\n", "trailer: control byte"],
    ["0\r\nGET / HTTP/1.1\r\n\r\n", "trailer: white space before the colon"],
    ["0\r\nContent-Length: 5\r\n\r\n", "trailer holds a framing field"],
    ["0\r\nX-A: b\r\ntransfer-encoding: chunked\r\n\r\n", "trailer holds a framing field"],
    ["0\r\nHost: b\r\n\r\n", "trailer holds a framing field"],
    ["0\r\nConnection: close\r\n\r\n", "trailer holds a framing field"],
    ["0\r\nTrailer: a\r\n\r\n", "trailer holds a framing field"],
    ["0\r\nAuthorization: a\r\n\r\n", "trailer holds a framing field"],
    ["0\r\nCookie: a\r\n\r\n", "trailer holds a framing field"],
    ["0\r\nX-Forwarded-Client-Cert: a\r\n\r\n", "trailer holds a framing field"],
    ["0\r\nX-Forwarded-For: a\r\n\r\n", "trailer holds a framing field"],
    ["0\r\nContent_Length: 5\r\n\r\n", "trailer: name with _ reads like a framing field"],
  ])("%p is refused, however it is cut", (text, problem) => {
    const bytes = `1\r\nz\r\n${text}`;
    for (const cuts of cuttings(bytes.length, seeded(bytes.length))) {
      const reading = read(CHUNKED, bytes, cuts);

      expect([reading.done, reading.problem]).toEqual([false, problem]);
      expect(`${"z"}${text.startsWith("1\r\nx") ? "x" : ""}`).toBe(reading.body);
    }
  });

  test("a trailer section is limited in bytes and fields, however it is cut", () => {
    const fits = "0\r\nA: b\r\nC: d\r\n\r\n";
    for (const cuts of cuttings(fits.length, seeded(1))) {
      expect(read(CHUNKED, fits, cuts, { maxBytes: 14, maxFields: 2 }).problem).toBe("");
      expect(read(CHUNKED, fits, cuts, { maxBytes: 13, maxFields: 2 }).problem).toBe(
        "trailer section larger than the limit",
      );
      expect(read(CHUNKED, fits, cuts, { maxBytes: 14, maxFields: 1 }).problem).toBe(
        "trailer: more fields than the limit",
      );
    }
    const endless = `0\r\n${"a".repeat(100)}`;
    expect(read(CHUNKED, endless, [], { maxBytes: 100, maxFields: 2 }).problem).toBe(
      "trailer section larger than the limit",
    );
  });

  test("a chunk of 4 PB is no number to worry about", () => {
    const reader = new BodyReader();
    const bytes = latin1("fffffffffffff\r\nabc");
    reader.begin(CHUNKED);

    expect(reader.next(bytes, 0, bytes.length, DEFAULT_HEAD_LIMITS)).toBe(bytes.length);
    expect([reader.pieceEnd - reader.pieceStart, reader.done, reader.problem]).toEqual([3, false, ""]);
  });
});

interface BodyReading {
  readonly body: string;
  readonly done: boolean;
  readonly problem: string;
  readonly trailers: string[];
  readonly rest: string;
}

/** Reads a body piece by piece; the pieces lie in buffers that go on behind their end. */
function read(
  length: number,
  text: string,
  cuts: readonly number[] = [],
  limits: HeadLimits = DEFAULT_HEAD_LIMITS,
): BodyReading {
  const reader = new BodyReader();
  reader.begin(length);
  let body = "";
  let rest = "";
  let from = 0;
  for (const to of [...cuts, text.length]) {
    const bytes = latin1(`\r\n${text.slice(from, to)}\r\n0\r\n\r\n`);
    const end = 2 + to - from;
    let p = 2;
    while (p < end && !reader.done && reader.problem === "") {
      p = reader.next(bytes, p, end, limits);
      body += bytes.latin1Slice(reader.pieceStart, reader.pieceEnd);
    }
    rest += bytes.latin1Slice(p, end);
    from = to;
  }
  const { done, problem, trailers } = reader;
  return { body, done, problem, trailers: linesOf(trailers), rest };
}

function linesOf(trailers: BodyReader["trailers"]): string[] {
  if (trailers === null) return [];
  return Array.from({ length: trailers.count }, (_, i) => `${trailers.nameText(i)}: ${trailers.valueText(i)}`);
}
