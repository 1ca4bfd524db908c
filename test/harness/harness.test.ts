import { expect, test } from "bun:test";
import * as scripts from "./backend.ts";
import {
  CutShort,
  certificates,
  connect,
  lacking,
  networkNamespace,
  open,
  request,
  startBackend,
  temporaryFolder,
  testUnless,
  withoutNamespaces,
} from "./mod.ts";

test("a backend answers requests one after the other on one connection, and keeps them", async () => {
  await using backend = await startBackend(scripts.echo());
  await using client = await connect(backend.port);

  const first = await client.request({ method: "POST", target: "/a?b", body: "one" });
  const second = await client.get("/c", [["X-Tag", "t"]]);

  expect([first.text, second.text]).toEqual(["one", ""]);
  expect(backend.requests.map(({ method, target, connection }) => [method, target, connection])).toEqual([
    ["POST", "/a?b", 0],
    ["GET", "/c", 0],
  ]);
  expect(backend.requests[1]!.fields).toEqual([
    ["Host", "test"],
    ["X-Tag", "t"],
  ]);
});

test("a backend answers pipelined requests in order", async () => {
  await using backend = await startBackend((to, connection) => scripts.ok(to.target)(to, connection));
  await using client = await connect(backend.port);

  await client.send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n");

  expect([(await client.response()).text, (await client.response()).text]).toEqual(["/1", "/2"]);
});

test("a chunked answer comes whole with its trailers, and HEAD brings none of it", async () => {
  await using backend = await startBackend(scripts.chunked(["ab", "", "cde"], [["X-Sum", "5"]]));

  const { body } = await request(backend.port);

  expect(body.bytes.toString()).toBe("abcde");
  expect(body.framing).toBe("chunked");
  expect(body.trailers).toEqual([["X-Sum", "5"]]);
});

test("informational responses come before the answer, and are told apart", async () => {
  await using backend = await startBackend(scripts.informational(103, [["Link", "</x>"]], scripts.ok("done")));

  const response = await request(backend.port);

  expect(response.text).toBe("done");
  expect(response.informational.map(({ status }) => status)).toEqual([103]);
});

test("a body that ends with the connection is read to its end", async () => {
  await using backend = await startBackend(scripts.untilClose("all of it"));

  expect((await request(backend.port)).body).toMatchObject({ framing: "close", bytes: Buffer.from("all of it") });
});

test.each([
  ["shorter than promised", scripts.truncated("half", 8), "fin"],
  ["chunked without an end", scripts.truncatedChunked(["half"]), "fin"],
  ["reset in its middle", scripts.reset("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf"), "reset"],
  ["reset before it began", scripts.reset(), "reset"],
  ["never given", scripts.hangUp(), "fin"],
] as const)("an answer %s does not pass for a whole one", async (_, script, ending) => {
  await using backend = await startBackend(script);

  const error = await request(backend.port).catch((thrown: unknown) => thrown);

  expect(error).toBeInstanceOf(CutShort);
  expect((error as CutShort).ending).toBe(ending);
});

test("an answer that comes byte by byte is the same answer", async () => {
  await using backend = await startBackend(scripts.dribble("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));

  expect((await request(backend.port)).text).toBe("ok");
});

test("a backend closes after as many answers as it was told", async () => {
  await using backend = await startBackend(scripts.closingAfter(2, scripts.ok("x")));
  await using client = await connect(backend.port);

  await client.get("/");
  await client.get("/");

  expect(await client.ended).toBe("fin");
});

test("a tunnel gives back every byte", async () => {
  await using backend = await startBackend(scripts.tunnel("echo"));
  await using client = await connect(backend.port);

  const { status } = await client.request({
    fields: [
      ["Connection", "upgrade"],
      ["Upgrade", "echo"],
    ],
  });
  await client.send("\x00ping");

  expect(status).toBe(101);
  expect((await client.connection.exactly("the echo", 5)).toString()).toBe("\x00ping");
});

test("a client refuses a response whose lines end in a bare line feed", async () => {
  await using backend = await startBackend(scripts.raw("HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n"));

  await expect(request(backend.port)).rejects.toThrow("Cannot read a message");
});

test("a large body crosses a connection that both sides read slowly", async () => {
  await using backend = await startBackend(scripts.echo());
  const body = crypto.getRandomValues(Buffer.alloc(60_000));
  const big = Buffer.concat(Array.from({ length: 50 }, () => body));

  const response = await request(backend.port, { method: "PUT", body: big });

  expect(response.body.bytes.equals(big)).toBe(true);
});

testUnless(lacking({ programs: ["openssl"] }))("two authorities do not trust each other", async () => {
  await using ours = await certificates();
  await using theirs = await certificates();
  const server = await ours.issue("spiffe://test/ns/a/sa/server");
  const friend = await ours.issue("spiffe://test/ns/a/sa/friend");
  const stranger = await theirs.issue("spiffe://test/ns/a/sa/friend");
  const late = await ours.issue("spiffe://test/ns/a/sa/late", -5);
  const tls = { cert: server.certificate, key: server.privateKey, ca: server.bundle };
  await using backend = await startBackend(scripts.ok("in"), { ...tls, requestCert: true, rejectUnauthorized: true });
  const as = ({ certificate, privateKey }: typeof friend) => ({
    port: backend.port,
    tls: { cert: certificate, key: privateKey, ca: ours.bundle, rejectUnauthorized: false },
  });

  expect((await request(as(friend))).text).toBe("in");
  await expect(request(as(stranger))).rejects.toThrow();
  await expect(request(as(late))).rejects.toThrow();
  expect(backend.requests.length).toBe(1);
});

testUnless(await withoutNamespaces())("a namespace has a loopback of its own", async () => {
  await using backend = await startBackend();
  await using namespace = await networkNamespace();
  await using folder = temporaryFolder();

  expect(await namespace.run("ip", "-o", "link", "show", "up")).toContain("lo:");
  await expect(namespace.run("curl", "-sf", `http://${backend.address}/`, "-o", `${folder.path}/x`)).rejects.toThrow();
  await using there = await open(backend.port);
  expect(there.isOpen).toBe(true);
});
