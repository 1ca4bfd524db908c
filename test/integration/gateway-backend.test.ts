import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import type { BackendTlsModel } from "../../core/cluster/mod.ts";
import type { Resource } from "../../core/snapshot/mod.ts";
import { type Backend, ok, startBackend } from "../harness/backend.ts";
import { type Certificates, certificates, type IdentityFiles } from "../harness/certificates.ts";
import { connect } from "../harness/client.ts";
import { eventually } from "../harness/eventually.ts";
import { gatewayResource, listenerModel, webRule } from "../harness/gateway.ts";
import { clusterResource, type GatewayPlane, startGatewayPlane } from "../harness/gateway-plane.ts";
import { freePort } from "../harness/mesh.ts";

const ID = "spiffe://example.org/ns/default/sa/web";

const setUp = {} as {
  authority: Certificates;
  other: Certificates;
  pair: IdentityFiles;
  backend: Backend;
  gateway: GatewayPlane;
  port: number;
};

beforeAll(async () => {
  const [authority, other] = await Promise.all([certificates(), certificates()]);
  const pair = await authority.issue(ID, 3600, "web.example.com,DNS:*.wild.example.com,IP:127.0.0.1");
  const tls = { cert: pair.certificate, key: pair.privateKey };
  const backend = await startBackend(ok("served"), tls);
  const gateway = await startGatewayPlane();
  Object.assign(setUp, { authority, other, pair, backend, gateway, port: freePort() });
});

afterEach(async () => {
  await eventually(async () => (await setUp.gateway.metric("mesh_connections_open")) === 0);
  expect(setUp.gateway.warnings.filter((line) => line.includes("bug"))).toEqual([]);
});

afterAll(async () => {
  await setUp.gateway?.[Symbol.asyncDispose]();
  await setUp.backend?.[Symbol.asyncDispose]();
  await setUp.authority?.[Symbol.asyncDispose]();
  await setUp.other?.[Symbol.asyncDispose]();
});

describe("a backend whose certificate has the name", () => {
  test.each([
    ["that was dialled", { serverName: "web.example.com" }],
    ["that was dialled, in capitals", { serverName: "WEB.example.com" }],
    ["by a wildcard", { serverName: "a.wild.example.com" }],
    ["as an address", { serverName: "127.0.0.1" }],
    ["as a URI", { serverName: "other.org", names: [{ type: "URI" as const, value: ID }] }],
    [
      "as one of several",
      {
        serverName: "other.org",
        names: [
          { type: "Hostname" as const, value: "nobody.org" },
          { type: "Hostname" as const, value: "web.example.com" },
        ],
      },
    ],
  ])("%s is served by", async (_, tls) => {
    expect(await asked(tls)).toMatchObject({ status: 200, text: "served" });
  });
});

describe("no request reaches a backend", () => {
  test.each([
    ["of another name", { serverName: "api.example.com" }, "not for api.example.com"],
    ["two labels under a wildcard", { serverName: "a.b.wild.example.com" }, "not for a.b.wild.example.com"],
    [
      "that has the name dialled, where another one is asked for",
      { serverName: "web.example.com", names: [{ type: "URI" as const, value: "spiffe://example.org/ns/a/sa/b" }] },
      "not for spiffe://example.org/ns/a/sa/b",
    ],
    ["whose policy is broken", { serverName: "web.example.com", invalid: "no such ConfigMap" }, "no such ConfigMap"],
  ])("%s", async (_, tls, reason) => {
    const seen = setUp.backend.requests.length;

    const answer = await asked(tls);

    expect([answer.status, answer.text]).toEqual([503, "503\n"]);
    expect(answer.line["response_code_details"]).toContain(reason);
    expect(answer.line["response_flags"]).toBe("DN");
    expect(setUp.backend.requests.length).toBe(seen);
  });

  test("that another authority vouches for, or only the system's", async () => {
    const stranger = await asked({ serverName: "web.example.com", roots: setUp.other.bundle });
    const unknown = await asked({ serverName: "web.example.com" }, false);

    expect([stranger.status, unknown.status]).toEqual([503, 503]);
    expect(unknown.line["response_code_details"]).toMatch(/UNABLE_TO|SELF_SIGNED/);
  });

  test("over a connection that a rule before has proven", async () => {
    expect((await asked({ serverName: "web.example.com" })).status).toBe(200);

    expect((await asked({ serverName: "api.example.com" })).status).toBe(503);
  });
});

test("a backend that asks for a certificate gets the gateway's, and one gateway's connections are never another's", async () => {
  const shown: string[] = [];
  const [first, second] = await Promise.all(["first", "second"].map((name) => setUp.authority.issue(`${ID}/${name}`)));
  const { certificate: cert, privateKey: key } = setUp.pair;
  await using backend = await startBackend(
    (request, to) => {
      const { socket } = to as unknown as { socket: { getPeerCertificate(): { subjectaltname?: string } } };
      shown.push(socket.getPeerCertificate()?.subjectaltname ?? "nothing");
      return ok("proven")(request, to);
    },
    { cert, key, ca: setUp.authority.bundle, requestCert: true, rejectUnauthorized: false },
  );
  const tls = { serverName: "web.example.com", roots: setUp.authority.bundle };
  const [one, two, three] = [freePort(), freePort(), freePort()];
  const gateway = (name: string, port: number, pair?: IdentityFiles): Resource =>
    gatewayResource([{ port, transport: "http", listeners: ALL }], {
      name: `default/${name}`,
      ...(pair && { backendCertificate: { certificate: pair.certificate, privateKey: pair.privateKey } }),
    });
  const cluster = clusterResource("default/web:80", [backend.port], { tls });

  await setUp.gateway.apply([
    gateway("one", one, first),
    gateway("two", two, second),
    gateway("three", three),
    cluster,
  ]);
  for (const port of [one, two, three, one]) {
    await using client = await connect(port);
    expect((await client.get("/")).text).toBe("proven");
  }

  const names = ["first", "second"].map((name) => `URI:${ID}/${name}`);
  expect(shown).toEqual([names[0]!, names[1]!, "nothing", names[0]!]);
});

const ALL = [listenerModel("all", "", { "": [webRule("all")] })];

async function asked(tls: BackendTlsModel, known = true) {
  const roots = known && tls.roots === undefined ? { roots: setUp.authority.bundle } : {};
  const cluster = clusterResource("default/web:80", [setUp.backend.port], { tls: { ...tls, ...roots } });
  await setUp.gateway.apply([gatewayResource([{ port: setUp.port, transport: "http", listeners: ALL }]), cluster]);
  await using client = await connect(setUp.port);
  const { status, text } = await client.get("/");
  return { status, text, line: await setUp.gateway.line(client) };
}
