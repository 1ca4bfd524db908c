import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Answer, apacheStrict } from "../conformance/apache-strict.ts";
import { readByGrammar, smuggled } from "../fuzz/smuggling.ts";
import { type Backend, echo, ok, startBackend } from "../harness/backend.ts";
import { type Client, connect } from "../harness/client.ts";
import { CutShort } from "../harness/connection.ts";
import { eventually } from "../harness/eventually.ts";
import { seeded } from "../harness/http1-reader.ts";
import { GOAWAY } from "../harness/http2.ts";
import { type Plane, startPlane } from "../harness/plane.ts";

const setUp = {} as { backend: Backend; hop: Plane };

beforeAll(async () => {
  setUp.backend = await startBackend();
  setUp.hop = await startPlane(setUp.backend.port);
});

afterAll(async () => {
  expect(setUp.hop.warnings).toEqual([]);
  expect(setUp.hop.active).toBe(0);
  await setUp.hop?.[Symbol.asyncDispose]();
  await setUp.backend?.[Symbol.asyncDispose]();
});

const HEADS: readonly (readonly [name: string, head: string, status: number, problem: string])[] = [
  ["two lengths", field("Content-Length: 1\r\nContent-Length: 1"), 400, "Content-Length or Transfer-Encoding repeated"],
  ["two different lengths", field("Content-Length: 1\r\nContent-Length: 2"), 400, "repeated"],
  ["a length beside a coding", field("Content-Length: 1\r\nTransfer-Encoding: chunked"), 400, "together with"],
  ["a coding beside a length", field("Transfer-Encoding: chunked\r\nContent-Length: 1"), 400, "together with"],
  ["a length that is no number", field("Content-Length: +1"), 400, "not one decimal number"],
  ["two codings", field("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"), 400, "repeated"],
  ["a coding we do not have", field("Transfer-Encoding: gzip, chunked"), 501, "transfer coding other than chunked"],
  [
    "a coding in HTTP/1.0",
    "GET /r HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
    400,
    "Transfer-Encoding in HTTP/1.0",
  ],
  ["a folded line", field("X-A: b\r\n c"), 400, "obs-fold"],
  ["a bare CR", field("X-A: b\rc"), 400, "bare CR"],
  ["a bare LF", field("X-A: b\nY: c"), 400, "bare LF"],
  ["a bare LF that ends the head", "GET /r HTTP/1.1\r\nHost: a\r\n\n", 400, "bare LF"],
  ["a space before the colon", field("X-A : b"), 400, "white space before the colon"],
  ["a control byte", field("X-A: b\x01"), 400, "control byte"],
  ["NUL in a value", field("X-A: b\0c"), 400, "control byte"],
  ["NUL in the target", "GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n", 400, "request target holds a byte"],
  ["no Host", "GET /r HTTP/1.1\r\n\r\n", 400, "no Host"],
  ["two Hosts", "GET /r HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400, "more than one Host"],
  ["userinfo in Host", "GET /r HTTP/1.1\r\nHost: u@a\r\n\r\n", 400, "Host is not host[:port]"],
  ["userinfo in the target", "GET http://u:p@a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400, "authority of the target"],
  ["a number for a host", "GET /r HTTP/1.1\r\nHost: 0x7f.1\r\n\r\n", 400, "Host is not host[:port]"],
  ["a length with an underscore", field("Content_Length: 1"), 400, "name with _ reads like a framing field"],
  ["a coding with an underscore", field("transfer_encoding: chunked"), 400, "name with _ reads like a framing field"],
  [
    "Connection that names Content-Length",
    field("Content-Length: 1\r\nConnection: content-length"),
    400,
    "must reach the other side",
  ],
  ["an expectation we do not know", field("Expect: the-unexpected"), 417, "Expect is not 100-continue"],
  ["HTTP/2.0", "GET /r HTTP/2.0\r\nHost: a\r\n\r\n", 505, "HTTP version is not 1.x"],
  ["HTTP/2's preface, misspelt", "PRI * HTTP/2.1\r\n\r\n", 400, "target * is for OPTIONS only"],
  ["HTTP/0.9", "GET /r\r\n", 400, "request target holds a byte"],
  ["TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, "method is not a token"],
  ["a head that is too large", `GET /${"a".repeat(61 * 1024)}`, 431, "head larger than the limit"],
  ["too many fields", field("a: b\r\n".repeat(101).slice(0, -2)), 431, "more fields than the limit"],
];

describe("a head with", () => {
  for (const [name, head, status, problem] of HEADS) {
    test(`${name} gets ${status} and the end of its connection, and nothing of it goes on`, async () => {
      const flags = { response_code: String(status), response_flags: "DPE" };
      const before = await setUp.hop.metric("istio_requests_total", flags);
      const seen = setUp.backend.requests.length;
      await using client = await connect(setUp.hop.port);

      await client.send(`${head}GET /behind HTTP/1.1\r\nHost: a\r\n\r\n`);

      const response = await client.response();
      expect([response.status, response.get("connection")]).toEqual([status, "close"]);
      expect(await client.ended).toBe("fin");
      expect(client.connection.unread).toHaveLength(0);
      expect(setUp.backend.requests.length).toBe(seen);
      expect(await setUp.hop.line(client)).toMatchObject({
        response_code: status,
        response_flags: "DPE",
        response_code_details: expect.stringContaining(problem),
        upstream_host: null,
        attempts: 0,
      });
      expect(await setUp.hop.lines(client, 1)).toHaveLength(1);
      expect(await setUp.hop.metric("istio_requests_total", flags)).toBe(before + 1);
    });
  }

  test("no word of HTTP/1 is told in HTTP/2 that it is no preface", async () => {
    const closed = { direction: "outbound", reason: "no preface" };
    const before = await setUp.hop.metric("mesh_connections_idle_closed_total", closed);
    await using client = await connect(setUp.hop.port);

    await client.send("SOMETHING ELSE ALTOGETHER\r\n\r\n");

    expect(await client.ended).toBe("fin");
    const said = Buffer.from(client.connection.unread);
    const goAway = said.subarray(-17);
    expect([goAway[3], goAway.readUInt32BE(13)]).toEqual([GOAWAY, 1]);
    await eventually(async () => (await setUp.hop.metric("mesh_connections_idle_closed_total", closed)) === before + 1);
  });

  test("something wrong behind good ones does not take their answers away", async () => {
    setUp.backend.script = echo();
    await using client = await connect(setUp.hop.port);

    await client.send("POST /good HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\ngoodGET /bad HTTP/1.1\r\n\r\n");

    expect((await client.response("POST")).text).toBe("good");
    expect((await client.response()).status).toBe(400);
    expect(await client.ended).toBe("fin");
    expect((await setUp.hop.lines(client, 2)).map((line) => line["response_code"])).toEqual([200, 400]);
  });
});

const BODIES: readonly (readonly [name: string, body: string, problem: string])[] = [
  ["white space behind a size", "1 \r\na\r\n0\r\n\r\n", "chunk size is followed by something else"],
  ["white space before a size", " 1\r\na\r\n0\r\n\r\n", "chunk size is not hexadecimal"],
  ["a size with a sign", "+1\r\na\r\n0\r\n\r\n", "chunk size is not hexadecimal"],
  ["a size in C's way", "0x1\r\na\r\n0\r\n\r\n", "chunk size is followed by something else"],
  ["a size beyond reason", "ffffffffffffffff\r\na\r\n0\r\n\r\n", "chunk size too large"],
  ["a size that ends in LF", "1\na\r\n0\r\n\r\n", "chunk size is followed by something else"],
  ["an empty extension", "1;\r\na\r\n0\r\n\r\n", "malformed chunk extension"],
  ["an extension without a value", "1;a=\r\na\r\n0\r\n\r\n", "malformed chunk extension"],
  ["an extension with LF in quotes", '1;a="\n"\r\na\r\n0\r\n\r\n', "control byte in a chunk extension"],
  ["an endless extension", `1;${"a".repeat(2000)}\r\na\r\n0\r\n\r\n`, "chunk extension too long"],
  ["a chunk longer than its size", "1\r\nab\r\n0\r\n\r\n", "chunk longer than its size"],
  ["a length in its trailers", "1\r\na\r\n0\r\nContent-Length: 1\r\n\r\n", "trailer holds a framing field"],
  ["a coding in its trailers", "1\r\na\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n", "trailer holds a framing field"],
  ["a length with an underscore in its trailers", "1\r\na\r\n0\r\nContent_Length: 1\r\n\r\n", "name with _ reads like"],
  ["a folded trailer", "1\r\na\r\n0\r\nX-A: b\r\n c\r\n\r\n", "obs-fold"],
  ["a request for trailers", "1\r\na\r\n0\r\nGET / HTTP/1.1\r\n\r\n", "trailer: white space before the colon"],
  ["endless trailers", `1\r\na\r\n0\r\nX: ${"a".repeat(61 * 1024)}`, "trailer section larger than the limit"],
];

describe("a chunked body with", () => {
  for (const [name, body, problem] of BODIES) {
    test(`${name} gets 400 and the end of its connection, and does not end at the backend`, async () => {
      setUp.backend.script = async (request, to) => {
        await request.body;
        await ok("whole")(request, to);
      };
      const seen = setUp.backend.requests.length;
      await using client = await connect(setUp.hop.port);

      await client.send(`POST /body HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n${body}`);

      const response = await client.response("POST");
      expect([response.status, response.get("connection")]).toEqual([400, "close"]);
      expect(await client.ended).toBe("fin");
      expect(await setUp.hop.line(client)).toMatchObject({
        response_code: 400,
        response_flags: "DPE",
        response_code_details: expect.stringContaining(problem),
      });
      for (const request of setUp.backend.requests.slice(seen)) {
        await expect(request.body).rejects.toBeInstanceOf(CutShort);
      }
      expect(setUp.backend.requests.slice(seen).filter(({ target }) => target !== "/body")).toEqual([]);
    });
  }
});

describe("through the proxy", () => {
  apacheStrict(async (request) => {
    setUp.backend.script = ok("a");
    const seen = setUp.backend.requests.length;
    await using client = await connect(setUp.hop.port);
    await client.send(request);
    client.connection.shutdown();

    const status = await client.response().then(
      (response) => response.status,
      (error) => (error instanceof CutShort ? "incomplete" : Promise.reject(error)),
    );

    expect(setUp.backend.requests.length).toBe(seen + (status === 200 ? 1 : 0));
    return (status === 200 ? "accepted" : String(status)) as Answer;
  });
});

test("what is made to be read in two ways reaches the backend as the grammar reads it, or not at all", async () => {
  const random = seeded(7);
  const wholes = recordWholes();
  for (let i = 0; i < 400; i++) {
    const text = Buffer.from(smuggled(random), "latin1").latin1Slice();
    const { bodies, refused } = readByGrammar(text);
    wholes.length = 0;

    const statuses = await statusesOf(text);

    const told = statuses.map((status) => (status < 400 ? "taken" : "refused"));
    const wanted = [...bodies.map(() => "taken" as const), ...(refused ? (["refused"] as const) : [])];
    expect({ text, told, wholes: [...wholes] }).toEqual({ text, told: wanted, wholes: bodies });
    // 502 would say that our own request was refused by the backend's parser.
    expect(statuses.filter((status) => ![200, 400, 501, 505].includes(status))).toEqual([]);
  }
}, 30_000);

test("connections above the limit are reset, and those below it do not feel it", async () => {
  await using hop = await startPlane(setUp.backend.port, { maxConnections: 5 });
  setUp.backend.script = ok("a");
  const clients: Client[] = [];
  for (let i = 0; i < 5; i++) clients.push(await connect(hop.port));

  await using sixth = await connect(hop.port);
  await sixth.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  await sixth.ended;

  expect(sixth.connection.unread).toHaveLength(0);
  for (const client of clients) expect((await client.get("/")).status).toBe(200);
  clients[0]!.connection.close();
  await clients[0]!.ended;
  await using next = await connect(hop.port);
  expect((await next.get("/")).status).toBe(200);
  expect(await hop.metric("mesh_handshakes_failed_total", { reason: "too many connections" })).toBe(1);
  for (const client of clients) await client[Symbol.asyncDispose]();
});

/** Bodies of the requests that came whole, in their order. */
function recordWholes(): string[] {
  const wholes: string[] = [];
  setUp.backend.script = async (request, to) => {
    wholes.push((await request.body).bytes.toString("latin1"));
    await ok("a")(request, to);
  };
  return wholes;
}

async function statusesOf(text: string): Promise<number[]> {
  await using client = await connect(setUp.hop.port);
  await client.send(text);
  client.connection.shutdown();
  const statuses: number[] = [];
  for (;;) {
    try {
      statuses.push((await client.response("POST")).status);
    } catch (error) {
      if (error instanceof CutShort) return statuses;
      throw error;
    }
  }
}

function field(lines: string): string {
  return `POST /r HTTP/1.1\r\nHost: a\r\n${lines}\r\n\r\n`;
}
