import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  ACK,
  answerFrames,
  block,
  CONTINUATION,
  connectHttp2,
  DATA,
  END_HEADERS,
  END_STREAM,
  type Fields,
  frame,
  GOAWAY,
  get,
  HEADERS,
  type Http2Backend,
  type Http2Peer,
  PING,
  PRIORITY,
  post,
  RST_STREAM,
  SETTINGS,
  startHttp2Backend,
  uint32,
  WINDOW_UPDATE,
} from "../harness/http2.ts";
import {
  type Backend,
  chunked,
  connect,
  echo,
  eventually,
  ok,
  reset,
  stall,
  startBackend,
  truncated,
  truncatedChunked,
} from "../harness/mod.ts";
import { type Plane, startPlane } from "../harness/plane.ts";

const setUp = {} as { backend: Backend; plane: Plane };

beforeAll(async () => {
  setUp.backend = await startBackend();
  setUp.plane = await startPlane(setUp.backend.port);
});

afterAll(async () => {
  expect(setUp.plane.warnings).toEqual([]);
  await setUp.plane[Symbol.asyncDispose]();
  await setUp.backend[Symbol.asyncDispose]();
});

describe("an HTTP/2 client before an HTTP/1.1 server", () => {
  test("is answered, and the server sees one host and a cookie in one piece", async () => {
    const { backend, plane } = setUp;
    backend.script = ok("hello");
    await using client = await connectHttp2(plane.port);

    const stream = client.request(
      get("/a?b=c", [
        ["cookie", "one=1"],
        ["x-a", "1"],
        ["cookie", "two=2"],
      ]),
    );
    const response = await client.response(stream);

    expect([response.status, String(response.body)]).toEqual(["200", "hello"]);
    expect(response.fields).toContainEqual(["content-length", "5"]);
    const { target, fields } = backend.requests.at(-1)!;
    expect(target).toBe("/a?b=c");
    expect(fields.filter(([name]) => /^(host|cookie|x-a)$/i.test(name))).toEqual([
      ["Host", "web"],
      ["x-a", "1"],
      ["cookie", "one=1; two=2"],
    ]);
  });

  test("that takes trailers is said to, in the words of HTTP/1.1", async () => {
    const { backend, plane } = setUp;
    backend.script = ok("hello");
    await using client = await connectHttp2(plane.port);

    await client.response(client.request(get("/", [["te", "trailers"]])));
    const taking = backend.requests.at(-1)!;
    await client.response(client.request(get("/")));
    const other = backend.requests.at(-1)!;

    expect(taking.raw).toContain("\r\nConnection: te\r\nTE: trailers\r\n");
    expect(other.raw).not.toMatch(/\r\n(te|connection):/i);
  });

  test("sends bodies of any size and gets them back, many at once", async () => {
    setUp.backend.script = echo();
    await using client = await connectHttp2(setUp.plane.port);
    const bodies = [0, 1, 100, 16_384, 9_000].map((size) => Buffer.alloc(size, size % 251));

    const streams = bodies.map((body) => client.request(post("/echo"), body));

    for (const [i, stream] of streams.entries()) {
      expect((await client.response(stream)).body.equals(bodies[i]!)).toBe(true);
    }
  });

  test("gets the trailers of a chunked response", async () => {
    setUp.backend.script = chunked(["part", "s"], [["X-Sum", "42"]]);
    await using client = await connectHttp2(setUp.plane.port);

    const response = await client.response(client.request(get("/")));

    expect([String(response.body), response.trailers]).toEqual(["parts", [["x-sum", "42"]]]);
  });

  test("whose response is cut short or reset sees a reset, and never a clean end", async () => {
    for (const script of [
      truncated("half", 100),
      truncatedChunked(["half"]),
      reset("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"),
    ]) {
      setUp.backend.script = script;
      await using client = await connectHttp2(setUp.plane.port);

      const response = await client.response(client.request(get("/")));

      expect(response.reset).not.toBeNull();
    }
  });

  test("that resets a stream ends the request at the server at once", async () => {
    const { backend, plane } = setUp;
    backend.script = stall();
    await using client = await connectHttp2(plane.port);
    const seen = backend.requests.length;
    const stream = client.request(get("/"));
    await eventually(() => backend.requests.length > seen);
    const connection = backend.connections[backend.requests.at(-1)!.connection]!;

    client.write(frame(RST_STREAM, 0, stream, uint32(8)));

    expect(await connection.ended).toBe("reset");
  });

  test("upgrades to WebSocket by extended CONNECT, and bytes flow both ways", async () => {
    setUp.backend.script = async (request, to) => {
      expect(request.raw).toMatch(/^GET \/chat HTTP\/1\.1\r\n/);
      expect(request.raw).toMatch(/\r\nUpgrade: websocket\r\n/i);
      await to.write("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
      await to.write(`echo:${String(await to.exactly("a message", 4))}`);
      to.close();
      await to.ended;
    };
    await using client = await connectHttp2(setUp.plane.port);
    const fields = get("/chat").map(([name, value]) => [name, name === ":method" ? "CONNECT" : value] as const);
    const stream = 1;
    client.write(frame(HEADERS, END_HEADERS, stream, block([...fields, [":protocol", "websocket"]])));

    client.write(frame(DATA, 0, stream, "ping"));

    const response = await client.response(stream);
    expect([response.status, String(response.body), response.reset]).toEqual(["200", "echo:ping", null]);
  });
});

describe("what arrives by HTTP/2 and would smuggle by HTTP/1.1", () => {
  const MALFORMED: readonly (readonly [string, Fields])[] = [
    ["CR and LF in a value", get("/", [["x-a", "b\r\nx-evil: 1"]])],
    ["LF in a value", get("/", [["x-a", "b\nc"]])],
    ["NUL in a value", get("/", [["x-a", "b\0c"]])],
    ["a space before a value", get("/", [["x-a", " b"]])],
    ["a tab behind a value", get("/", [["x-a", "b\t"]])],
    ["CR and LF in a name", get("/", [["x-a\r\nx-evil", "b"]])],
    ["a space in a name", get("/", [["x a", "b"]])],
    ["a colon in a name", get("/", [["x:a", "b"]])],
    ["no name", get("/", [["", "b"]])],
    ["a name in upper case", get("/", [["X-A", "b"]])],
    ["transfer-encoding", post("/", [["transfer-encoding", "chunked"]])],
    ["transfer_encoding", post("/", [["transfer_encoding", "chunked"]])],
    ["content_length", post("/", [["content_length", "5"]])],
    ["connection", get("/", [["connection", "close"]])],
    ["keep-alive", get("/", [["keep-alive", "1"]])],
    ["proxy-connection", get("/", [["proxy-connection", "close"]])],
    ["upgrade", get("/", [["upgrade", "websocket"]])],
    ["te other than trailers", get("/", [["te", "gzip"]])],
    ["a content-length without a body", get("/", [["content-length", "5"]])],
    ["a content-length that is no number", get("/", [["content-length", "+0"]])],
    [
      "two content-lengths",
      get("/", [
        ["content-length", "0"],
        ["content-length", "0"],
      ]),
    ],
    [
      "two hosts",
      get("/", [
        ["host", "web"],
        ["host", "web"],
      ]),
    ],
    ["a host that is not the authority", get("/", [["host", "other"]])],
    ["an expectation we do not know", get("/", [["expect", "the-unexpected"]])],
    ["a space in the path", get("/a b")],
    ["CR and LF in the path", get("/a HTTP/1.1\r\nx-evil: 1\r\n\r\n")],
    ["a fragment in the path", get("/a#b")],
    ["a path without its slash", get("a")],
    ["a URI as path", get("http://other/")],
    [
      "no path",
      [
        [":method", "GET"],
        [":scheme", "http"],
        [":authority", "web"],
      ],
    ],
    ["an empty path", get("")],
    [
      "no method",
      [
        [":scheme", "http"],
        [":path", "/"],
        [":authority", "web"],
      ],
    ],
    [
      "a method of two words",
      [
        [":method", "GET /evil"],
        [":scheme", "http"],
        [":path", "/"],
        [":authority", "web"],
      ],
    ],
    [
      "no scheme",
      [
        [":method", "GET"],
        [":path", "/"],
        [":authority", "web"],
      ],
    ],
    [
      "another scheme",
      [
        [":method", "GET"],
        [":scheme", "ftp"],
        [":path", "/"],
        [":authority", "web"],
      ],
    ],
    [
      "userinfo in the authority",
      [
        [":method", "GET"],
        [":scheme", "http"],
        [":path", "/"],
        [":authority", "a@web"],
      ],
    ],
    [
      "a path in the authority",
      [
        [":method", "GET"],
        [":scheme", "http"],
        [":path", "/"],
        [":authority", "web/x"],
      ],
    ],
    [
      "a space in the authority",
      [
        [":method", "GET"],
        [":scheme", "http"],
        [":path", "/"],
        [":authority", "web x"],
      ],
    ],
    [
      "neither authority nor host",
      [
        [":method", "GET"],
        [":scheme", "http"],
        [":path", "/"],
      ],
    ],
    ["a pseudo-header field twice", [...get("/"), [":path", "/b"]]],
    ["a pseudo-header field behind a field", [["x-a", "b"], ...get("/")]],
    ["a pseudo-header field that is none", [[":evil", "1"], ...get("/")]],
    ["a pseudo-header field of responses", [[":status", "200"], ...get("/")]],
    [":protocol without CONNECT", [[":protocol", "websocket"], ...get("/")]],
    [
      "an upgrade to HTTP/2",
      [
        [":method", "CONNECT"],
        [":protocol", "h2c"],
        [":scheme", "http"],
        [":path", "/"],
        [":authority", "web"],
      ],
    ],
    [
      "CONNECT with a path",
      [
        [":method", "CONNECT"],
        [":path", "/"],
        [":authority", "web:80"],
      ],
    ],
  ];

  for (const [name, fields] of MALFORMED) {
    test(`${name} is refused on its stream alone`, async () => {
      const { backend, plane } = setUp;
      backend.script = ok("fine");
      await using client = await connectHttp2(plane.port);
      const seen = backend.requests.length;

      const response = await client.response(client.request(fields));

      expect([response.status, response.reset]).toEqual(["", 1]);
      expect(backend.requests.length).toBe(seen);
      expect((await client.response(client.request(get("/behind")))).status).toBe("200");
      expect(client.closed).toBe(false);
    });
  }

  test("a body longer or shorter than its content-length is refused, and the server sees no whole request", async () => {
    for (const length of ["3", "5"]) {
      setUp.backend.script = echo();
      await using client = await connectHttp2(setUp.plane.port);

      const response = await client.response(client.request(post("/", [["content-length", length]]), "four"));

      expect(response.reset).toBe(1);
      expect((await client.response(client.request(post("/"), "fine"))).status).toBe("200");
    }
  });

  test("trailers with pseudo-header or framing fields are refused", async () => {
    for (const trailer of [
      [":path", "/"],
      ["content-length", "4"],
      ["host", "web"],
    ] as const) {
      setUp.backend.script = echo();
      await using client = await connectHttp2(setUp.plane.port);
      client.write(frame(HEADERS, END_HEADERS, 1, block(post("/"))), frame(DATA, 0, 1, "four"));
      client.write(frame(HEADERS, END_HEADERS | END_STREAM, 1, block([trailer])));

      expect((await client.response(1)).reset).toBe(1);
    }
  });

  test("a head larger than the limit gets 431 on its stream alone", async () => {
    setUp.backend.script = ok("fine");
    await using client = await connectHttp2(setUp.plane.port);
    const fields = get(
      "/",
      Array.from({ length: 110 }, (_, i) => [`x-${i}`, "v"] as const),
    );

    expect((await client.response(client.request(fields))).status).toBe("431");
    expect((await client.response(client.request(get("/")))).status).toBe("200");
  });
});

describe("an HTTP/2 server", () => {
  async function before(
    script: Parameters<typeof startHttp2Backend>[0],
    settings: readonly (readonly [number, number])[] = [],
  ): Promise<[Http2Backend, Plane]> {
    const backend = await startHttp2Backend(script, settings);
    return [backend, await startPlane(backend.port, { appProtocol: "http2" })];
  }

  test("answers HTTP/1.1 clients, trailers included", async () => {
    const [backend, plane] = await before((peer, { stream }) =>
      peer.write(answerFrames(stream, 200, "hello", [["x-sum", "42"]])),
    );
    await using _backend = backend;
    await using _plane = plane;
    await using client = await connect(plane.port);

    await client.send("GET /a HTTP/1.1\r\nHost: web\r\nCookie: a=1\r\nConnection: x-drop\r\nX-Drop: 1\r\n\r\n");
    const response = await client.response();

    expect([response.status, response.text, response.body.trailers]).toEqual([200, "hello", [["x-sum", "42"]]]);
    const { fields } = backend.peers[0]!.frames.find(({ type }) => type === HEADERS)!;
    expect(fields.slice(0, 4)).toEqual([
      [":method", "GET"],
      [":scheme", "http"],
      [":path", "/a"],
      [":authority", "web"],
    ]);
    expect(fields.map(([name]) => name)).not.toContain("x-drop");
    expect(fields.map(([name]) => name)).not.toContain("connection");
    expect(fields).toContainEqual(["cookie", "a=1"]);
  });

  test("gets an upgrade by another method than GET as a request without one, and te of who takes trailers", async () => {
    const [backend, plane] = await before(
      (peer, { stream }) => peer.write(answerFrames(stream, 200, "plain")),
      [[8, 1]],
    );
    await using _backend = backend;
    await using _plane = plane;
    await using client = await connect(plane.port);

    await client.send(
      "POST / HTTP/1.1\r\nHost: web\r\nConnection: upgrade, te\r\nUpgrade: echo\r\nTE: trailers\r\n\r\n",
    );
    const response = await client.response("POST");

    expect([response.status, response.text]).toEqual([200, "plain"]);
    const { fields } = backend.peers[0]!.frames.find(({ type }) => type === HEADERS)!;
    expect(fields[0]).toEqual([":method", "POST"]);
    expect(fields.map(([name]) => name)).not.toContain(":protocol");
    expect(fields).toContainEqual(["te", "trailers"]);
  });

  test("that resets in the middle of a response is a reset to HTTP/2 clients and a cut to HTTP/1.1 ones", async () => {
    const [backend, plane] = await before((peer, { stream }) =>
      peer.write(
        frame(HEADERS, END_HEADERS, stream, block([[":status", "200"]])),
        frame(DATA, 0, stream, "half"),
        frame(RST_STREAM, 0, stream, uint32(2)),
      ),
    );
    await using _backend = backend;
    await using _plane = plane;
    await using http2 = await connectHttp2(plane.port);
    await using http1 = await connect(plane.port);

    const response = await http2.response(http2.request(get("/")));
    await http1.send("GET / HTTP/1.1\r\nHost: web\r\n\r\n");

    expect(response.reset).not.toBeNull();
    expect(http1.response()).rejects.toThrow(/ended/);
  });

  test("that has not begun with a request gets it again, whatever its method", async () => {
    let refused = 0;
    const [backend, plane] = await before((peer, { stream }) => {
      if (refused++ === 0) peer.write(frame(RST_STREAM, 0, stream, uint32(7)));
      else peer.write(answerFrames(stream, 200, "second"));
    });
    await using _backend = backend;
    await using _plane = plane;
    await using client = await connectHttp2(plane.port);

    const response = await client.response(client.request(post("/", [["content-length", "0"]]), ""));

    expect([response.status, String(response.body), refused]).toEqual(["200", "second", 2]);
  });

  test("that goes away finishes what it has begun, and the rest goes to a new connection", async () => {
    const [backend, plane] = await before((peer, { stream }) => {
      if (peer === backend.peers[0] && stream === 1)
        peer.write(frame(GOAWAY, 0, 0, Buffer.concat([uint32(1), uint32(0)])));
      peer.write(answerFrames(stream, 200, "done"));
    });
    await using _backend = backend;
    await using _plane = plane;
    await using client = await connectHttp2(plane.port);

    const responses = [1, 2, 3].map(() => client.response(client.request(get("/"))));

    for (const response of await Promise.all(responses)) expect(String(response.body)).toBe("done");
    expect(backend.peers.length).toBe(2);
  });

  test("takes no more streams at once than it allows", async () => {
    const open = new Set<number>();
    let most = 0;
    const backend = await startHttp2Backend(
      (peer, { stream }) => {
        open.add(stream);
        most = Math.max(most, open.size);
        setImmediate(() => {
          open.delete(stream);
          peer.write(answerFrames(stream, 200, "done"));
        });
      },
      [[3, 2]],
    );
    await using _backend = backend;
    await using plane = await startPlane(backend.port, { appProtocol: "http2" });
    await using client = await connectHttp2(plane.port);
    await client.response(client.request(get("/")));
    most = 0;

    const all = Array.from({ length: 30 }, () => client.response(client.request(get("/"))));

    for (const { status } of await Promise.all(all)) expect(status).toBe("200");
    expect(backend.peers.length).toBeLessThanOrEqual(8);
    expect(backend.peers.length).toBeGreaterThan(1);
  });

  test("that sends what is no HTTP/2 is a malformed response, not a hang", async () => {
    const [backend, plane] = await before((peer, { stream }) =>
      peer.write(
        frame(
          HEADERS,
          END_HEADERS | END_STREAM,
          stream,
          block([
            [":status", "200"],
            ["Bad", "1"],
          ]),
        ),
      ),
    );
    await using _backend = backend;
    await using _plane = plane;
    await using client = await connectHttp2(plane.port);

    expect((await client.response(client.request(get("/")))).status).toBe("502");
  });
});

describe("a client that attacks", () => {
  const FLOODS: readonly (readonly [string, Buffer, number])[] = [
    ["empty DATA", frame(DATA, 0, 1), 20_000],
    ["PING", frame(PING, 0, 0, "12345678"), 20_000],
    ["SETTINGS", frame(SETTINGS, 0, 0), 20_000],
    ["empty CONTINUATION", frame(CONTINUATION, 0, 3), 20_000],
    ["PRIORITY", frame(PRIORITY, 0, 5, Buffer.concat([uint32(0), Buffer.of(1)])), 20_000],
    ["WINDOW_UPDATE", frame(WINDOW_UPDATE, 0, 1, uint32(1)), 40_000],
    ["frames of no known type", frame(0xee, 0, 0), 20_000],
  ];

  for (const [name, flood, count] of FLOODS) {
    test(`by ${name} is told to be calm, counted, and cut off`, async () => {
      const { backend, plane } = setUp;
      backend.script = stall();
      const before = await plane.metric("mesh_http2_abuse_total");
      await using client = await connectHttp2(plane.port);
      client.polite = false;
      client.write(frame(HEADERS, END_HEADERS, 1, block(post("/"))));
      if (name.includes("CONTINUATION")) client.write(frame(HEADERS, 0, 3, block(get("/"))));

      for (let i = 0; i < count && !client.closed; i += 1_000) client.write(Buffer.concat(Array(1_000).fill(flood)));

      expect(await client.goneAway()).toBe(11);
      await eventually(async () => (await plane.metric("mesh_http2_abuse_total")) === before + 1);
      await eventually(() => plane.active === 0);
    });
  }

  test("by 20,000 rapid resets is cut off, while another client is served", async () => {
    const { backend, plane } = setUp;
    backend.script = ok("fine");
    await using victim = await connectHttp2(plane.port);
    await using client = await connectHttp2(plane.port);

    for (let i = 0; i < 20_000 && !client.closed; i++) {
      const stream = 1 + i * 2;
      client.write(frame(HEADERS, END_HEADERS | END_STREAM, stream, block(get("/"))));
      client.write(frame(RST_STREAM, 0, stream, uint32(8)));
    }

    expect(await client.goneAway()).toBe(11);
    expect((await victim.response(victim.request(get("/")))).status).toBe("200");
    await eventually(() => plane.active === 0);
  });

  test("by a head that promises megabytes through the table is refused at the limit", async () => {
    const { plane } = setUp;
    await using client = await connectHttp2(plane.port);
    // One entry of 4,000 bytes, then 10,000 times its index.
    const entry = Buffer.concat([Buffer.of(0x40, 1, 0x61), Buffer.of(0x7f, 0xa1, 0x1e), Buffer.alloc(4000, "v")]);
    client.write(
      frame(HEADERS, END_HEADERS | END_STREAM, 1, Buffer.concat([block(get("/")), entry, Buffer.alloc(10_000, 0xbe)])),
    );

    expect((await client.response(1)).status).toBe("431");
  });

  test("by reading nothing of what it asked for is given up in the end, and counted", async () => {
    const sent = { bytes: 0 };
    await using backend = await startBackend(async (_, to) => {
      const piece = Buffer.alloc(1024 * 1024);
      await to.write(`HTTP/1.1 200 OK\r\nContent-Length: ${64 * piece.length}\r\n\r\n`);
      for (let i = 0; i < 64; i++, sent.bytes += piece.length) await to.write(piece);
    });
    await using plane = await startPlane(backend.port);
    await using client = await connectHttp2(plane.port, [[4, 0x7fffffff]]);
    client.write(frame(WINDOW_UPDATE, 0, 0, uint32(0x7fff0000 - 65_535)));
    client.request(get("/"));
    await eventually(() => client.frames.some(({ type }) => type === DATA));
    client.socket.pause();
    await standsStill(sent);

    plane.skip(300_001);
    plane.skip(300_001);

    await eventually(async () => (await plane.metric("mesh_http2_abuse_total", { reason: "stalled" })) === 1);
    await eventually(() => plane.active === 0);
  });

  test("by opening no window for answers that are whole ends each of them in the end", async () => {
    await using backend = await startBackend(ok("x".repeat(1_000)));
    await using plane = await startPlane(backend.port);
    await using client = await connectHttp2(plane.port, [[4, 0]]);
    client.polite = false;
    const served = [client.request(get("/")), client.request([...get("/").slice(0, 3), [":authority", "nobody"]])];
    await eventually(() => served.every((stream) => client.of(stream).some(({ type }) => type === HEADERS)));

    for (let i = 0; i < 2; i++) plane.skip(300_001);

    await eventually(() => served.every((stream) => client.of(stream).some(({ type }) => type === RST_STREAM)));
    expect([plane.active, client.closed]).toEqual([0, false]);
  });

  test("by heads that always begin anew puts no deadline off", async () => {
    await using backend = await startBackend(ok("x"));
    await using plane = await startPlane(backend.port);
    await using client = await connectHttp2(plane.port, [[4, 0]]);
    const stuck = client.request(get("/"));
    await eventually(() => client.of(stuck).length > 0);
    const acks = () => client.frames.filter(({ type, flags }) => type === PING && flags === ACK).length;

    for (let i = 1; i <= 70; i++) {
      const fields = block(get("/"));
      client.write(frame(PING, 0, 0, "12345678"), frame(HEADERS, END_STREAM, stuck + 2 * i, fields.subarray(0, 5)));
      await eventually(() => acks() === i);
      plane.skip(9_000);
      client.write(frame(CONTINUATION, END_HEADERS, stuck + 2 * i, fields.subarray(5)));
    }

    await eventually(() => client.of(stuck).some(({ type }) => type === RST_STREAM));
  });

  test("by a hundred streams of 16 MB each and no window costs next to nothing", async () => {
    const { backend, plane } = setUp;
    const big = Buffer.alloc(16 * 1024 * 1024);
    backend.script = async (_, to) => {
      await to.write(`HTTP/1.1 200 OK\r\nContent-Length: ${big.length}\r\n\r\n`);
      await to.write(big);
    };
    await using client = await connectHttp2(plane.port, [[4, 0]]);
    client.polite = false;
    Bun.gc(true);
    const before = process.memoryUsage.rss();
    const streams = Array.from({ length: 100 }, () => client.request(get("/")));

    await eventually(() => streams.every((stream) => client.of(stream).some(({ type }) => type === HEADERS)));

    Bun.gc(true);
    expect(process.memoryUsage.rss() - before).toBeLessThan(64 * 1024 * 1024);
  });
});

/** Nothing more is taken of what is sent. */
async function standsStill(sent: { readonly bytes: number }): Promise<void> {
  let last = -1;
  let still = 0;
  await eventually(() => {
    still = sent.bytes === last ? still + 1 : 0;
    last = sent.bytes;
    return still > 30;
  });
}

describe("a connection", () => {
  test("whose streams break goes on with the others", async () => {
    setUp.backend.script = echo();
    await using client = await connectHttp2(setUp.plane.port);
    client.write(frame(HEADERS, END_HEADERS, 1, block(post("/"))), frame(DATA, 0, 1, "good "));

    client.write(frame(HEADERS, END_HEADERS | END_STREAM, 3, block(get("/", [["BAD", "1"]]))));
    client.write(frame(HEADERS, END_HEADERS, 5, block(post("/"))), frame(WINDOW_UPDATE, 0, 5, uint32(0)));
    client.write(frame(HEADERS, END_HEADERS, 7, block(post("/", [["content-length", "1"]]))), frame(DATA, 0, 7, "two"));
    client.write(frame(DATA, END_STREAM, 1, "news"));

    expect(String((await client.response(1)).body)).toBe("good news");
    for (const stream of [3, 5, 7]) expect((await client.response(stream)).reset).toBe(1);
  });

  test("is not blamed for what its servers break", async () => {
    setUp.backend.script = truncated("half", 100);
    await using client = await connectHttp2(setUp.plane.port);

    for (let i = 0; i < 150; i++) expect((await client.response(client.request(get("/")))).reset).not.toBeNull();

    expect(client.closed).toBe(false);
  });

  test("that cancels now and then, among streams that are served, goes on", async () => {
    setUp.backend.script = ok("fine");
    await using client = await connectHttp2(setUp.plane.port);

    for (let i = 0; i < 300; i++) {
      const given = client.request(get("/"));
      client.write(frame(RST_STREAM, 0, given, uint32(8)));
      await client.response(client.request(get("/")));
    }

    expect(client.closed).toBe(false);
  });

  test("may open its windows for each frame of a large body", async () => {
    setUp.backend.script = ok(Buffer.alloc(1024 * 1024));
    await using client = await connectHttp2(setUp.plane.port, [[4, 1_000]]);

    expect((await client.response(client.request(get("/")))).body.length).toBe(1024 * 1024);
  });

  test("changes its windows in flight, and bodies obey", async () => {
    setUp.backend.script = ok("x".repeat(100_000));
    await using client = await connectHttp2(setUp.plane.port, [[4, 10]]);
    client.polite = false;
    const stream = client.request(get("/"));
    const size = () =>
      client.of(stream).reduce((sum, { type, payload }) => sum + (type === DATA ? payload.length : 0), 0);
    await eventually(() => size() === 10);

    client.write(client.settings([[4, 1_000]]));
    await eventually(() => size() === 1_000);
    client.write(client.settings([[4, 0]]), frame(WINDOW_UPDATE, 0, stream, uint32(500)));
    client.write(frame(WINDOW_UPDATE, 0, stream, uint32(1_000)));

    await eventually(() => size() === 1_500);
  });

  test("may have more of a body in flight while that is alone, and no more beside others", async () => {
    setUp.backend.script = async (request) => void (await request.body);
    await using client = await connectHttp2(setUp.plane.port);
    const upload = uploadOn(client, 1);

    await upload.send(4 * MB);
    await eventually(() => upload.allowed() >= 128 * KB);
    client.write(frame(HEADERS, END_HEADERS, 3, block(post("/"))));
    await upload.send(MB);

    await eventually(() => upload.allowed() >= 32 * KB);
    expect(upload.allowed()).toBeLessThanOrEqual(64 * KB);
  });

  test("in which nothing is under way is told to go when the proxy drains", async () => {
    await using backend = await startBackend();
    const plane = await startPlane(backend.port);
    await using client = await connectHttp2(plane.port);
    await client.response(client.request(get("/")));

    await plane[Symbol.asyncDispose]();

    await eventually(() => client.closed);
  });
});

const KB = 1024;
const MB = 1024 * KB;

/** A request whose body comes bit by bit, as far as the proxy lets it. */
function uploadOn(client: Http2Peer, stream: number) {
  let sent = 0;
  const granted = () =>
    client
      .of(stream)
      .reduce((sum, { type, payload }) => sum + (type === WINDOW_UPDATE ? payload.readUInt32BE(0) : 0), 65_535);
  const allowed = () => granted() - sent;
  client.write(frame(HEADERS, END_HEADERS, stream, block(post("/"))));
  return {
    allowed,
    async send(size: number): Promise<void> {
      const until = sent + size;
      const chunk = Buffer.alloc(16 * KB);
      while (sent < until) {
        await eventually(() => allowed() >= chunk.length);
        client.write(frame(DATA, 0, stream, chunk));
        sent += chunk.length;
      }
    },
  };
}
