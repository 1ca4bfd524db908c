import { describe, expect, test } from "bun:test";
import { NO_BYTES } from "../../core/base/mod.ts";
import { parseRequestHead, RequestHead, Sender, Stage } from "../../core/http/mod.ts";
import { DEFAULT_HEAD_LIMITS } from "../../core/http/parse.ts";
import { writeRequestHead } from "../../core/http/serialize.ts";
import type { Wire } from "../../core/listener/mod.ts";
import { cuttings, type Message, type Reading, readMessages, seeded } from "../harness/http1-reader.ts";
import { pick, readByGrammar, smuggled } from "./smuggling.ts";

/** Set MESH_FUZZ_ROUNDS for a longer run; a failure names its seed and its input. */
const ROUNDS = Number(Bun.env["MESH_FUZZ_ROUNDS"] ?? 1);
const MUTATIONS = 3_000 * ROUNDS;
const GRAMMAR = 3_000 * ROUNDS;
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
  writeRequestHead(sender.open(), request, latin1("fallback"), null, null, { bytes: NO_BYTES, length: 0 }, null);
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

function bodiesOf(reading: Reading): string[] {
  return reading.messages.map(({ body }) => body);
}

function latin1(text: string): Buffer {
  return Buffer.from(text, "latin1");
}
