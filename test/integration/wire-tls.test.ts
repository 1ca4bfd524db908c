import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { type Backend, ok, startBackend } from "../harness/backend.ts";
import { type Certificates, certificates, type IdentityFiles } from "../harness/certificates.ts";
import { type Client, connect } from "../harness/client.ts";
import { eventually } from "../harness/eventually.ts";
import { type Plane, startPlane } from "../harness/plane.ts";

const HANDSHAKE_MS = 10_000;
const SLOT_MS = 250;
/** The record of a ClientHello that says it is 512 bytes long, and is not. */
const HALF_HELLO = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";

const setUp = {} as { authority: Certificates; us: IdentityFiles; them: IdentityFiles; backend: Backend; hop: Plane };

beforeAll(async () => {
  setUp.authority = await certificates();
  setUp.us = await setUp.authority.issue("spiffe://cluster.local/ns/default/sa/web");
  setUp.them = await setUp.authority.issue("spiffe://cluster.local/ns/default/sa/client");
  setUp.backend = await startBackend(ok("secret"));
  setUp.hop = await startPlane(setUp.backend.port, { identity: setUp.us });
});

afterEach(async () => {
  await eventually(() => setUp.hop.active === 0);
});

afterAll(async () => {
  await setUp.hop?.[Symbol.asyncDispose]();
  await setUp.backend?.[Symbol.asyncDispose]();
  await setUp.authority?.[Symbol.asyncDispose]();
});

test("a client with a certificate is served, and its identity is in the access log", async () => {
  await using client = await secure();

  expect((await client.get("/mtls")).text).toBe("secret");

  expect(await setUp.hop.line(client)).toMatchObject({
    source_principal: "spiffe://cluster.local/ns/default/sa/client",
  });
});

test.each([
  ["plaintext", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["half of a handshake, then something else", `${HALF_HELLO}${"x".repeat(600)}`],
  ["an old record", "\x80\x2e\x01\x00\x02"],
])("%s on a TLS port ends the connection, and nothing of it goes on", async (_, bytes) => {
  const seen = setUp.backend.requests.length;
  await using client = await connect(setUp.hop.port);

  await client.send(bytes);
  await client.ended;

  expect(client.connection.unread.includes("HTTP")).toBe(false);
  expect(setUp.backend.requests.length).toBe(seen);
});

test("a handshake that never begins, or never ends, costs its connection at the deadline", async () => {
  const reason = { reason: "handshake deadline" };
  const before = await setUp.hop.metric("mesh_handshakes_failed_total", reason);
  await using silent = await connect(setUp.hop.port);
  await using half = await connect(setUp.hop.port);
  await half.send(HALF_HELLO);
  await settled();
  setUp.hop.skip(HANDSHAKE_MS - 1_000);
  await settled();
  expect([silent.connection.isOpen, half.connection.isOpen]).toEqual([true, true]);

  setUp.hop.skip(1_000 + SLOT_MS);

  await silent.ended;
  await half.ended;
  expect(await setUp.hop.metric("mesh_handshakes_failed_total", reason)).toBe(before + 2);
});

test("five hundred handshakes that never end go at their deadline, and cost others nothing", async () => {
  const slow: Client[] = [];
  for (let i = 0; i < 500; i++) slow.push(await connect(setUp.hop.port));
  await Promise.all(slow.map((client) => client.send(HALF_HELLO)));
  await using quick = await secure();
  for (let i = 0; i < 20; i++) expect((await quick.get("/quick")).text).toBe("secret");

  setUp.hop.skip(HANDSHAKE_MS + SLOT_MS);

  for (const client of slow) await client.ended;
  expect((await quick.get("/quick/still")).text).toBe("secret");
  await quick[Symbol.asyncDispose]();
  await eventually(async () => (await setUp.hop.metric("mesh_connections_open")) === 0);
}, 30_000);

test("a client that leaves in the middle of a handshake is forgotten", async () => {
  const clients: Client[] = [];
  for (let i = 0; i < 50; i++) clients.push(await connect(setUp.hop.port));
  await Promise.all(clients.map((client) => client.send(HALF_HELLO)));
  for (const [i, client] of clients.entries()) i % 2 === 0 ? client.connection.reset() : client.connection.close();
  for (const client of clients) await client.ended;

  setUp.hop.skip(HANDSHAKE_MS + SLOT_MS);

  await using after = await secure();
  expect((await after.get("/after")).status).toBe(200);
});

test("a response that ends with its connection, broken off, is reset and not closed", async () => {
  setUp.backend.script = async (_, to) => {
    await to.write("HTTP/1.1 200 OK\r\n\r\nhalf");
    to.reset();
  };
  await using client = await secure();

  await client.send("GET /cut HTTP/1.0\r\n\r\n");

  await expect(client.response()).rejects.toMatchObject({ ending: "reset" });
  setUp.backend.script = ok("secret");
});

async function secure(): Promise<Client> {
  const { certificate, privateKey, bundle } = setUp.them;
  return await connect({
    port: setUp.hop.port,
    tls: { cert: certificate, key: privateKey, ca: bundle, rejectUnauthorized: false },
  });
}

/** What was sent before has been read by the proxy: it has shaken another hand since. */
async function settled(): Promise<void> {
  await using other = await secure();
  await other.get("/settled");
}
