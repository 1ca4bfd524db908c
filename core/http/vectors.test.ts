import { describe, expect, test } from "bun:test";
import { type Answer, apacheStrict } from "../../test/conformance/apache-strict.ts";
import llhttp from "../../test/fixtures/vectors/http1/llhttp-cases.json";
import { cuttings, type Reading, readMessages, seeded } from "../../test/harness/http1-reader.ts";
import { REFUSED, UNSUPPORTED } from "./parse.ts";

interface Exception {
  readonly end: Reading["end"];
  readonly problem?: string;
  readonly why: string;
}

const NO_UPGRADE = "an upgrade behind a body is left out, and the request goes on without it";
const OCTAL = "a superfluous zero: what reads numbers like C does sees octal behind it";
const ANY_METHOD = "a proxy does not know every method; the app decides";
const NOT_HTTP = "neither RTSP nor ICE nor HTTP/0.9 is spoken here";
const EMPTY_LINE = "bytes before a status line belong to no response (RFC 9112, section 2.2 excuses requests only)";
const CODING = "chunked is the only coding; a length that two parsers read differently is refused, not guessed";

/** Where this codec differs from llhttp's verdict, by case, with the reason. */
const LLHTTP_EXCEPTIONS: Readonly<Record<string, Exception>> = {
  "request > Connection header > `upgrade` > Emitting part of body and pausing": { end: "incomplete", why: NO_UPGRADE },
  "request > Connection header > `upgrade` > Upgrade POST request": {
    end: "refused",
    problem: "target is neither a path nor an http:// URI",
    why: `HTTP/2 is not passed on as an upgrade, and ${NO_UPGRADE}: "Hot diggity dogg" is a bad next request`,
  },
  "request > Content-Length header > `Content-Length` with zeroes": {
    end: "refused",
    problem: "Content-Length is not one decimal number",
    why: OCTAL,
  },
  "request > Content-Length header > `Content-Length` with follow-up headers": {
    end: "refused",
    problem: "Content-Length is not one decimal number",
    why: OCTAL,
  },
  "request > Invalid requests > HTTP protocol and ANNOUNCE method": { end: "closed", why: ANY_METHOD },
  "request > Invalid requests > Invalid method": { end: "whole", why: ANY_METHOD },
  "request > Methods > CONNECT with body": {
    end: "refused",
    problem: "CONNECT with a body",
    why: "a body of CONNECT has no meaning (RFC 9110, section 9.3.6), and would be the tunnel's first bytes to others",
  },
  "request > Methods > M-SEARCH request": {
    end: "refused",
    problem: "target * is for OPTIONS only",
    why: "asterisk-form is for OPTIONS (RFC 9112, section 3.2.4); SSDP travels over UDP",
  },
  "request > Methods > SOURCE request with ICE": { end: "refused", why: NOT_HTTP },
  "request > Methods > OPTIONS request with RTSP": { end: "refused", why: NOT_HTTP },
  "request > Methods > ANNOUNCE request with RTSP": { end: "refused", why: NOT_HTTP },
  "request > Sample requests > No HTTP version": { end: "refused", why: NOT_HTTP },
  "request > Transfer-Encoding header > POST with `chunked` as last transfer-encoding": {
    end: "refused",
    problem: "transfer coding other than chunked",
    why: CODING,
  },
  "request > Transfer-Encoding header > POST with `chunked` as last transfer-encoding (multiple headers)": {
    end: "refused",
    problem: "Content-Length or Transfer-Encoding repeated",
    why: CODING,
  },
  "request > URI > `host:port` and basic auth": {
    end: "refused",
    problem: "authority of the target is not host[:port]",
    why: "userinfo in an authority hides the host (RFC 9110, section 4.2.4)",
  },
  "response > Connection header > HTTP 304 with Content-Length": { end: "refused", why: EMPTY_LINE },
  "response > Connection header > HTTP 100 first, then 400": { end: "refused", why: EMPTY_LINE },
  "response > Pipelining > Should parse multiple events": { end: "refused", why: EMPTY_LINE },
  "response > Sample responses > Response starting with CRLF": { end: "refused", why: EMPTY_LINE },
  "response > Sample responses > RTSP response": { end: "refused", why: NOT_HTTP },
  "response > Sample responses > ICE response": { end: "refused", why: NOT_HTTP },
  "response > Sample responses > HTTP version 0.9": { end: "refused", why: NOT_HTTP },
  "response > Transfer-Encoding header > `chunked` before other transfer-encoding": {
    end: "refused",
    problem: "transfer coding other than chunked",
    why: CODING,
  },
  "response > Transfer-Encoding header > multiple transfer-encoding where chunked is not the last one": {
    end: "refused",
    problem: "Content-Length or Transfer-Encoding repeated",
    why: CODING,
  },
  "response > Transfer-Encoding header > `chunkedchunked` transfer-encoding does not enable chunked enconding": {
    end: "refused",
    problem: "transfer coding other than chunked",
    why: CODING,
  },
};

/**
 * What a case must be changed by before it says anything about the rest of it.
 * Each change is first shown to be needed: without it the case is refused, for this reason.
 */
const ADAPTATIONS: readonly { readonly problem: string; readonly mend: (text: string) => string }[] = [
  {
    problem: "request target holds a byte that is not allowed",
    mend: (text) => text.replace(/^(\w+ \S*)#\S*(?= HTTP)/, "$1"),
  },
  { problem: "Host is not host[:port]", mend: (text) => text.replace("Host: 0.0.0.0=5000", "Host: 0.0.0.0:5000") },
  { problem: "no Host", mend: (text) => text.replace(/( HTTP\/1\.[1-9]\r\n)/g, "$1Host: a\r\n") },
];

type LlhttpCase = (typeof llhttp.cases)[number];

describe("llhttp's strict cases", () => {
  const cases = llhttp.cases.filter(({ strict }) => strict);

  test("are all there", () => {
    expect(cases).toHaveLength(184);
    const names = cases.map(nameOf);
    expect(Object.keys(LLHTTP_EXCEPTIONS).filter((name) => !names.includes(name))).toEqual([]);
  });

  for (const vector of cases) {
    test(`${nameOf(vector)} (line ${vector.line})`, () => {
      const kind = kindOf(vector);
      const input = adapted(vector);

      const reading = readMessages(kind, input);

      expect({ ...verdict(vector, input, reading), reading }).toEqual({ ...wanted(vector), reading });
    });

    test(`${nameOf(vector)} (line ${vector.line}) reads the same however it is cut`, () => {
      const input = Buffer.from(vector.input_base64, "base64");
      for (const bytes of [input, adapted(vector)]) {
        const whole = readMessages(kindOf(vector), bytes);
        for (const cuts of cuttings(bytes.length, seeded(vector.line))) {
          expect(readMessages(kindOf(vector), bytes, cuts)).toEqual(whole);
        }
      }
    });
  }
});

function kindOf(vector: LlhttpCase): "request" | "response" {
  return vector.meta.type as "request" | "response";
}

function nameOf(vector: LlhttpCase): string {
  return `${vector.meta.type} > ${vector.name}`;
}

function adapted(vector: LlhttpCase): Buffer {
  let input: Buffer = Buffer.from(vector.input_base64, "base64");
  for (const { problem, mend } of ADAPTATIONS) {
    if (readMessages(kindOf(vector), input).problem === problem) input = latin1(mend(input.latin1Slice()));
  }
  return input;
}

interface Verdict {
  readonly end: string;
  readonly problem?: string;
  readonly bodies?: string;
}

/** What the vector, or the exception from it, asks for. */
function wanted(vector: LlhttpCase): Verdict {
  const exception = LLHTTP_EXCEPTIONS[nameOf(vector)];
  if (exception !== undefined) {
    const { end, problem } = exception;
    return problem === undefined ? { end } : { end, problem };
  }
  const bodies = oneLine(vector.bodies.join(""));
  if (vector.expect === "upgrade") return { end: "tunnel", bodies };
  if (vector.expect !== "error") return { end: "accepted", bodies };
  return { end: endsByClose(vector) ? "closed" : "refused" };
}

/** What this codec made of it, in the vector's terms. */
function verdict(vector: LlhttpCase, input: Buffer, reading: Reading): Verdict {
  const exception = LLHTTP_EXCEPTIONS[nameOf(vector)];
  if (exception !== undefined) {
    const { end, problem } = reading;
    return exception.problem === undefined ? { end } : { end, problem };
  }
  const bodies = oneLine(reading.messages.map(({ body }) => body).join("") + reading.partial);
  if (reading.end === "tunnel") return { end: "tunnel", bodies };
  if (vector.expect !== "error") return { end: reading.end === "refused" ? "refused" : "accepted", bodies };
  // llhttp judges a line before the head is whole; this codec then, or when the head is.
  const rest = reading.end === "incomplete" ? latin1("\r\n\r\n") : latin1("");
  return { end: readMessages(kindOf(vector), Buffer.concat([input, rest])).end };
}

/** llhttp calls it an error when bytes follow a message that ends the connection; a proxy does not read them. */
function endsByClose(vector: LlhttpCase): boolean {
  return vector.log.some((line) => line.includes("Data after `Connection: close`"));
}

/** The vectors' bodies have lost their line ends. */
function oneLine(text: string): string {
  return text.replace(/[\r\n]/g, "");
}

apacheStrict(async (request) => {
  const answer = answerTo(readMessages("request", request));
  for (const cuts of cuttings(request.length, seeded(request.length))) {
    expect(answerTo(readMessages("request", request, cuts))).toBe(answer);
  }
  return answer;
});

function answerTo({ end, code, problem }: Reading): Answer {
  if (end !== "refused") return end === "incomplete" ? end : "accepted";
  if (code === UNSUPPORTED) return problem.startsWith("HTTP") ? "505" : "501";
  return code === REFUSED ? "400" : "431";
}

function latin1(text: string): Buffer {
  return Buffer.from(text, "latin1");
}
