import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import type { ConnectionRuleModel } from "../../core/route/mod.ts";
import type { GatewayListenerModel, GatewayPortModel, KeyPairModel } from "../../core/snapshot/mod.ts";
import { type Accepting, startAccepting } from "../harness/accepted.ts";
import { type Certificates, certificates, type IdentityFiles } from "../harness/certificates.ts";
import { clientHello } from "../harness/client-hello.ts";
import { type Connection, open } from "../harness/connection.ts";
import { eventually } from "../harness/eventually.ts";
import { gatewayResource } from "../harness/gateway.ts";
import { clusterResource, type GatewayPlane, startGatewayPlane } from "../harness/gateway-plane.ts";
import { freePort } from "../harness/mesh.ts";

const HOST = "db.example.com";

const setUp = {} as {
  authority: Certificates;
  identity: IdentityFiles;
  one: Accepting;
  two: Accepting;
  gateway: GatewayPlane;
  port: number;
};

beforeAll(async () => {
  const authority = await certificates();
  const identity = await authority.issue("spiffe://example.org/ns/default/sa/db", 3600, HOST);
  const [one, two] = [await startAccepting(), await startAccepting()];
  Object.assign(setUp, { authority, identity, one, two, gateway: await startGatewayPlane(), port: freePort() });
});

afterEach(async () => {
  await eventually(async () => (await setUp.gateway.metric("mesh_connections_open")) === 0);
  expect(setUp.gateway.warnings.filter((line) => line.includes('"bug"'))).toEqual([]);
});

afterAll(async () => {
  for (const each of [setUp.gateway, setUp.one, setUp.two, setUp.authority]) await each?.[Symbol.asyncDispose]();
});

test("TLS that is passed through is the client's own: a policy for the backend puts none around it", async () => {
  const tls = { serverName: "inner.example.com", invalid: "its authorities are gone" };
  await apply(
    [{ port: setUp.port, transport: "tls", listeners: [passed("exact", HOST, "own")] }],
    [clusterResource("default/own:443", [setUp.one.port], { tls })],
  );
  const hello = clientHello({ serverName: HOST });

  await using client = await open(setUp.port);
  await client.write(hello);
  const arrived = await setUp.one.next();

  expect(await arrived.exactly("the hello", hello.length)).toEqual(hello);
  arrived.reset();
});

test("TLS that is passed through reaches the backend of its server name, byte for byte, and nothing is read of it", async () => {
  await serving("tls", [passed("exact", HOST, "one"), passed("wild", "*.example.com", "two")]);
  const exact = clientHello({ serverName: HOST.toUpperCase(), protocols: ["h2"] });
  const below = clientHello({ serverName: "a.b.example.com" });

  await using first = await open(setUp.port);
  await first.write(exact);
  await using second = await open(setUp.port);
  for (const byte of below) await second.write(Buffer.of(byte));
  const [atOne, atTwo] = [await setUp.one.next(), await setUp.two.next()];

  expect(await atOne.exactly("the hello", exact.length)).toEqual(exact);
  expect(await atTwo.exactly("the hello", below.length)).toEqual(below);
  await atOne.write("what the server says");
  expect((await first.exactly("its answer", 20)).toString()).toBe("what the server says");
  const line = setUp.gateway.line({ port: first.socket.localPort } as never);
  atOne.reset();
  atTwo.reset();
  expect(await line).toMatchObject({
    direction: "gateway",
    listener: "default/edge/exact",
    requested_server_name: HOST,
    upstream_cluster: "default/one:443",
    route_name: "TLSRoute/exact",
    response_flags: "UC",
  });
});

test("two rules of one listener take the names that are theirs, and others are reset", async () => {
  const rules = [rule("rest", "two", ["*.example.com"]), rule("exact", "one", [HOST])];
  await serving("tls", [{ ...passed("all", "", "one"), connections: rules }]);

  await using first = await open(setUp.port);
  await first.write(clientHello({ serverName: HOST }));
  await using second = await open(setUp.port);
  await second.write(clientHello({ serverName: "other.example.com" }));
  await using third = await open(setUp.port);
  await third.write(clientHello({ serverName: "elsewhere.org" }));

  expect(await third.ended).toBe("reset");
  for (const one of [await setUp.one.next(), await setUp.two.next()]) one.reset();
});

test("TLS that ends here goes on as the bytes that were in it", async () => {
  const pair: KeyPairModel = { certificate: setUp.identity.certificate, privateKey: setUp.identity.privateKey };
  const tls = { mode: "Terminate" as const, certificates: [pair] };
  await serving("tls", [{ ...passed("ended", HOST, "one"), tls }]);
  await using client = await open({
    port: setUp.port,
    tls: { ca: setUp.authority.bundle, serverName: HOST } as never,
  });
  const atBackend = await setUp.one.next();

  await atBackend.write("who is it?");
  expect((await client.exactly("the greeting", 10)).toString()).toBe("who is it?");
  await client.write("in the clear");
  expect((await atBackend.exactly("the bytes", 12)).toString()).toBe("in the clear");
  client.shutdown();
  expect((await atBackend.rest("the end")).length).toBe(0);
  atBackend.shutdown();
});

test("a TCP listener copies, by the weights of its rule", async () => {
  const split = { ...rule("split", "one"), backends: [backend("one", 1), backend("two", 1)] };
  await serving("tcp", [{ name: "default/edge/tcp", hostname: "", connections: [split] }]);
  const before = [setUp.one.accepted.length, setUp.two.accepted.length];
  const clients: Connection[] = [];

  await eventually(async () => {
    clients.push(await open(setUp.port));
    return setUp.one.accepted.length > before[0]! && setUp.two.accepted.length > before[1]!;
  });

  for (const client of clients) client.reset();
});

test("a UDP listener takes datagrams, beside a TCP listener of the same number", async () => {
  const app = await Bun.udpSocket({
    hostname: "127.0.0.1",
    port: 0,
    socket: { data: (own, bytes, port, address) => void own.send(`heard ${bytes.toString()}`, port, address) },
  });
  const heard: string[] = [];
  const client = await Bun.udpSocket({
    hostname: "127.0.0.1",
    port: 0,
    socket: { data: (_, bytes) => void heard.push(bytes.toString()) },
  });
  const cluster = clusterResource("default/dns:53-udp", [app.port]);
  const dns = { ...rule("dns", "dns"), backends: [{ cluster: "default/dns:53-udp", name: "dns", weight: 1 }] };
  const tcp = { name: "default/edge/tcp", hostname: "", connections: [rule("tcp", "one")] };
  const udp = { name: "default/edge/udp", hostname: "", connections: [dns] };
  await apply(
    [
      { port: setUp.port, transport: "tcp", listeners: [tcp] },
      { port: setUp.port, transport: "udp", listeners: [udp] },
    ],
    [cluster],
  );

  client.send("hello", setUp.port, "127.0.0.1");

  await eventually(() => heard.length === 1);
  expect(heard).toEqual(["heard hello"]);
  expect(await setUp.gateway.metric("mesh_udp_sessions_total", { direction: "gateway" })).toBe(1);
  await apply([{ port: setUp.port, transport: "tcp", listeners: [tcp] }]);
  expect(await setUp.gateway.metric("mesh_udp_sessions_open")).toBe(0);
  client.close();
  app.close();
});

function passed(name: string, hostname: string, to: string): GatewayListenerModel {
  const tls = { mode: "Passthrough" as const, certificates: [] };
  return { name: `default/edge/${name}`, hostname, tls, connections: [rule(name, to)] };
}

function rule(name: string, to: string, serverNames?: readonly string[]): ConnectionRuleModel {
  const names = serverNames === undefined ? {} : { serverNames };
  return { id: `TLSRoute/${name}`, order: 0, ...names, backends: [backend(to, 1)] };
}

function backend(name: string, weight: number) {
  return { cluster: `default/${name}:443`, name, weight };
}

function serving(transport: GatewayPortModel["transport"], listeners: readonly GatewayListenerModel[]): Promise<void> {
  return apply([{ port: setUp.port, transport, listeners }]);
}

async function apply(ports: readonly GatewayPortModel[], more: Parameters<GatewayPlane["apply"]>[0] = []) {
  const clusters = [
    clusterResource("default/one:443", [setUp.one.port]),
    clusterResource("default/two:443", [setUp.two.port]),
  ];
  await setUp.gateway.apply([...clusters, ...more, gatewayResource(ports)]);
}
