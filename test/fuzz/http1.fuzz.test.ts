import { describe, expect, test } from "bun:test";
import { NO_BYTES } from "../../core/base/mod.ts";
import { CHUNKED, parseRequestHead, RequestHead, Sender, Stage } from "../../core/http/mod.ts";
import { DEFAULT_HEAD_LIMITS } from "../../core/http/parse.ts";
import { writeRequestHead } from "../../core/http/serialize.ts";
import type { Wire } from "../../core/listener/mod.ts";
import { cuttings, type Message, type Reading, readMessages, seeded } from "../harness/http1-reader.ts";

/** Set MESH_FUZZ_ROUNDS for a longer run; a failure names its seed and its input. */
const ROUNDS = Number(Bun.env["MESH_FUZZ_ROUNDS"] ?? 1);
const MUTATIONS = 4_000 * ROUNDS;
const GRAMMAR = 6_000 * ROUNDS;
const SEED = Number(Bun.env["MESH_FUZZ_SEED"] ?? 20260105);

/** What a refusal may say. A new reason is added here when it is meant. */
const REASONS = [
  /^method is not a token followed by one space$/,
  /^request target holds a byte that is not allowed$/,
  /^request line does not end in HTTP\/1\.1 and CRLF$/,
  /^HTTP version is not 1\.x$/,
  /^target (is neither a path nor an http:\/\/ URI|\* is for OPTIONS only)$/,
  /^(authority of the target|Host) is not host\[:port\]$/,
  /^CONNECT (needs host:port|with a body)$/,
  /^status (line is not HTTP\/1\.x and three digits|is not 100 to 599|is not followed by a space)$/,
  /^(trailer: )?(bare (CR|LF)|control byte|empty field name|field name holds a byte that is not allowed)$/,
  /^(trailer: )?(white space before the colon|line begins with white space \(obs-fold\))$/,
  /^(trailer: )?name with _ reads like a framing field$/,
  /^(trailer: )?more fields than the limit$/,
  /^(head|trailer section) larger than the limit$/,
  /^(no|more than one) Host$/,
  /^Content-Length (or Transfer-Encoding repeated|together with Transfer-Encoding|is not one decimal number)$/,
  /^Transfer-Encoding in HTTP\/1\.0$/,
  /^transfer coding other than chunked$/,
  /^Connection (holds something that is not a token|names a field that must reach the other side|names too much)$/,
  /^Expect is not 100-continue$/,
  /^chunk size (is not hexadecimal|is followed by something else than CRLF or an extension|too large)$/,
  /^(chunk longer than its size|bare CR after a chunk( size)?)$/,
  /^(malformed chunk extension|control byte in a chunk extension|chunk extension too long)$/,
  /^trailer holds a framing field$/,
];

const REQUESTS = [
  "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
  "POST /a?b HTTP/1.1\r\nHost: a:80\r\nContent-Length: 5\r\nX-A: b\r\n\r\nhelloGET /next HTTP/1.1\r\nHost: b\r\n\r\n",
  "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3;x=y\r\nabc\r\n0\r\nX-T: 1\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
  "GET http://a:81/x HTTP/1.1\r\nHost: b\r\nConnection: keep-alive, x-a\r\nX-A: 1\r\n\r\n",
  "PUT /u HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.0\r\n\r\n",
  "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n\x16\x03\x01",
  "GET /ws HTTP/1.1\r\nHost: [::1]:8080\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
  "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
];

const RESPONSES = [
  "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 204 No Content\r\n\r\n",
  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-T: 1\r\n\r\nHTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n",
  "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end",
  "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\nHTTP/1.0 500 \r\n\r\nx",
  "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x00",
];

describe("messages with a few bytes wrong", () => {
  for (const [kind, corpus] of [["request", REQUESTS] as const, ["response", RESPONSES] as const]) {
    test(`${kind}s: the same for every cut, never beyond their end, refused only for known reasons`, () => {
      const random = seeded(SEED);
      for (let i = 0; i < MUTATIONS / 2; i++) {
        const input = latin1(mutated(corpus, random));

        const reading = readMessages(kind, input);

        holds(kind, input, reading, random, i);
      }
    });
  }
});

describe("messages made to be read in two ways", () => {
  test("are read as the RFCs' grammar reads them, or refused", () => {
    const random = seeded(SEED + 1);
    const ends = { accepted: 0, refused: 0 };
    for (let i = 0; i < GRAMMAR; i++) {
      const text = smuggled(random);
      const input = latin1(text);

      const reading = readMessages("request", input);

      const told = { input: text, bodies: bodiesOf(reading), refused: reading.end === "refused" };
      expect(told).toEqual({ input: text, ...readByGrammar(text) });
      ends[reading.end === "refused" ? "refused" : "accepted"]++;
      holds("request", input, reading, random, i);
    }
    // The generator is worth its time only while it makes both.
    expect(Math.min(ends.accepted, ends.refused)).toBeGreaterThan(GRAMMAR / 50);
  });
});

/** What must hold of every input. */
function holds(
  kind: "request" | "response",
  input: Buffer,
  reading: Reading,
  random: () => number,
  round: number,
): void {
  if (reading.end === "refused" && !REASONS.some((reason) => reason.test(reading.problem))) {
    throw new Error(`Cannot place the refusal "${reading.problem}" of ${JSON.stringify(input.latin1Slice())}`);
  }
  for (const cuts of cuttings(input.length, random, 3)) {
    if (cuts.length > 80 && round % 16 !== 0) continue;
    const other = readMessages(kind, input, cuts);
    if (!Bun.deepEquals(other, reading))
      expect({ input: input.latin1Slice(), cuts, ...other }).toEqual(reading as never);
  }
  if (kind === "request") for (const message of reading.messages) survivesTheHop(message, input);
}

/** What this hop would send on is read by a strict parser as the same request. */
function survivesTheHop(message: Message, input: Buffer): void {
  const { head } = message;
  if (head["method"] === "CONNECT") return;
  const sent = passedOn(message);
  const next = new RequestHead();
  const after = parseRequestHead(next, sent, 0, sent.length, DEFAULT_HEAD_LIMITS);
  const told = {
    input: input.latin1Slice(),
    problem: next.problem,
    method: next.methodText(),
    path: next.pathText(),
    query: next.hasQuery ? next.queryText() : null,
    authority: next.authorityText(),
    contentLength: next.contentLength,
    fields: endToEnd(next),
    rest: sent.length - after,
  };
  expect(told).toEqual({
    input: input.latin1Slice(),
    problem: "",
    method: head["method"] as string,
    path: head["path"] as string,
    query: head["query"] as string | null,
    authority: (head["authority"] as string) || "fallback",
    contentLength: head["contentLength"] as number,
    fields: (head["fields"] as string[]).filter((_, i) => (head["hop"] as number[])[i] === 0),
    rest: 0,
  });
}

function endToEnd(head: RequestHead): string[] {
  const fields: string[] = [];
  for (let i = 0; i < head.count; i++) if (head.hop[i] === 0) fields.push(`${head.nameText(i)}: ${head.valueText(i)}`);
  return fields;
}

/** The request head as it leaves for the upstream. */
function passedOn({ head }: Message): Buffer {
  const bytes = latin1(textOf(head));
  const request = new RequestHead();
  parseRequestHead(request, bytes, 0, bytes.length, DEFAULT_HEAD_LIMITS);
  const written: Buffer[] = [];
  const stage = new Stage();
  const sender = new Sender(wireTo(written), stage);
  writeRequestHead(sender.open(), request, latin1("fallback"), null, null, { bytes: NO_BYTES, length: 0 });
  stage.flush();
  return Buffer.concat(written);
}

/** The head from what its offsets say, and nothing else. */
function textOf(head: Message["head"]): string {
  const query = head["query"] === null ? "" : `?${head["query"]}`;
  const absolute = head["absolute"] ? `http://${head["authority"]}` : "";
  const fields = (head["fields"] as string[]).map((field) => `${field}\r\n`).join("");
  return `${head["method"]} ${absolute}${head["path"]}${query} HTTP/1.${head["minor"]}\r\n${fields}\r\n`;
}

function wireTo(written: Buffer[]): Wire {
  return {
    write(bytes, offset = 0, length = bytes.length) {
      written.push(Buffer.from(bytes.subarray(offset, offset + length)));
      return length;
    },
    pause() {},
    resume() {},
    shutdown() {},
    end() {},
    terminate() {},
  };
}

const ODD_BYTES = '\0\t\n\v\f\r "#%+,-/0:;=?@[\\]_x{|}\x7f\x80\xff';

function mutated(corpus: readonly string[], random: () => number): string {
  let text = pick(corpus, random);
  for (let n = 1 + Math.floor(random() * 3); n > 0; n--) {
    const at = Math.floor(random() * text.length);
    const size = 1 + Math.floor(random() * 8);
    const [before, inside, behind] = [text.slice(0, at), text.slice(at, at + size), text.slice(at + size)];
    const other = pick(corpus, random);
    const from = Math.floor(random() * other.length);
    text = pick(
      [
        before + pick([...ODD_BYTES], random) + text.slice(at + 1),
        before + pick([...ODD_BYTES], random) + text.slice(at),
        before + behind,
        before + inside + inside + behind,
        before + other.slice(from),
        before + String.fromCharCode(text.charCodeAt(at) ^ (1 << Math.floor(random() * 8))) + text.slice(at + 1),
        before + other.slice(from, from + 20) + behind,
      ],
      random,
    );
  }
  return text;
}

/** Most of the time the plain choice, now and then one of the odd ones. */
function mostly(plain: string, odd: readonly string[], random: () => number): string {
  return random() < 0.8 ? plain : pick(odd, random);
}

const LENGTHS = [
  "5",
  "5",
  "5",
  "0",
  "05",
  "+5",
  "-5",
  "5 5",
  "5,5",
  "0x5",
  "",
  "5;a",
  "5.0",
  "9007199254740993",
  "\xb2",
];
const CODINGS = [
  "chunked",
  "Chunked",
  "chunked",
  "chunked, identity",
  "identity",
  "xchunked",
  "chunked ",
  '"chunked"',
  "",
  ",chunked",
];
const FRAMING_NAMES = ["Content-Length", "Transfer-Encoding", "content-length", "TRANSFER-ENCODING", "Content_Length"]
  .concat([
    "Transfer_Encoding",
    "Transfer-Encoding ",
    "Transfer-Encoding\t",
    " Transfer-Encoding",
    "Content-Length\0",
    "Content-Lengt\xe8",
  ])
  .concat(["X-Content-Length", "Transfer-Encodings"]);

function smuggled(random: () => number): string {
  const eol = () => (random() < 0.97 ? "\r\n" : pick(["\n", "\r", "\r\r\n", " \r\n", "\r\n "], random));
  const field = (): string => {
    const name = mostly(pick(FRAMING_NAMES.slice(0, 2), random), FRAMING_NAMES, random);
    const value = /encod/i.test(name) ? mostly("chunked", CODINGS, random) : mostly("5", LENGTHS, random);
    return `${name}:${mostly(" ", ["", "\t", "  ", " \t"], random)}${value}${eol()}`;
  };
  const host =
    random() < 0.95 ? `Host: a${eol()}` : pick(["", `Host: a\r\nHost: a${eol()}`, `Host: a@b${eol()}`], random);
  const connection =
    random() < 0.8
      ? ""
      : `Connection: ${pick(["close", "keep-alive", "x", "content-length", "transfer-encoding"], random)}${eol()}`;
  const fields = Array.from({ length: pick([0, 1, 1, 1, 2], random) }, field).join("");
  const version = mostly("1.1", ["1.0", "1.2", "2.0", "0.9"], random);
  const size = () =>
    `${mostly("5", ["05", "5 ", " 5", "5;a=b", "5;", "5 ;a", "5;a=", "0x5", "G", '5;a="b"', "5\t"], random)}${eol()}`;
  const trailer =
    random() < 0.8
      ? ""
      : `${pick(["X: y", "Content-Length: 5", "transfer-encoding: chunked", "X : y", "Content_Length: 5"], random)}${eol()}`;
  const chunks = `${size()}hello${eol()}0${eol()}${trailer}\r\n`;
  const body = pick(["hello", chunks, chunks, ""], random);
  return `POST / HTTP/${version}\r\n${host}${connection}${fields}\r\n${body}GET /next HTTP/1.1\r\nHost: a\r\n\r\n`;
}

function bodiesOf(reading: Reading): string[] {
  return reading.messages.map(({ body }) => body);
}

const TCHAR = "[!#$%&'*+.^_`|~0-9A-Za-z-]";
const LINE = `${TCHAR}+:[\\t\\x20-\\x7e\\x80-\\xff]*\\r\\n`;
const HEAD = new RegExp(`^(?:\\r\\n)*(${TCHAR}+) (/[!"$-~]*) HTTP/1\\.([0-9])\\r\\n((?:${LINE})*)\\r\\n`);
const EXTENSION = `(?:;${TCHAR}+(?:=(?:${TCHAR}+|"[^"\\\\\\x00-\\x08\\x0a-\\x1f\\x7f]*"))?)*`;
const CHUNK = new RegExp(`^([0-9a-fA-F]{1,13})${EXTENSION}\\r\\n`);
const TRAILERS = new RegExp(`^((?:${LINE})*)\\r\\n`);
const NOT_IN_A_TRAILER = /^(host|content[-_]length|transfer[-_]encoding|connection):/im;

/** A second reader, written for its plainness: regular expressions of the grammar, strings, no state. */
function readByGrammar(text: string): { bodies: string[]; refused: boolean } {
  const bodies: string[] = [];
  let rest = text;
  while (rest !== "") {
    const head = HEAD.exec(rest);
    if (head === null) return { bodies, refused: /\r\n\r\n/.test(rest) || !couldGoOn(rest) };
    const framed = frame(head[4]!, Number(head[3]));
    if (framed === null) return { bodies, refused: true };
    const body = takeBody(rest.slice(head[0].length), framed.length);
    if (typeof body === "string") return { bodies, refused: body === "refused" };
    bodies.push(body.body);
    rest = body.rest;
    if (framed.close) break;
  }
  return { bodies, refused: false };
}

/** Every input of the generator ends in a whole request: only a body that swallows it can end early. */
function couldGoOn(rest: string): boolean {
  return /^[!#$%&'*+.^_`|~0-9A-Za-z-]*$/.test(rest);
}

function frame(fields: string, minor: number): { length: number; close: boolean } | null {
  const all = fields
    .split("\r\n")
    .slice(0, -1)
    .map(
      (line) =>
        [
          line.slice(0, line.indexOf(":")).toLowerCase(),
          line.slice(line.indexOf(":") + 1).replace(/^[ \t]+|[ \t]+$/g, ""),
        ] as const,
    );
  const values = (name: string) => all.filter(([key]) => key === name).map(([, value]) => value);
  const [lengths, codings, options] = [values("content-length"), values("transfer-encoding"), values("connection")];
  if (all.some(([name]) => /^(content_length|transfer_encoding)$/.test(name))) return null;
  if (values("host").length > 1 || (values("host").length === 0 && minor > 0) || values("host").includes("a@b"))
    return null;
  if (lengths.length + codings.length > 1) return null;
  if (codings.length === 1 && (minor === 0 || codings[0]!.toLowerCase() !== "chunked")) return null;
  if (lengths.length === 1 && !/^(0|[1-9][0-9]{0,14})$/.test(lengths[0]!)) return null;
  if (options.includes("content-length") && lengths.length === 1) return null;
  const close = options.includes("close") || (minor === 0 && !options.includes("keep-alive"));
  return { length: codings.length === 1 ? CHUNKED : Number(lengths[0] ?? 0), close };
}

function takeBody(text: string, length: number): { body: string; rest: string } | "refused" | "incomplete" {
  if (length !== CHUNKED) {
    return text.length < length ? "incomplete" : { body: text.slice(0, length), rest: text.slice(length) };
  }
  let body = "";
  let rest = text;
  for (;;) {
    const chunk = CHUNK.exec(rest);
    if (chunk === null) return rest === "" ? "incomplete" : "refused";
    const size = Number.parseInt(chunk[1]!, 16);
    rest = rest.slice(chunk[0].length);
    if (size === 0) {
      const trailers = TRAILERS.exec(rest);
      if (trailers === null || NOT_IN_A_TRAILER.test(trailers[1]!)) return "refused";
      return { body, rest: rest.slice(trailers[0].length) };
    }
    if (rest.length < size + 2) return "incomplete";
    if (rest.slice(size, size + 2) !== "\r\n") return "refused";
    body += rest.slice(0, size);
    rest = rest.slice(size + 2);
  }
}

function pick<T>(from: readonly T[], random: () => number): T {
  return from[Math.floor(random() * from.length)]!;
}

function latin1(text: string): Buffer {
  return Buffer.from(text, "latin1");
}
