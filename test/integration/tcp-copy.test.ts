import { afterEach, beforeEach, expect, test } from "bun:test";
import { type Accepting, startAccepting } from "../harness/accepted.ts";
import type { Client } from "../harness/client.ts";
import { type Connection, open } from "../harness/connection.ts";
import { eventually } from "../harness/eventually.ts";
import { type Plane, startPlane } from "../harness/plane.ts";
import { hashOf, pour } from "../harness/pour.ts";

const MB = 1024 * 1024;
const IDLE_MS = 3_600_000;

const setUp = {} as { backend: Accepting; hop: Plane };

beforeEach(async () => {
  setUp.backend = await startAccepting();
  setUp.hop = await startPlane(setUp.backend.port, { appProtocol: "tcp" });
});

afterEach(async () => {
  await eventually(() => setUp.hop.active === 0);
  expect(setUp.hop.warnings.filter((line) => line.includes('"bug"'))).toEqual([]);
  await setUp.hop[Symbol.asyncDispose]();
  await setUp.backend[Symbol.asyncDispose]();
});

test("a server that speaks first is heard before the client says a word", async () => {
  await using client = await caller();
  const upstream = await setUp.backend.next();

  await upstream.write("220 ready\r\n");

  expect((await client.exactly("a greeting", 11)).toString()).toBe("220 ready\r\n");
});

test("bytes go both ways as they are, and are recorded once, at the end", async () => {
  const { hop, backend } = setUp;
  await using client = await caller();
  const upstream = await backend.next();

  await client.write("\0\x16GET / HTTP/1.1\r\n\r\n");
  expect((await upstream.exactly("a question", 20)).latin1Slice()).toBe("\0\x16GET / HTTP/1.1\r\n\r\n");
  await upstream.write("answer");
  await client.exactly("an answer", 6);
  expect(await hop.metric("istio_tcp_connections_opened_total")).toBe(1);
  expect(await hop.metric("istio_tcp_connections_closed_total")).toBe(0);
  client.shutdown();
  upstream.shutdown();

  expect(await lineOf(client)).toMatchObject({
    protocol: "TCP",
    direction: "outbound",
    response_flags: "-",
    response_code_details: null,
    bytes_received: 20,
    bytes_sent: 6,
    upstream_host: `127.0.0.1:${backend.port}`,
    upstream_cluster: "default/web:80",
    route_name: "Service/default/web",
    attempts: 1,
    revision: "r1",
  });
  const labels = { response_flags: "-", request_protocol: "tcp", destination_service_name: "web" };
  expect(await hop.metric("istio_tcp_connections_closed_total", labels)).toBe(1);
  expect(await hop.metric("istio_tcp_received_bytes_total", labels)).toBe(20);
  expect(await hop.metric("istio_tcp_sent_bytes_total", labels)).toBe(6);
});

test("a client that has said all still hears the answer, and the other way round", async () => {
  await using client = await caller();
  const upstream = await setUp.backend.next();

  await client.write("all I have");
  client.shutdown();
  expect((await upstream.rest("the question")).toString()).toBe("all I have");
  await upstream.write("late answer");
  upstream.shutdown();

  expect((await client.rest("the answer")).toString()).toBe("late answer");
});

test("a server that has said all still hears the client", async () => {
  await using client = await caller();
  const upstream = await setUp.backend.next();

  await upstream.write("bye");
  upstream.shutdown();
  expect((await client.rest("the end")).toString()).toBe("bye");
  await client.write("last words");
  client.shutdown();

  expect((await upstream.rest("the last words")).toString()).toBe("last words");
});

test("what a client says and ends before the upstream is there arrives", async () => {
  await using client = await caller();
  await client.write("early");
  client.shutdown();

  const upstream = await setUp.backend.next();
  expect((await upstream.rest("the early bytes")).toString()).toBe("early");
  upstream.shutdown();
});

test("a reset of the server is a reset for the client, and told with its flag", async () => {
  const { hop, backend } = setUp;
  await using client = await caller();
  const upstream = await backend.next();
  await upstream.write("half an ans");
  await client.exactly("the beginning", 11);

  upstream.reset();

  expect(await client.ended).toBe("reset");
  expect(await lineOf(client)).toMatchObject({ response_flags: "UC", bytes_sent: 11 });
  expect(await hop.metric("mesh_refusals_total", { reason: "UC" })).toBe(1);
});

test("a reset of the client is a reset for the server", async () => {
  await using client = await caller();
  const upstream = await setUp.backend.next();
  await client.write("half a que");
  await upstream.exactly("the beginning", 10);

  client.reset();

  expect(await upstream.ended).toBe("reset");
  expect(await lineOf(client)).toMatchObject({ response_flags: "DC", bytes_received: 10 });
});

test("a slow reader stops the server, and the proxy holds little meanwhile", async () => {
  await using client = await caller();
  const upstream = await setUp.backend.next();
  client.pause();
  Bun.gc(true);
  const before = process.memoryUsage().rss;
  const piece = Buffer.alloc(MB, 1);
  let written = 0;
  let taken = 1;
  while (taken > 0) {
    await eventually(() => {
      taken = upstream.socket.write(piece);
      written += taken;
      return true;
    });
    await settled();
  }

  // What the kernels of four sockets hold, and one piece.
  expect(written).toBeLessThan(32 * MB);
  expect(process.memoryUsage().rss - before).toBeLessThan(48 * MB);
  client.resume();
  upstream.shutdown();
  let read = 0;
  for (let bytes = await client.some("the rest"); bytes.length > 0; bytes = await client.some("the rest"))
    read += bytes.length;
  expect(read).toBe(written);
  client.shutdown();
});

test("100 MB go up and 100 MB come down at once, and are the same", async () => {
  await using client = await caller();
  const upstream = await setUp.backend.next();

  const [up, atServer, down, atClient] = await Promise.all([
    pour(client, 1, 100),
    hashOf(upstream),
    pour(upstream, 2, 100),
    hashOf(client),
  ]);

  expect([atServer, atClient]).toEqual([up, down]);
  expect(await lineOf(client)).toMatchObject({ bytes_received: 100 * MB, bytes_sent: 100 * MB });
}, 60_000);

test("a connection on which nothing moves is reset at its idle deadline", async () => {
  await using client = await caller();
  const upstream = await setUp.backend.next();

  setUp.hop.skip(IDLE_MS + 1_000);

  expect(await Promise.all([client.ended, upstream.ended])).toEqual(["reset", "reset"]);
  expect(await lineOf(client)).toMatchObject({ response_flags: "SI" });
});

test("without anybody behind it, a connection is reset, with the reason in the record", async () => {
  await setUp.backend[Symbol.asyncDispose]();
  await using client = await caller();

  expect(await client.ended).toBe("reset");
  const line = await lineOf(client);
  expect(line).toMatchObject({ response_flags: "UF", attempts: 3 });
  expect(line["response_code_details"]).toContain("ECONNREFUSED");
});

/** Ports of the clients: a socket that is closed knows its own no more. */
const ports = new WeakMap<Connection, number>();

async function caller(): Promise<Connection> {
  const client = await open(setUp.hop.port);
  ports.set(client, client.socket.localPort);
  return client;
}

function lineOf(client: Connection) {
  return setUp.hop.line({ port: ports.get(client) } as Client);
}

/** Lets the events that are under way come through. */
async function settled(): Promise<void> {
  for (let i = 0; i < 20; i++) await Bun.sleep(0);
}
