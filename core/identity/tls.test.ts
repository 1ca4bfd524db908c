import { expect, test } from "bun:test";
import type { Socket } from "bun";
import { eventually, fakeClock } from "../../test/harness/mod.ts";
import { type Clock, systemClock } from "../base/mod.ts";
import { createRoot, generateKey, type Issuer } from "./authority/certificates.ts";
import { type Authority, openAuthority } from "./authority/mod.ts";
import { keep, pemOf } from "./authority/signer.ts";
import { x509 } from "./authority/x509.ts";
import { createRequest } from "./csr.ts";
import type { Svid } from "./model.ts";
import { verifyClient, verifyServer } from "./peer.ts";
import { svidOf } from "./svid.ts";
import { alpn, anonymousTls, clientTls, edgeTls, joinableTls, serverTls, type TlsOptions } from "./tls.ts";

const CART = "spiffe://example.org/ns/shop/sa/cart";
const WEB = "spiffe://example.org/ns/shop/sa/web";
const DOMAINS = { trustDomain: "example.org", trustDomainAliases: ["old.example"] };
const PROTOCOLS = ["mesh/h1"];
const SERVER_NAME = "cart.shop";
const SECRET = "a request that must reach nobody else";

const authority = await openFor(systemClock);
// What it signs has expired; what it signs with has not.
const past = await openFor(fakeClock(systemClock.now() - 2 * 3_600_000));
const odd = await rootFor("example.org");
const foreign = await openFor(systemClock);
// All but the foreign one are believed, so that nothing but the named fault is the reason of a refusal.
const bundle = authority.bundle + past.bundle + pemOf(odd.certificate);
const cart = await svid(authority, CART);
const web = await svid(authority, WEB);

test("two workloads of one mesh know each other, and bytes flow both ways", async () => {
  await using server = serve(serverTls(cart, PROTOCOLS));

  const client = await dial(server.port, clientTls(web, PROTOCOLS, SERVER_NAME), CART);
  await eventually(() => client.received === "welcome");

  expect(client.refusal).toBeNull();
  expect(server.peers).toEqual([WEB]);
  expect(server.received).toBe(SECRET);
  expect([server.protocols, client.protocol]).toEqual([["mesh/h1"], "mesh/h1"]);
});

test("a server answers to each name of its trust domain", async () => {
  await using server = serve(serverTls(cart, PROTOCOLS));

  const alias = await dial(
    server.port,
    clientTls(web, PROTOCOLS, SERVER_NAME),
    CART.replace("example.org", "old.example"),
  );

  expect(alias.refusal).toBeNull();
});

test("a certificate that also has the dialled name is judged by its SPIFFE ID all the same", async () => {
  const named = await svid(authority, CART, SERVER_NAME);
  await using server = serve(serverTls(named, PROTOCOLS));

  const right = await dial(server.port, clientTls(web, PROTOCOLS, SERVER_NAME), CART);
  const wrong = await dial(server.port, clientTls(web, PROTOCOLS, SERVER_NAME), WEB);

  expect([right.refusal, wrong.refusal]).toEqual([null, `it is "${CART}", not "${WEB}"`]);
});

const impostors: readonly (readonly [string, () => Promise<Svid>, string])[] = [
  ["of another identity", async () => web, `it is "${WEB}", not "${CART}"`],
  ["of an authority we do not believe", () => svid(foreign, CART), "UNABLE_TO_GET_ISSUER_CERT_LOCALLY"],
  ["whose certificate has expired", () => svid(past, CART), "CERT_HAS_EXPIRED"],
  ["whose certificate has expired and names another identity", () => svid(past, WEB), "CERT_HAS_EXPIRED"],
  ["with two SPIFFE IDs", () => oddSvid([CART, WEB]), "its certificate holds no single SPIFFE ID"],
  ["with no SPIFFE ID", () => oddSvid([]), "its certificate holds no single SPIFFE ID"],
  ["with an authority's certificate", () => oddSvid([CART], true), "its certificate holds no single SPIFFE ID"],
];

for (const [who, impostor, reason] of impostors) {
  test(`a server ${who} is refused by the client, and gets no byte`, async () => {
    await using server = serve({ ...serverTls(await impostor(), PROTOCOLS), requestCert: false }, true);

    const client = await dial(server.port, clientTls(web, PROTOCOLS, SERVER_NAME), CART);
    await eventually(() => server.closed === 1);

    expect(client.refusal).toContain(reason);
    expect(server.received).toBe("");
  });
}

const strangers: readonly (readonly [string, () => Promise<Svid | null>])[] = [
  ["without a certificate", async () => null],
  ["of an authority we do not believe", () => svid(foreign, WEB)],
  ["whose certificate has expired", () => svid(past, WEB)],
  ["with two SPIFFE IDs", () => oddSvid([CART, WEB])],
  ["with no SPIFFE ID", () => oddSvid([])],
  ["with an authority's certificate", () => oddSvid([WEB], true)],
];

for (const [who, stranger] of strangers) {
  test(`a client ${who} is refused, and no byte that it sends is delivered`, async () => {
    const own = await stranger();
    await using server = serve(serverTls(cart, PROTOCOLS));

    const tls = own === null ? anonymousTls(null, PROTOCOLS, SERVER_NAME) : clientTls(own, PROTOCOLS, SERVER_NAME);
    await pushBytes(server.port, tls);
    await eventually(() => server.closed === 1);

    expect(server.peers).toEqual([null]);
    expect(server.received).toBe("");
  });
}

test("TLS itself refuses clients whose chain is bad: a handler that lets everybody in gets no byte", async () => {
  for (const own of [await svid(foreign, WEB), await svid(past, WEB), null]) {
    await using server = serve(serverTls(cart, PROTOCOLS), true);

    const tls = own === null ? anonymousTls(null, PROTOCOLS, SERVER_NAME) : clientTls(own, PROTOCOLS, SERVER_NAME);
    await pushBytes(server.port, tls);
    await eventually(() => server.closed === 1);

    expect(server.received).toBe("");
  }
});

test("plaintext to a server of the mesh is not delivered", async () => {
  await using server = serve(serverTls(cart, PROTOCOLS));

  await pushBytes(server.port, null);
  await eventually(() => server.closed === 1);

  expect([server.peers, server.received]).toEqual([[null], ""]);
});

test("a client that speaks another protocol, or only TLS 1.2, is refused", async () => {
  await using server = serve(serverTls(cart, PROTOCOLS));

  const other = await dial(server.port, clientTls(web, ["h9"], SERVER_NAME), CART);
  const old = { ...clientTls(web, PROTOCOLS, SERVER_NAME), minVersion: 0x0303, maxVersion: 0x0303 };
  const older = await dial(server.port, old, CART);

  expect([other.refusal, older.refusal]).toEqual([expect.any(String), expect.any(String)]);
  expect(server.received).toBe("");
});

test("a server that lets others join knows who is nobody, who is somebody, and who only claims to be", async () => {
  await using server = serve(joinableTls(cart, PROTOCOLS), true);

  await dial(server.port, anonymousTls(bundle, PROTOCOLS, SERVER_NAME), CART);
  await eventually(() => server.peers.length === 1);
  await dial(server.port, clientTls(web, PROTOCOLS, SERVER_NAME), CART);
  await eventually(() => server.peers.length === 2);
  await dial(server.port, clientTls(await svid(foreign, WEB), PROTOCOLS, SERVER_NAME), CART);
  await eventually(() => server.peers.length === 3);

  expect(server.peers).toEqual([null, WEB, null]);
});

test("an anonymous client verifies by the roots it was given, and by none it verifies nobody", async () => {
  await using server = serve(joinableTls(cart, PROTOCOLS), true);

  const pinned = await dial(server.port, anonymousTls(bundle, PROTOCOLS, SERVER_NAME), CART);
  const other = await dial(server.port, anonymousTls(foreign.bundle, PROTOCOLS, SERVER_NAME), CART);
  const none = await dial(server.port, anonymousTls(null, PROTOCOLS, SERVER_NAME), CART);

  expect([pinned.refusal, other.refusal, none.refusal]).toEqual([null, expect.any(String), expect.any(String)]);
});

test("at the edge a client needs no certificate", async () => {
  await using server = serve(edgeTls(cart, ["http/1.1"]), true);

  const client = await dial(server.port, anonymousTls(bundle, ["http/1.1"], SERVER_NAME), CART);
  await eventually(() => server.received === SECRET);

  expect([client.refusal, client.protocol]).toEqual([null, "http/1.1"]);
});

test("a newer SVID is shown to new connections while a live one goes on", async () => {
  const newer = await svid(authority, CART);
  const shown: string[] = [];
  await using server = serve(serverTls(cart, PROTOCOLS));
  const live = await dial(server.port, clientTls(web, PROTOCOLS, SERVER_NAME), CART, shown);

  server.tls = serverTls(newer, PROTOCOLS);
  await dial(server.port, clientTls(web, PROTOCOLS, SERVER_NAME), CART, shown);
  live.send("more");
  await eventually(() => server.received.includes("more"));

  expect(shown).toEqual([cart, newer].map((one) => new x509.X509Certificate(one.certificate).serialNumber));
});

test("protocols are written each after its length", () => {
  expect(alpn(["mesh/h1", "h2"]).toString("latin1")).toBe("\x07mesh/h1\x02h2");
});

interface Server extends AsyncDisposable {
  readonly port: number;
  /** What each handshake proved. */
  readonly peers: (string | null)[];
  readonly protocols: (string | false | null)[];
  readonly received: string;
  readonly closed: number;
  tls: TlsOptions;
}

/** A server as the listener is one: it upgrades, asks who is there, and refuses nobody when `open` to all. */
function serve(tls: TlsOptions, open = false): Server {
  const seen = {
    peers: [] as (string | null)[],
    protocols: [] as (string | false | null)[],
    received: "",
    closed: 0,
    tls,
  };
  const inner = {
    handshake(socket: Socket, _ok: boolean, error: Error | null) {
      const peer = verifyClient(error, socket);
      seen.peers.push(peer);
      seen.protocols.push(socket.alpnProtocol);
      if (peer === null && !open) return void socket.terminate();
      socket.write("welcome");
    },
    data(_socket: Socket, bytes: Buffer) {
      seen.received += bytes;
    },
    close() {
      seen.closed++;
    },
    error() {},
  };
  const listener = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      open: (socket) =>
        void socket.upgradeTLS({ isServer: true, tls: seen.tls, data: undefined, socket: inner } as never),
      data() {},
      error() {},
    },
  });
  return Object.assign(seen, { port: listener.port, [Symbol.asyncDispose]: async () => listener.stop(true) });
}

interface Dialled {
  /** Why the server was refused; null when it was not. */
  readonly refusal: string | null;
  readonly protocol: string | false | null;
  readonly received: string;
  send(text: string): void;
}

/** A client as the upstream room is one: it judges the server, and only then sends. */
function dial(port: number, tls: TlsOptions, expected: string, shown: string[] = []): Promise<Dialled> {
  const { promise, resolve } = Promise.withResolvers<Dialled>();
  const state = {
    refusal: null as string | null,
    protocol: null as string | false | null,
    received: "",
    send: (_: string) => {},
  };
  const end = (refusal: string | null): void => {
    state.refusal ??= refusal;
    resolve(state);
  };
  const socket = {
    handshake(socket: Socket, _ok: boolean, error: Error | null) {
      const refusal = verifyServer(error, socket, expected, DOMAINS);
      state.protocol = socket.alpnProtocol;
      state.send = (text) => void socket.write(text);
      if (refusal === null) {
        shown.push(socket.getPeerX509Certificate().serialNumber.toLowerCase());
        socket.write(SECRET);
      }
      end(refusal);
      if (refusal !== null) socket.terminate();
    },
    data(_socket: Socket, bytes: Buffer) {
      state.received += bytes;
    },
    close: () => end("closed"),
    error() {},
  };
  Bun.connect({ hostname: "127.0.0.1", port, tls: tls as never, socket }).catch((error) => end(String(error)));
  return promise;
}

/** A client that asks nothing and sends whenever it can; resolves when it has been cut off. */
function pushBytes(port: number, tls: TlsOptions | null): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const push = (socket: Socket) => void socket.write(SECRET);
  const socket = { open: push, handshake: push, drain: push, data() {}, close: () => resolve(), error() {} };
  Bun.connect({ hostname: "127.0.0.1", port, ...(tls === null ? {} : { tls: tls as never }), socket }).catch(() =>
    resolve(),
  );
  return promise;
}

async function openFor(clock: Clock): Promise<Authority> {
  return await openAuthority({
    trustDomain: "example.org",
    clock,
    store: { load: async () => null, save: async () => {} },
  });
}

async function svid(from: Authority, spiffeId: string, dns?: string): Promise<Svid> {
  const { csr, privateKey } = await createRequest(spiffeId);
  const names = { dns: dns === undefined ? [] : [dns], addresses: [] };
  const { certificate } = await from.issue(csr, spiffeId, names);
  return svidOf({ certificate, privateKey, bundle });
}

/** A certificate that our authority would not make, of a root that the mesh of this test believes. */
async function oddSvid(uris: readonly string[], isAuthority = false, issuer: Issuer = odd): Promise<Svid> {
  const keys = await generateKey();
  const names = uris.map((value) => ({ type: "url" as const, value }));
  const certificate = await x509.X509CertificateGenerator.create({
    subject: "CN=odd",
    issuer: issuer.certificate.subjectName,
    // Left out, it is the second at hand, which a verifier may not have reached.
    notBefore: new Date(systemClock.now() - 60_000),
    notAfter: new Date(systemClock.now() + 3_600_000),
    publicKey: keys.publicKey,
    signingKey: issuer.privateKey,
    signingAlgorithm: { name: "ECDSA", hash: "SHA-256" },
    extensions: [
      new x509.BasicConstraintsExtension(isAuthority, undefined, true),
      ...(names.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension(names)]),
    ],
  });
  return { ...web, ...(await keep(certificate, keys.privateKey)) };
}

async function rootFor(trustDomain: string): Promise<Issuer> {
  const keys = await generateKey();
  const [from, until] = [systemClock.now() - 60_000, systemClock.now() + 3_600_000];
  return { certificate: await createRoot(trustDomain, keys, { from, until }), privateKey: keys.privateKey };
}
