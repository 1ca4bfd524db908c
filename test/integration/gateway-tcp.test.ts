import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import type { ConnectionRuleModel } from "../../core/route/mod.ts";
import type { GatewayListenerModel, GatewayPortModel, KeyPairModel } from "../../core/snapshot/mod.ts";
import { type Backend, ok, startBackend } from "../harness/backend.ts";
import { type Certificates, certificates } from "../harness/certificates.ts";
import { type Client, connect } from "../harness/client.ts";
import { eventually } from "../harness/eventually.ts";
import { gatewayResource, listenerModel, webRule } from "../harness/gateway.ts";
import { clusterResource, type GatewayPlane, startGatewayPlane } from "../harness/gateway-plane.ts";
import { freePort } from "../harness/mesh.ts";

const ID = "spiffe://example.org/ns/default/sa/edge";

const setUp = {} as {
  authority: Certificates;
  pair: KeyPairModel;
  plain: Backend;
  secured: Backend;
  gateway: GatewayPlane;
};

beforeAll(async () => {
  const authority = await certificates();
  const pair = await authority.issue(ID, 3600, "*.example.com");
  const plain = await startBackend(ok("plain"));
  const secured = await startBackend(ok("secured"), { cert: pair.certificate, key: pair.privateKey });
  const gateway = await startGatewayPlane();
  Object.assign(setUp, { authority, pair, plain, secured, gateway });
});

afterEach(async () => {
  await eventually(async () => (await setUp.gateway.metric("mesh_connections_open")) === 0);
  expect(setUp.gateway.warnings.filter((line) => line.includes("bug"))).toEqual([]);
});

afterAll(async () => {
  await setUp.gateway?.[Symbol.asyncDispose]();
  await setUp.plain?.[Symbol.asyncDispose]();
  await setUp.secured?.[Symbol.asyncDispose]();
  await setUp.authority?.[Symbol.asyncDispose]();
});

test("a TCP port carries bytes to its rule's backend, and its line names listener and rule", async () => {
  const port = freePort();
  await serving([{ port, transport: "tcp", listeners: [bytes("db", "", [rule("db/0", "default/web:80")])] }]);
  {
    await using client = await connect(port);
    expect((await client.get("/")).text).toBe("plain");
    client.connection.close();
    expect(await setUp.gateway.line(client)).toMatchObject({
      ...{ direction: "gateway", listener: "default/edge/db", route_name: "db/0" },
      upstream_cluster: "default/web:80",
    });
  }
  expect(await setUp.gateway.metric("istio_tcp_connections_closed_total")).toBeGreaterThan(0);
});

test("on one port TLS is ended for some names and passed through for others, and HTTP served for the rest", async () => {
  const port = freePort();
  const terminate = { mode: "Terminate" as const, certificates: [setUp.pair] };
  await serving([
    {
      port,
      transport: "tls",
      listeners: [
        listenerModel("http", "a.example.com", { "": [webRule("http/0")] }, { tls: terminate }),
        bytes("pass", "b.example.com", [rule("pass/0", "default/tls:443", ["b.example.com"])], {
          tls: { mode: "Passthrough", certificates: [] },
        }),
        bytes("bytes", "c.example.com", [rule("bytes/0", "default/web:80")], { tls: terminate }),
      ],
    },
  ]);

  const said: string[] = [];
  for (const name of ["a.example.com", "b.example.com", "c.example.com"]) {
    await using client = await secure(port, name);
    const answer = await client.get("/", [["Host", name]]);
    client.connection.close();
    const line = await setUp.gateway.line(client);
    said.push(`${answer.text} ${line["listener"]} ${line["requested_server_name"]}`);
  }

  expect(said).toEqual([
    "plain default/edge/http a.example.com",
    "secured default/edge/pass b.example.com",
    "plain default/edge/bytes c.example.com",
  ]);
});

test("a connection that no rule takes is ended, and recorded with the reason", async () => {
  const port = freePort();
  await serving([
    {
      port,
      transport: "tls",
      listeners: [
        bytes("pass", "*.example.com", [rule("pass/0", "default/tls:443", ["b.example.com"])], {
          tls: { mode: "Passthrough", certificates: [] },
        }),
      ],
    },
  ]);
  const seen = setUp.secured.connections.length;

  expect(await secure(port, "z.example.com").catch(() => null)).toBeNull();

  expect(setUp.secured.connections.length).toBe(seen);
});

test("a client that names no server is passed through where a listener takes every name", async () => {
  const port = freePort();
  const rules = [rule("named/0", "default/web:80", ["b.example.com"]), rule("rest/0", "default/tls:443")];
  const tls = { mode: "Passthrough" as const, certificates: [] };
  await serving([{ port, transport: "tls", listeners: [bytes("pass", "", rules, { tls })] }]);

  await using client = await connect({ port, tls: { rejectUnauthorized: false } });

  expect((await client.get("/")).text).toBe("secured");
});

test("a TCP connection goes on when its listener goes, and nobody else comes in", async () => {
  const port = freePort();
  await serving([{ port, transport: "tcp", listeners: [bytes("db", "", [rule("db/0", "default/web:80")])] }]);
  await using client = await connect(port);
  expect((await client.get("/")).text).toBe("plain");

  await serving([]);

  expect((await client.get("/")).text).toBe("plain");
  expect(await connect(port).catch(() => "closed")).toBe("closed");
});

function rule(id: string, cluster: string, serverNames?: readonly string[]): ConnectionRuleModel {
  return { id, order: 0, backends: [{ cluster, name: "one", weight: 1 }], ...(serverNames && { serverNames }) };
}

function bytes(
  name: string,
  hostname: string,
  connections: readonly ConnectionRuleModel[],
  more: Partial<GatewayListenerModel> = {},
): GatewayListenerModel {
  return { name: `default/edge/${name}`, hostname, connections, ...more };
}

async function serving(ports: readonly GatewayPortModel[]): Promise<void> {
  const clusters = [
    clusterResource("default/web:80", [setUp.plain.port]),
    clusterResource("default/tls:443", [setUp.secured.port]),
  ];
  await setUp.gateway.apply([gatewayResource(ports), ...clusters]);
}

async function secure(port: number, serverName: string): Promise<Client> {
  return await connect({ port, tls: { ca: setUp.authority.bundle, serverName } });
}
