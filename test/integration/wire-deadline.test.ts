import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { type Backend, ok, type Script, stall, startBackend, tunnel } from "../harness/backend.ts";
import { type Client, connect } from "../harness/client.ts";
import { CutShort } from "../harness/connection.ts";
import { startDeafPort } from "../harness/deaf.ts";
import { eventually } from "../harness/eventually.ts";
import { type Plane, startPlane } from "../harness/plane.ts";

const MB = 1024 * 1024;
const HEAD_MS = 10_000;
const IDLE_MS = 300_000;
const LINGER_MS = 2_000;
const CONNECT_MS = 5_000;
const RESPONSE_HEAD_MS = 60_000;
/** A deadline is kept to a slot of the coarse wheel. */
const SLOT_MS = 250;
const NEVER_YET_MS = 1_000;

const ROUTES = `apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: limits}
spec:
  parentRefs: [{group: "", kind: Service, name: web}]
  rules:
    - matches: [{path: {type: PathPrefix, value: /request}}]
      timeouts: {request: 5s}
      backendRefs: [{name: web, port: 80}]
    - matches: [{path: {type: PathPrefix, value: /attempt}}]
      timeouts: {request: 20s, backendRequest: 3s}
      backendRefs: [{name: web, port: 80}]
    - backendRefs: [{name: web, port: 80}]
`;

const setUp = {} as { backend: Backend; hop: Plane };

beforeAll(async () => {
  setUp.backend = await startBackend();
  setUp.hop = await startPlane(setUp.backend.port, { config: ROUTES });
});

afterEach(async () => {
  await eventually(() => setUp.hop.active === 0);
  expect(setUp.hop.warnings).toEqual([]);
});

afterAll(async () => {
  await setUp.hop?.[Symbol.asyncDispose]();
  await setUp.backend?.[Symbol.asyncDispose]();
});

describe("a head", () => {
  test("that is not whole at its deadline gets 408, however it dribbles", async () => {
    await using client = await served(ok("a"));
    const before = await setUp.hop.metric("istio_requests_total", { response_code: "408", response_flags: "DT" });

    for (const piece of ["GET /slow HTTP/1.1\r\n", "Host: a\r\n", "X-A: b\r\n"]) {
      await client.send(piece);
      await settled();
      setUp.hop.skip(HEAD_MS / 4);
    }
    expect(client.connection.unread).toHaveLength(0);
    setUp.hop.skip(HEAD_MS / 4 + SLOT_MS);

    const response = await client.response();
    expect([response.status, response.get("connection")]).toEqual([408, "close"]);
    expect(await client.ended).toBe("fin");
    expect(await setUp.hop.line(client)).toMatchObject({
      response_code: 408,
      response_flags: "DT",
      response_code_details: "Cannot take the request: head not whole at its deadline",
    });
    expect(await setUp.hop.metric("istio_requests_total", { response_code: "408", response_flags: "DT" })).toBe(
      before + 1,
    );
  });

  test("behind another request has a deadline of its own, and is told when it runs out", async () => {
    await using client = await served(ok("a"));
    expect((await client.get("/first")).status).toBe(200);
    setUp.hop.skip(HEAD_MS * 3);

    await client.send("GET /second HTTP/1.1\r\n");
    await settled();
    setUp.hop.skip(HEAD_MS - NEVER_YET_MS);
    expect(client.connection.unread).toHaveLength(0);
    setUp.hop.skip(NEVER_YET_MS + SLOT_MS);

    expect((await client.response()).status).toBe(408);
  });

  test("that never begins costs its connection at the same deadline, without a word", async () => {
    await using client = await served(ok("a"));
    await settled();
    const closed = { reason: "no request at the head deadline" };
    const before = await setUp.hop.metric("mesh_connections_idle_closed_total", closed);

    setUp.hop.skip(HEAD_MS + SLOT_MS);

    expect(await client.ended).toBe("fin");
    expect(client.connection.unread).toHaveLength(0);
    expect(await setUp.hop.metric("mesh_connections_idle_closed_total", closed)).toBeGreaterThan(before);
  });

  test("of five hundred slow clients ends with them, and costs others nothing", async () => {
    setUp.backend.script = ok("quick");
    const slow: Client[] = [];
    for (let i = 0; i < 500; i++) slow.push(await connect(setUp.hop.port));
    await Promise.all(slow.map((client, i) => client.send(i % 2 === 0 ? "GET /slow HTTP/1.1\r\nHost: a\r\nX-" : "P")));
    await using quick = await connect(setUp.hop.port);
    for (let i = 0; i < 20; i++) expect((await quick.get(`/quick/${i}`)).text).toBe("quick");

    setUp.hop.skip(HEAD_MS + SLOT_MS);

    const statuses = await Promise.all(slow.map(async (client) => (await client.response()).status));
    expect(statuses.filter((status) => status !== 408)).toEqual([]);
    for (const client of slow) expect(await client.ended).toBe("fin");
    for (const client of slow) client.connection.close();
    expect((await quick.get("/quick/still")).text).toBe("quick");
    expect(setUp.backend.requests.filter(({ target }) => target === "/slow")).toEqual([]);
  }, 30_000);
});

describe("a connection", () => {
  test("between exchanges is ended when it was idle for long, not before", async () => {
    await using client = await served(ok("a"));
    await client.get("/idle/1");
    setUp.hop.skip(IDLE_MS - NEVER_YET_MS);
    expect((await client.get("/idle/2")).status).toBe(200);
    setUp.hop.skip(IDLE_MS - NEVER_YET_MS);
    expect(client.connection.isOpen).toBe(true);

    setUp.hop.skip(NEVER_YET_MS + SLOT_MS);

    expect(await client.ended).toBe("fin");
    expect(client.connection.unread).toHaveLength(0);
  });

  test("whose peer does not end it behind a refusal is reset after a while", async () => {
    await using client = await served(ok("a"));
    await client.send("GET / HTTP/1.1\r\n\r\n");
    expect((await client.response()).status).toBe(400);
    expect(await client.ended).toBe("fin");
    await client.send("and on and on");

    setUp.hop.skip(LINGER_MS + SLOT_MS);

    await eventually(async () => {
      await client.send("and on");
      return client.connection.socket.readyState <= 0;
    });
  });

  test("that is closed behind a response brings a slow reader all of it, though we have let go of it long before", async () => {
    await using client = await served(ok(Buffer.alloc(3 * MB)));
    await client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    client.connection.pause();
    await eventually(() => setUp.backend.requests.some(({ target }) => target === "/") && setUp.hop.active === 0);

    setUp.hop.skip(LINGER_MS + SLOT_MS);
    client.connection.resume();

    expect((await client.response()).body.bytes.length).toBe(3 * MB);
  });

  test("that is a tunnel may be quiet for longer than any exchange", async () => {
    await using client = await served(tunnel("websocket"));
    await client.get("/ws", [
      ["Connection", "upgrade"],
      ["Upgrade", "websocket"],
    ]);
    setUp.hop.skip(2 * IDLE_MS);

    await client.send("still there");

    expect((await client.connection.exactly("an echo", 11)).toString()).toBe("still there");
    setUp.hop.skip(3_600_000 + SLOT_MS);
    await client.ended;
    expect(await setUp.hop.line(client)).toMatchObject({ response_code: 101, response_flags: "SI" });
  });
});

describe("a request", () => {
  test("whose response has not begun at the rule's deadline is 504, and its upstream is told", async () => {
    await using client = await served(stall());
    await client.send("GET /request HTTP/1.1\r\nHost: a\r\n\r\n");
    await arrived("/request");

    setUp.hop.skip(5_000 + SLOT_MS);

    expect((await client.response()).status).toBe(504);
    expect(await lastConnection().ended).toBe("reset");
    expect(await setUp.hop.line(client)).toMatchObject({ response_code: 504, response_flags: "UT" });
    expect((await clientIsFine(client)).status).toBe(200);
  });

  test("whose response is not whole at the rule's deadline looks truncated", async () => {
    await using client = await served(stall("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"));
    await client.send("GET /request/half HTTP/1.1\r\nHost: a\r\n\r\n");
    await client.connection.until("half of it", "hello");

    setUp.hop.skip(5_000 + SLOT_MS);

    await client.ended;
    expect(client.connection.unread).toHaveLength(0);
    expect(await setUp.hop.line(client)).toMatchObject({ response_code: 200, response_flags: "UT" });
  });

  test("is not asked longer of one attempt than its rule says", async () => {
    await using client = await served(stall());
    await client.send("GET /attempt HTTP/1.1\r\nHost: a\r\n\r\n");
    await arrived("/attempt");

    setUp.hop.skip(3_000 + SLOT_MS);

    expect((await client.response()).status).toBe(504);
    expect(await setUp.hop.line(client)).toMatchObject({ response_code: 504, response_flags: "UT" });
  });

  test("of no rule's deadline waits for a response as long as the proxy does", async () => {
    await using client = await served(stall());
    await client.send("GET /any HTTP/1.1\r\nHost: a\r\n\r\n");
    await arrived("/any");
    setUp.hop.skip(RESPONSE_HEAD_MS - NEVER_YET_MS);
    expect(client.connection.unread).toHaveLength(0);

    setUp.hop.skip(NEVER_YET_MS + SLOT_MS);

    expect((await client.response()).status).toBe(504);
    expect(await setUp.hop.line(client)).toMatchObject({ response_flags: "UT" });
  });

  test("whose body stops coming is 408 in the end, and its upstream sees it broken off", async () => {
    await using client = await served(ok("never"));
    await client.send("POST /quiet HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello");
    await arrived("/quiet");
    setUp.hop.skip(IDLE_MS - NEVER_YET_MS);
    expect(client.connection.unread).toHaveLength(0);

    setUp.hop.skip(NEVER_YET_MS + SLOT_MS);

    const response = await client.response("POST");
    expect([response.status, response.get("connection")]).toEqual([408, "close"]);
    await expect(setUp.backend.requests.at(-1)!.body).rejects.toBeInstanceOf(CutShort);
    expect(await setUp.hop.line(client)).toMatchObject({ response_code: 408, response_flags: "SI" });
  });

  test("whose body keeps moving may take its time, byte for byte", async () => {
    await using client = await served(ok("in the end"));
    await client.send("POST /steady HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n");
    for (const byte of "body") {
      await client.send(byte);
      await settled();
      setUp.hop.skip(IDLE_MS - NEVER_YET_MS);
    }

    expect((await client.response("POST")).text).toBe("in the end");
  });
});

test("a response that nobody reads is given up in the end, wherever it got stuck", async () => {
  // The kernel takes small ones whole. Of large ones much waits upstream; of those in between only the end waits, here.
  let size = MB;
  while (!(await unread(size))) size += 160 * 1024;
  for (let between = size - 160 * 1024; between < size; between += 12 * 1024) await unread(between);
}, 30_000);

describe("an upstream", () => {
  test("that cannot be reached in time is 503 behind its last attempt, and the client may go on", async () => {
    await using deaf = await startDeafPort();
    await using hop = await startPlane(deaf.port);
    await using client = await connect(hop.port);
    await client.send("GET /deaf HTTP/1.1\r\nHost: a\r\n\r\n");
    await eventually(() => hop.active === 1);

    // Three attempts, each with a deadline of its own.
    for (let i = 0; i < 3; i++) {
      expect(client.connection.unread).toHaveLength(0);
      hop.skip(CONNECT_MS + SLOT_MS);
      await Bun.sleep(0);
    }

    const response = await client.response();
    expect([response.status, response.get("connection")]).toEqual([503, null]);
    expect(await hop.line(client)).toMatchObject({ response_code: 503, response_flags: "UF", attempts: 3 });
  });

  test("that refuses connections is 503 at once", async () => {
    await using hop = await startPlane(1);
    await using client = await connect(hop.port);

    expect((await client.get("/refused")).status).toBe(503);

    expect(await hop.line(client)).toMatchObject({ response_code: 503, response_flags: "UF" });
    expect((await hop.line(client))["response_code_details"]).toContain("ECONNREFUSED");
  });

  test("whose client leaves while it is dialled is not dialled for nobody", async () => {
    await using deaf = await startDeafPort();
    await using hop = await startPlane(deaf.port);
    await using client = await connect(hop.port);
    await client.send("GET /deaf HTTP/1.1\r\nHost: a\r\n\r\n");
    await eventually(() => hop.active === 1);

    client.connection.reset();

    await eventually(() => hop.active === 0);
    expect(await hop.line(client)).toMatchObject({ response_code: 0, response_flags: "DC" });
    hop.skip(CONNECT_MS + SLOT_MS);
    expect(hop.warnings).toEqual([]);
  });
});

async function served(script: Script): Promise<Client> {
  setUp.backend.script = script;
  return await connect(setUp.hop.port);
}

/** Has a response of this size stuck at a client that does not read; whether it did not fit into the kernel. */
async function unread(size: number): Promise<boolean> {
  const target = `/unread/${size}`;
  await using client = await served(async (_, to) => {
    await to.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`);
    await to.write(Buffer.alloc(size, "x"));
  });
  client.connection.pause();
  await client.send(`GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`);
  await arrived(target);
  await settled();
  const isStuck = setUp.hop.active === 1;
  // Once for what is upstream still, once for what is left here.
  for (let i = 0; i < 3; i++) {
    setUp.hop.skip(IDLE_MS + SLOT_MS);
    await settled();
  }
  await eventually(() => setUp.hop.active === 0, 1_000);
  return isStuck;
}

async function arrived(target: string): Promise<void> {
  await eventually(() => setUp.backend.requests.at(-1)?.target === target);
}

/** Connection of the request that came last. */
function lastConnection() {
  return setUp.backend.connections[setUp.backend.requests.at(-1)!.connection]!;
}

async function clientIsFine(client: Client) {
  setUp.backend.script = ok("fine");
  return await client.get("/fine");
}

/** What was sent before has been read by the proxy: it has answered a request that was sent behind it. */
async function settled(): Promise<void> {
  for (let i = 0; i < 3; i++) {
    await using other = await connect(setUp.hop.port);
    await other.send("no/request at all\r\n\r\n");
    await other.response();
  }
}
