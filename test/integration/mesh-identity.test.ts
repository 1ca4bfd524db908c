import { expect, test } from "bun:test";
import type { Socket, TLSOptions } from "bun";
import { type Member, serviceYaml, startMesh, type TestMesh } from "../harness/mesh.ts";
import {
  type Backend,
  Client,
  certificates,
  connect,
  eventually,
  type IdentityFiles,
  ok,
  open,
  startBackend,
} from "../harness/mod.ts";
import { startRelay } from "../harness/relay.ts";
import { startTraffic, toService } from "../harness/traffic.ts";

const SHOP = "spiffe://cluster.local/ns/default/sa/shop";
const WEB = "spiffe://cluster.local/ns/default/sa/web";

test("a request crosses two sidecars, and both say who called whom", async () => {
  await using mesh = await startMesh({ config: serviceYaml("web") });
  await using backend = await startBackend(ok("hello"));
  const web = await mesh.join("web", { port: backend.port });
  const shop = await mesh.join("shop");
  await mesh.settled();
  await using client = await connect(shop.outbound);

  const forged = "URI=spiffe://cluster.local/ns/default/sa/root";
  const response = await client.request(
    toService("web", "/hello", [
      ["x-forwarded-client-cert", forged],
      ["x-request-id", "one"],
    ]),
  );

  expect({ status: response.status, text: response.text }).toEqual({ status: 200, text: "hello" });
  const principals = { source_principal: SHOP, destination_principal: WEB };
  const common = { ...principals, request_id: "one", path: "/hello", response_code: 200, response_flags: "-" };
  expect((await shop.lines(isAbout("one")))[0]).toMatchObject({ ...common, direction: "outbound", attempts: 1 });
  expect((await web.lines(isAbout("one")))[0]).toMatchObject({ ...common, direction: "inbound" });
  const certs = backend.requests[0]!.fields.filter(([name]) => /^x.forwarded.client.cert$/i.test(name));
  expect(certs).toEqual([["x-forwarded-client-cert", `By=${WEB};URI=${SHOP}`]]);
});

test("both sides of a hop count it, as mutual TLS, under the same names", async () => {
  await using mesh = await startMesh({ config: serviceYaml("web") });
  await using backend = await startBackend(ok("hello"));
  const web = await mesh.join("web", { port: backend.port });
  const shop = await mesh.join("shop");
  await mesh.settled();

  await askOnce(shop, "web");

  const labels = {
    ...{ source_workload: "shop", source_principal: SHOP, destination_workload: "web", destination_principal: WEB },
    ...{ destination_service: "web.default.svc.cluster.local", connection_security_policy: "mutual_tls" },
    ...{ response_code: "200", response_flags: "-", request_protocol: "http" },
  };
  await eventually(async () => {
    expect(await shop.metric("istio_requests_total", { ...labels, reporter: "source" })).toBe(1);
    expect(await web.metric("istio_requests_total", { ...labels, reporter: "destination" })).toBe(1);
  });
});

test("what crosses the hop is TLS 1.3 and nothing else", async () => {
  await using mesh = await startMesh({ config: serviceYaml("web") });
  await using backend = await startBackend(ok("a-secret-answer"));
  const { web, relay } = await joinBehindRelay(mesh, backend);
  await using _ = relay;
  relay.target = web.inbound;
  const shop = await mesh.join("shop");
  await mesh.settled();

  const response = await askOnce(shop, "web", [["x-secret", "a-secret-question"]]);

  expect(response.text).toBe("a-secret-answer");
  const bytes = relay.bytes().toString("latin1");
  expect(bytes.length).toBeGreaterThan(1000);
  for (const word of ["a-secret", "HTTP/1.1", SHOP, WEB]) expect(bytes).not.toContain(word);
});

test("an endpoint that cannot prove to be what it should be gets no byte of a request", async () => {
  await using ca = await certificates();
  await using strangers = await certificates();
  await using mesh = await startMesh({
    config: serviceYaml("web"),
    flags: ["--ca-cert", ca.root.certificate, "--ca-key", ca.root.key],
  });
  await using backend = await startBackend(ok("true"));
  const { web, relay } = await joinBehindRelay(mesh, backend);
  await using _ = relay;
  const shop = await mesh.join("shop");
  await mesh.settled();
  const impostors: readonly (readonly [string, TLSOptions | undefined, RegExp])[] = [
    ["foreign authority", tlsOf(await strangers.issue(WEB)), /UNABLE_TO_VERIFY|SELF_SIGNED|UNABLE_TO_GET_ISSUER/],
    ["expired", tlsOf(await ca.issue(WEB, -10)), /CERT_HAS_EXPIRED/],
    [
      "other workload",
      tlsOf(await ca.issue("spiffe://cluster.local/ns/default/sa/cart")),
      /it is "spiffe.*\/cart", not/,
    ],
    ["other trust domain", tlsOf(await ca.issue("spiffe://other.org/ns/default/sa/web")), /it is "spiffe:\/\/other/],
    ["plaintext", undefined, /WRONG_VERSION_NUMBER/],
  ];

  for (const [id, tls] of impostors) {
    await using impostor = tls === undefined ? startPlaintext() : await startBackend(ok("false"), tls);
    relay.target = impostor.port;
    const response = await askOnce(shop, "web");
    expect({ id, status: response.status }).toEqual({ id, status: 503 });
    expect(impostor.requests).toEqual([]);
  }
  const lines = await shop.lines((line) => line["response_flags"] === "DN", impostors.length);
  for (const [i, [, , reason]] of impostors.entries())
    expect(String(lines[i]!["response_code_details"])).toMatch(reason);
  await eventually(async () =>
    expect(await shop.metric("mesh_refusals_total", { reason: "DN" })).toBe(impostors.length),
  );
  relay.target = web.inbound;
  expect((await eventually(() => okOrThrow(shop, "web"))).text).toBe("true");
}, 20_000);

test("a caller that cannot prove who it is gets no byte to the app", async () => {
  await using ca = await certificates();
  await using strangers = await certificates();
  await using mesh = await startMesh({ flags: ["--ca-cert", ca.root.certificate, "--ca-key", ca.root.key] });
  await using backend = await startBackend(ok("true"));
  const web = await mesh.join("web", { port: backend.port });
  const callers: readonly (readonly [string, TLSOptions | undefined, RegExp])[] = [
    ["foreign authority", tlsOf(await strangers.issue(SHOP)), /handshake failed: (UNABLE|SELF_SIGNED|DEPTH)/],
    ["expired", tlsOf(await ca.issue(SHOP, -10)), /handshake failed: CERT_HAS_EXPIRED/],
    ["other trust domain", tlsOf(await ca.issue("spiffe://other.org/ns/default/sa/shop")), /no SPIFFE ID of this mesh/],
    ["no SPIFFE ID", tlsOf(await ca.issue("https://cluster.local/shop")), /no SPIFFE ID of this mesh/],
    ["no certificate", { rejectUnauthorized: false }, /handshake failed/],
    ["plaintext", undefined, /handshake failed/],
  ];

  for (const [i, [id, tls, reason]] of callers.entries()) {
    const answer = await pushIn(web.inbound, tls);
    await eventually(() => expect(web.said("connection refused")).toHaveLength(i + 1));

    expect({ id, answer }).toEqual({ id, answer: "" });
    expect({ id, reason: web.said("connection refused")[i]!["reason"] }).toEqual({
      id,
      reason: expect.stringMatching(reason),
    });
  }
  expect(await web.metric("mesh_handshakes_failed_total", { direction: "inbound" })).toBe(callers.length);
  expect(backend.requests).toEqual([]);
  expect(backend.connections).toEqual([]);
  expect(await pushIn(web.inbound, tlsOf(await ca.issue(SHOP)))).toEndWith("true");
}, 20_000);

test("the mTLS mode changes at run time, and nothing that is under way feels it", async () => {
  await using mesh = await startMesh({ config: serviceYaml("web") });
  const released = Promise.withResolvers<void>();
  await using backend = await startBackend(async (request, to) => {
    if (request.target === "/held") await released.promise;
    await ok("hello")(request, to);
  });
  const web = await mesh.join("web", { port: backend.port });
  const shop = await mesh.join("shop");
  await mesh.settled();
  await using traffic = startTraffic(shop.outbound, toService("web"));
  await traffic.more(20);

  expect(await pushIn(web.inbound, undefined)).toBe("");
  await mesh.apply(mtls("PERMISSIVE"));
  await using plain = await eventually(async () => {
    const client = await connect(web.inbound);
    expect((await client.get("/plain")).text).toBe("hello");
    return client;
  });
  const principal = (await web.lines((line) => line["path"] === "/plain"))[0]!["source_principal"];
  const held = plain.get("/held");
  await eventually(() => backend.requests.some(({ target }) => target === "/held"));
  await mesh.apply(mtls("STRICT"));
  await eventually(async () => expect(await pushIn(web.inbound, undefined)).toBe(""));
  released.resolve();
  await traffic.more(20);
  await traffic.stop();

  expect(principal).toBeNull();
  expect((await held).text).toBe("hello");
  expect(traffic.failures).toEqual([]);
  // What each lane of the caller had open before, it still has.
  expect(await web.metric("mesh_connections_total", { direction: "inbound" })).toBeLessThanOrEqual(4 + 1);
});

test("certificates rotate again and again under traffic, and no request and no live connection feels it", async () => {
  await using mesh = await startMesh({ config: serviceYaml("web"), flags: ["--certificate-lifetime", "3s"] });
  await using backend = await startBackend(ok("hello"));
  const web = await mesh.join("web", { port: backend.port });
  const shop = await mesh.join("shop");
  await mesh.settled();
  await using traffic = startTraffic(shop.outbound, { ...toService("web"), lanes: 2 });
  const first = await serialAt(mesh, web);

  await eventually(() => {
    expect(web.said("identity").length).toBeGreaterThanOrEqual(4);
    expect(shop.said("identity").length).toBeGreaterThanOrEqual(4);
  }, 15_000);
  await traffic.more(20);
  await traffic.stop();

  expect(await serialAt(mesh, web)).not.toBe(first);
  expect(traffic.failures).toEqual([]);
  expect(traffic.sent).toBeGreaterThan(100);
  // With each certificate of the caller one connection takes the place of the one before, which ends behind its requests.
  const opened = await web.metric("mesh_connections_total", { direction: "inbound" });
  expect(opened).toBeGreaterThan(2);
  expect(opened).toBeLessThanOrEqual(shop.said("identity").length + 3);
  expect(backend.connections.length).toBeLessThanOrEqual(2);
}, 20_000);

/** Serial number of the certificate that a connection made now is shown. */
async function serialAt(mesh: TestMesh, { inbound }: Member): Promise<string> {
  await using strangers = await certificates();
  const bundle = await mesh.client.bundle();
  const { promise, resolve } = Promise.withResolvers<string>();
  const { certificate: cert, privateKey: key } = await strangers.issue(SHOP);
  const socket = await Bun.connect({
    hostname: "127.0.0.1",
    port: inbound,
    tls: { cert, key, ca: bundle, rejectUnauthorized: false },
    socket: {
      data() {},
      handshake: (self) => resolve(self.getPeerX509Certificate().serialNumber),
    },
  });
  const serial = await promise;
  socket.terminate();
  return serial;
}

/** A workload whose peers come by a relay, which the test may point elsewhere. */
async function joinBehindRelay(mesh: TestMesh, backend: Backend) {
  const relay = startRelay();
  const flags = ["--inbound", "127.0.0.1:0", "--advertise", relay.host];
  const web = await mesh.join("web", { port: backend.port, inbound: `127.0.0.1:${relay.port}`, flags: flags.slice(2) });
  return { web, relay };
}

/** What answers whatever it is sent, as a server does that was asked in the wrong language. */
function startPlaintext() {
  const requests: string[] = [];
  const data = (socket: Socket, bytes: Buffer): void => {
    if (bytes.includes("HTTP/1.1")) requests.push(bytes.toString());
    socket.end("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
  };
  const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data } });
  return { port: listener.port, requests, [Symbol.asyncDispose]: async () => listener.stop(true) };
}

function isAbout(id: string) {
  return (line: Readonly<Record<string, unknown>>) => line["request_id"] === id;
}

async function askOnce(member: Member, host: string, fields: readonly (readonly [string, string])[] = []) {
  await using client = await connect(member.outbound);
  return await client.request(toService(host, "/", fields));
}

async function okOrThrow(member: Member, host: string) {
  const response = await askOnce(member, host);
  if (response.status !== 200) throw new Error(`Cannot get ${host}: ${response.status} ${response.text}`);
  return response;
}

function tlsOf({ certificate, privateKey, bundle }: IdentityFiles): TLSOptions {
  return { cert: certificate, key: privateKey, ca: bundle, rejectUnauthorized: false };
}

/** Sends a request at the inbound port, however the other side likes it; what came back. */
async function pushIn(port: number, tls: TLSOptions | undefined): Promise<string> {
  try {
    await using connection = await open({ port, ...(tls && { tls }) });
    const client = new Client(connection);
    return (await client.get("/pushed")).text;
  } catch {
    return "";
  }
}

function mtls(mode: string): string {
  return `apiVersion: mesh.dev/v1\nkind: Mesh\nmetadata: {name: mesh}\nspec: {mtls: {mode: ${mode}}}\n`;
}
