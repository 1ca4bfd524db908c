import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { type Certificates, certificates, type IdentityFiles } from "../../test/harness/certificates.ts";
import { open } from "../../test/harness/connection.ts";
import { eventually } from "../../test/harness/eventually.ts";
import { type FakeClock, fakeClock } from "../../test/harness/fake-clock.ts";
import { Deadlines } from "../base/mod.ts";
import { assertFree } from "./assert-free.ts";
import { listenDatagrams } from "./datagrams.ts";
import { type ConnectionLimit, type Listener, ListenFailed, type ListenOptions, listen } from "./listen.ts";
import type { ConnectionFacts, Wire, WireOwner } from "./wire.ts";

const HANDSHAKE_MS = 10_000;
const SILENT_MS = 2_000;
const IDENTITY = "spiffe://example.org/ns/default/sa/web";

const made = {} as { authority: Certificates; own: IdentityFiles; stranger: IdentityFiles };

beforeAll(async () => {
  made.authority = await certificates();
  made.own = await made.authority.issue(IDENTITY);
  await using other = await certificates();
  made.stranger = await other.issue(IDENTITY);
});

afterAll(() => made.authority[Symbol.asyncDispose]());

interface SetUp {
  clock: FakeClock;
  limit: ConnectionLimit;
  accepted: { facts: ConnectionFacts; wire: Wire; text: string; ended: boolean; closed: boolean[] }[];
  refused: string[];
  bugs: unknown[];
  listeners: Listener[];
}
const setUp = {} as SetUp;

beforeEach(() => {
  const clock = fakeClock();
  Object.assign(setUp, { clock, limit: { open: 0, max: 100 }, accepted: [], refused: [], bugs: [], listeners: [] });
});

afterEach(async () => {
  for (const listener of setUp.listeners) listener.stop();
  // Whatever became of a connection, it is counted out again.
  await eventually(() => setUp.limit.open === 0);
  expect(setUp.bugs).toEqual([]);
});

describe("a plain listener", () => {
  test("hands a connection to the codec with what is known of it, and its events with it", async () => {
    const { port } = listening("plain");

    await using client = await open(port);
    await client.write("hello");
    client.shutdown();

    await eventually(() => setUp.accepted[0]?.ended === true);
    const [{ facts, text }] = setUp.accepted as [SetUp["accepted"][0]];
    expect(text).toBe("hello");
    expect(facts).toMatchObject({
      listener: "web",
      direction: "inbound",
      remoteHost: "127.0.0.1",
      localAddress: `127.0.0.1:${port}`,
      peer: null,
      secure: false,
    });
  });

  test("resets connections above the limit, counts them, and takes others when there is room again", async () => {
    const { port } = listening("plain", { limit: { open: 0, max: 1 } });
    await using first = await open(port);
    await eventually(() => setUp.accepted.length === 1);

    await using second = await open(port);
    expect(await second.ended).toBe("reset");
    first.reset();
    await eventually(() => setUp.limit.open === 0);
    await using third = await open(port);
    await eventually(() => setUp.accepted.length === 2);

    expect(setUp.refused).toEqual(["too many connections"]);
    expect(third.isOpen).toBe(true);
  });

  test("ends a connection whose codec throws, and says so", async () => {
    const { port } = listening("plain", {
      accept: () => {
        throw new Error("a codec that does not begin");
      },
    });

    await using client = await open(port);

    expect(await client.ended).toBe("reset");
    expect(setUp.bugs.splice(0)).toHaveLength(1);
  });
});

describe("a listener that takes both", () => {
  test("knows TLS by its first byte, and plaintext by any other", async () => {
    const { port } = listening("sniff");

    await using plain = await open(port);
    await plain.write("GET /");
    await using secured = await open({ port, tls: asClient(made.own) });
    await secured.write("GET /secret");

    await eventually(() => setUp.accepted.map(({ text }) => text).join() === "GET /,GET /secret");
    expect(setUp.accepted.map(({ facts }) => [facts.secure, facts.peer])).toEqual([
      [false, null],
      [true, IDENTITY],
    ]);
  });

  test("waits for the first byte no longer than for a handshake", async () => {
    const { port } = listening("sniff");
    await using client = await open(port);
    await eventually(() => setUp.limit.open === 1);

    setUp.clock.advance(HANDSHAKE_MS + 250);

    expect(await client.ended).toBe("reset");
    expect(setUp.refused).toEqual(["handshake deadline"]);
  });
});

describe("a listener that takes both, before an app that may speak first", () => {
  test("takes a client for plaintext that says nothing for two seconds, and hears it later", async () => {
    const { port } = listening("sniff", { speaksFirst: () => true });
    await using client = await open(port);
    await eventually(() => setUp.limit.open === 1);
    expect(setUp.accepted).toEqual([]);

    setUp.clock.advance(SILENT_MS + 250);
    await client.write("\x16later");

    await eventually(() => setUp.accepted[0]?.text === "\x16later");
    expect(setUp.accepted[0]!.facts.secure).toBe(false);
    expect(setUp.refused).toEqual([]);
  });

  test("gives a client that has begun TLS its time for the handshake", async () => {
    const { port } = listening("sniff", { speaksFirst: () => true });
    await using client = await open(port);
    await client.write("\x16");
    await settled(client);

    setUp.clock.advance(SILENT_MS + 250);
    expect(setUp.refused).toEqual([]);
    setUp.clock.advance(HANDSHAKE_MS);

    await client.ended;
    expect(setUp.refused).toEqual(["handshake deadline"]);
    expect(setUp.accepted.filter(({ text }) => text !== "")).toEqual([]);
  });
});

describe("a TLS listener", () => {
  test("hands over no byte of plaintext", async () => {
    const { port } = listening("tls");

    await using client = await open(port);
    await client.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await client.ended;

    expect(setUp.accepted).toEqual([]);
    await eventually(() => setUp.refused.length === 1);
    expect(setUp.refused[0]).toContain("handshake failed");
  });

  test("of the edge, which asks for no certificate, hands over nothing either", async () => {
    const { port } = listening("tls", { tls: serverTls({ verifies: false, requirePeer: false }) });

    await using client = await open(port);
    await client.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await client.ended;

    await eventually(() => setUp.refused.length === 1);
    expect(setUp.accepted).toEqual([]);
  });

  test("of the edge serves whom it knows nothing of", async () => {
    const { port } = listening("tls", { tls: serverTls({ verifies: false, requirePeer: false }) });

    await using client = await open({ port, tls: { rejectUnauthorized: false } });
    await client.write("hello");

    await eventually(() => setUp.accepted[0]?.text === "hello");
    expect(setUp.accepted[0]!.facts).toMatchObject({ peer: null, secure: true });
  });

  test("ends a handshake that does not, once, and forgets it", async () => {
    const { port } = listening("tls");
    await using client = await open(port);
    await eventually(() => setUp.limit.open === 1);

    setUp.clock.advance(HANDSHAKE_MS + 250);

    await client.ended;
    await eventually(() => setUp.limit.open === 0);
    setUp.clock.advance(HANDSHAKE_MS);
    expect([setUp.refused, setUp.clock.pending]).toEqual([["handshake deadline"], 0]);
  });

  test("forgets a client that leaves in the middle, and refuses nobody for it later", async () => {
    const { port } = listening("tls");
    await using client = await open(port);
    await eventually(() => setUp.limit.open === 1);

    client.reset();

    await eventually(() => setUp.limit.open === 0);
    const before = setUp.refused.length;
    setUp.clock.advance(HANDSHAKE_MS * 2);
    expect(setUp.refused.length).toBe(before);
    expect(setUp.accepted).toEqual([]);
  });

  test("refuses who shows a certificate of another authority, or none", async () => {
    const { port } = listening("tls");

    for (const tls of [asClient(made.stranger), { rejectUnauthorized: false }]) {
      await using client = await open({ port, tls }).catch(() => null);
      await client?.ended;
    }

    await eventually(() => setUp.refused.length === 2);
    expect(setUp.refused.every((reason) => reason.startsWith("handshake failed"))).toBe(true);
    expect(setUp.accepted).toEqual([]);
  });

  test("refuses who proves no identity of the mesh, before a byte of theirs is read", async () => {
    const { port } = listening("tls", { tls: serverTls({ peer: null }) });

    await using client = await open({ port, tls: asClient(made.own) }).catch(() => null);
    await client?.write("GET /");
    await client?.ended;

    await eventually(() => setUp.refused.length === 1);
    expect(setUp.refused).toEqual(["peer certificate names no SPIFFE ID of this mesh"]);
    expect(setUp.accepted).toEqual([]);
  });

  test("refuses everybody while it has no certificate itself", async () => {
    const { port } = listening("tls", { tls: { ...serverTls(), options: () => null } });

    await using client = await open(port);

    expect(await client.ended).toBe("reset");
    expect(setUp.refused).toEqual(["no certificate yet"]);
  });

  test("whose certificate cannot be used refuses at once, and reports it", async () => {
    const { port } = listening("tls", { tls: { ...serverTls(), options: () => ({ cert: "none", key: "none" }) } });

    await using client = await open(port);

    await client.ended;
    expect(setUp.bugs.splice(0)).toHaveLength(1);
    expect(setUp.accepted).toEqual([]);
  });

  test("counts a connection out when it is over, whoever ends it", async () => {
    const { port } = listening("tls");
    for (const end of ["client", "client reset", "wire", "wire reset"] as const) {
      await using client = await open({ port, tls: asClient(made.own) });
      await eventually(() => setUp.accepted.at(-1)?.closed.length === 0);
      const { wire } = setUp.accepted.at(-1)!;

      if (end === "client") client.close();
      else if (end === "client reset") client.reset();
      else if (end === "wire reset") wire.terminate();
      else {
        wire.end();
        // TLS is over when both have said so.
        await client.ended;
        client.close();
      }

      await eventually(() => setUp.limit.open === 0);
      expect(setUp.accepted.at(-1)!.closed).toHaveLength(1);
    }
  });
});

describe("an address that is taken", () => {
  test("is told with what to do", () => {
    const { port } = listening("plain");

    expect(() => listening("plain", { port })).toThrow(ListenFailed);
    expect(() => listening("plain", { port })).toThrow(
      `Cannot listen on 127.0.0.1:${port} for "web": the port is taken; choose another address, or port 0 for a free one`,
    );
  });

  test("is not shared with a stranger for datagrams either", () => {
    const shared = { name: "dns", hostname: "127.0.0.1", reusePort: true, received() {}, bug() {} };
    const { port, stop } = listenDatagrams({ ...shared, port: 0 });

    expect(() => assertFree({ name: "dns", hostname: "127.0.0.1", port, datagrams: true })).toThrow(ListenFailed);
    const second = listenDatagrams({ ...shared, port });
    second.stop();
    stop();
    expect(() => assertFree({ name: "dns", hostname: "127.0.0.1", port, datagrams: true })).not.toThrow();
  });

  test("is not shared with a stranger, though the kernel would", () => {
    const { port } = listening("plain", { reusePort: true });

    expect(() => assertFree({ name: "web", hostname: "127.0.0.1", port })).toThrow(ListenFailed);
  });
});

/** What the client has said has come: a connection behind it is accepted. */
async function settled(client: { readonly isOpen: boolean }): Promise<void> {
  const before = setUp.limit.open;
  await using other = await open(setUp.listeners.at(-1)!.port);
  await eventually(() => setUp.limit.open === before + 1 && other.isOpen && client.isOpen);
}

function listening(transport: ListenOptions["transport"], options: Partial<ListenOptions> = {}): Listener {
  if (options.limit !== undefined) setUp.limit = options.limit;
  const listener = listen({
    name: "web",
    direction: "inbound",
    hostname: "127.0.0.1",
    port: 0,
    reusePort: false,
    transport,
    tls: transport === "plain" ? null : serverTls(),
    limit: setUp.limit,
    deadlines: new Deadlines(setUp.clock),
    flush() {},
    handshakeTimeoutMs: HANDSHAKE_MS,
    accept,
    refused: (reason) => setUp.refused.push(reason),
    bug: (error) => setUp.bugs.push(error),
    ...options,
  });
  setUp.listeners.push(listener);
  return listener;
}

function accept(wire: Wire, facts: ConnectionFacts): WireOwner {
  const one = { facts, wire, text: "", ended: false, closed: [] as boolean[] };
  setUp.accepted.push(one);
  return {
    received(bytes) {
      one.text += bytes.toString();
    },
    writable() {},
    peerEnded() {
      one.ended = true;
      wire.end();
    },
    closed: (isBroken) => void one.closed.push(isBroken),
  };
}

function serverTls({ peer = IDENTITY as string | null, verifies = true, requirePeer = true } = {}) {
  const { certificate: cert, privateKey: key, bundle: ca } = made.own;
  const options = verifies ? { cert, key, ca, requestCert: true, rejectUnauthorized: true } : { cert, key };
  return { options: () => options, peer: () => (verifies ? peer : null), requirePeer, verifiesPeer: () => verifies };
}

function asClient({ certificate: cert, privateKey: key, bundle: ca }: IdentityFiles) {
  return { cert, key, ca, rejectUnauthorized: false };
}
