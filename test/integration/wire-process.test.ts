import { afterAll, beforeAll, expect, test } from "bun:test";
import { type Backend, ok, type Script, startBackend } from "../harness/backend.ts";
import { type Client, connect } from "../harness/client.ts";
import { eventually } from "../harness/eventually.ts";
import { type ProcessHop, startProcessHop } from "../harness/process-hop.ts";

const MB = 1024 * 1024;
const READERS = 8;
/** More than the kernels' buffers hold on the way. */
const BULK = 128 * MB;
/** What they may cost the proxy together: a fraction of a percent of what is on its way. */
const GROWTH = 40 * MB;

const setUp = {} as { backend: Backend; hop: ProcessHop };

beforeAll(async () => {
  setUp.backend = await startBackend();
  setUp.hop = await startProcessHop(setUp.backend.port);
});

afterAll(async () => {
  await setUp.hop?.[Symbol.asyncDispose]();
  await setUp.backend?.[Symbol.asyncDispose]();
});

test("readers that stop reading cost a proxy next to nothing, however much is on its way to them", async () => {
  const sent = { bytes: 0 };
  await warmUp();
  const before = await setUp.hop.memory();
  setUp.backend.script = endless(sent);
  const clients: Client[] = [];
  for (let i = 0; i < READERS; i++) {
    const client = await connect(setUp.hop.port);
    client.connection.pause();
    await client.send("GET /bulk HTTP/1.1\r\nHost: a\r\n\r\n");
    clients.push(client);
  }
  await standsStill(sent);

  const grown = (await setUp.hop.memory()) - before;

  expect(sent.bytes).toBeLessThan(READERS * BULK);
  expect(grown).toBeLessThan(GROWTH);
  for (const client of clients) client.connection.reset();
  await eventually(async () => (await setUp.hop.metric("mesh_connections_open")) === 0);
}, 60_000);

test("writers to an upstream that does not read cost a proxy next to nothing", async () => {
  const sent = { bytes: 0 };
  await warmUp();
  const before = await setUp.hop.memory();
  setUp.backend.script = async (_, to) => {
    to.pause();
    await to.ended;
  };
  const clients: Client[] = [];
  for (let i = 0; i < READERS; i++) {
    const client = await connect(setUp.hop.port);
    await client.send(`PUT /bulk HTTP/1.1\r\nHost: a\r\nContent-Length: ${BULK}\r\n\r\n`);
    void pour(client.connection, sent);
    clients.push(client);
  }
  await standsStill(sent);

  expect(sent.bytes).toBeLessThan(READERS * BULK);
  expect((await setUp.hop.memory()) - before).toBeLessThan(GROWTH);
  for (const client of clients) client.connection.reset();
  await eventually(async () => (await setUp.hop.metric("mesh_connections_open")) === 0);
}, 60_000);

test("a refusal is a status, a line of the access log with flag and reason, and a metric", async () => {
  await using client = await connect(setUp.hop.port);
  const flags = { response_code: "400", response_flags: "DPE" };
  const before = await setUp.hop.metric("istio_requests_total", flags);

  await client.send("GET /smuggle HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n");

  expect((await client.response()).status).toBe(400);
  expect(await setUp.hop.line(client)).toMatchObject({
    listener: "web",
    path: "/smuggle",
    response_code: 400,
    response_flags: "DPE",
    response_code_details: "Cannot take the request: Content-Length together with Transfer-Encoding",
  });
  await eventually(async () => (await setUp.hop.metric("istio_requests_total", flags)) === before + 1);
});

test("five hundred connections that never finish a head do not keep others waiting", async () => {
  setUp.backend.script = ok("quick");
  const slow: Client[] = [];
  for (let i = 0; i < 500; i++) slow.push(await connect(setUp.hop.port));
  await Promise.all(slow.map((client) => client.send("GET / HTTP/1.1\r\nHost: a\r\nX-")));

  await using quick = await connect(setUp.hop.port);
  for (let i = 0; i < 50; i++) expect((await quick.get(`/quick/${i}`)).text).toBe("quick");

  const statuses = await Promise.all(
    slow.map(async (client) => {
      // The deadline is ten seconds of the proxy's own time.
      await eventually(() => client.connection.unread.length > 0, 20_000);
      return (await client.response()).status;
    }),
  );
  expect(statuses.filter((status) => status !== 408)).toEqual([]);
  for (const client of slow) client.connection.close();
  expect((await quick.get("/quick/still")).text).toBe("quick");
}, 60_000);

test("more connections than descriptors are refused, those below the limit are served, and then all are again", async () => {
  const descriptors = 256;
  setUp.backend.script = ok("served");
  await using hop = await startProcessHop(setUp.backend.port, { descriptors });
  await using first = await connect(hop.port);
  expect((await first.get("/first")).text).toBe("served");

  const clients: Client[] = [];
  // One that is reset at once may not even get to say that it is connected.
  for (let i = 0; i < 2 * descriptors; i++)
    await connect(hop.port).then(
      (client) => clients.push(client),
      () => {},
    );
  const answers = await Promise.all(
    clients.map((client) =>
      client.get("/crowd").then(
        ({ status }) => status,
        () => 0,
      ),
    ),
  );

  const served = answers.filter((status) => status === 200).length;
  expect(served).toBeGreaterThan(descriptors / 8);
  expect(served).toBeLessThan(descriptors / 2);
  expect(answers.filter((status) => status !== 200 && status !== 0)).toEqual([]);
  expect((await first.get("/first/again")).text).toBe("served");
  for (const client of clients) client.connection.reset();
  await eventually(async () => (await hop.metric("mesh_connections_open")) === 1);
  await using last = await connect(hop.port);
  expect((await last.get("/last")).text).toBe("served");
}, 60_000);

/** What a proxy that has worked before needs anyway: code and buffers. */
async function warmUp(): Promise<void> {
  setUp.backend.script = ok("x".repeat(MB));
  await using client = await connect(setUp.hop.port);
  for (let i = 0; i < 50; i++) await client.get("/warm");
}

function endless(sent: { bytes: number }): Script {
  return async (_, to) => {
    await to.write(`HTTP/1.1 200 OK\r\nContent-Length: ${BULK}\r\n\r\n`);
    await pour(to, sent);
  };
}

async function pour(to: Pick<Client["connection"], "write" | "isOpen">, sent: { bytes: number }): Promise<void> {
  const part = Buffer.alloc(64 * 1024, "x");
  for (let n = 0; n < BULK && to.isOpen; n += part.length) {
    await to.write(part);
    sent.bytes += part.length;
  }
}

/** Waits until a counter has not moved for a while: all senders are blocked. */
async function standsStill(sent: { bytes: number }): Promise<void> {
  let last = -1;
  let quiet = 0;
  await eventually(async () => {
    quiet = sent.bytes === last ? quiet + 1 : 0;
    last = sent.bytes;
    return quiet >= 60;
  }, 20_000);
}
