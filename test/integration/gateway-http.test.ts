import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import type { GatewayListenerModel, GatewayPortModel } from "../../core/snapshot/mod.ts";
import { type Backend, ok, startBackend } from "../harness/backend.ts";
import { connect, request } from "../harness/client.ts";
import { eventually } from "../harness/eventually.ts";
import { gatewayResource, listenerModel, webRule } from "../harness/gateway.ts";
import { clusterResource, type GatewayPlane, startGatewayPlane } from "../harness/gateway-plane.ts";
import { freePort } from "../harness/mesh.ts";

const setUp = {} as { backend: Backend; gateway: GatewayPlane };

beforeAll(async () => {
  setUp.backend = await startBackend(ok("served"));
  setUp.gateway = await startGatewayPlane();
});

afterEach(async () => {
  await eventually(async () => (await setUp.gateway.metric("mesh_connections_open")) === 0);
  expect(setUp.gateway.warnings.filter((line) => line.includes("bug"))).toEqual([]);
});

afterAll(async () => {
  await setUp.gateway?.[Symbol.asyncDispose]();
  await setUp.backend?.[Symbol.asyncDispose]();
});

test("requests of one connection go to the listeners of their hosts, and each line names its listener", async () => {
  const port = freePort();
  await serving([
    http(port, [
      listenerModel("apex", "a.example.com", { "a.example.com": [webRule("apex", "/a")] }),
      listenerModel("wild", "*.example.com", { "*.example.com": [webRule("wild")] }),
    ]),
  ]);
  await using client = await connect(port);

  const statuses: number[] = [];
  for (const [host, target] of [
    ["a.example.com", "/a"],
    ["a.example.com", "/b"],
    ["b.example.com:8443", "/b"],
    ["example.com", "/"],
  ] as const) {
    statuses.push((await client.get(target, [["Host", host]])).status);
  }

  expect(statuses).toEqual([200, 404, 200, 404]);
  const lines = await setUp.gateway.lines(client, 4);
  expect(lines.map((line) => line["listener"])).toEqual([
    "default/edge/apex",
    "default/edge/apex",
    "default/edge/wild",
    `default/edge:${port}`,
  ]);
});

test("a stranger cannot say where it comes from, and learns nothing of us where it is refused", async () => {
  const port = freePort();
  await serving([http(port, [listenerModel("all", "", { "a.org": [webRule("all")] })])]);
  await using client = await connect(port);

  const fields = [
    ["Host", "a.org"],
    ["X-Forwarded-For", "6.6.6.6"],
    ["X-Forwarded-Proto", "https"],
    ["X-Forwarded-Client-Cert", "URI=spiffe://example.org/ns/a/sa/b"],
  ] as const;
  expect((await client.get("/", fields)).status).toBe(200);
  const refused = await client.get("/", [["Host", "b.org"]]);

  const seen = told();
  expect(seen).toMatchObject({ "x-forwarded-for": "6.6.6.6, 127.0.0.1", "x-forwarded-proto": "http" });
  expect(seen).not.toHaveProperty("x-forwarded-client-cert");
  expect([refused.status, refused.text, refused.get("x-mesh-flag")]).toEqual([404, "404\n", null]);
});

test("a proxy in front of the gateway is believed where its range is trusted", async () => {
  const port = freePort();
  await using gateway = await startGatewayPlane({ trusted: ["127.0.0.0/8"] });
  const cluster = clusterResource("default/web:80", [setUp.backend.port]);
  await gateway.apply([gatewayResource([http(port, ALL)]), cluster]);
  await using client = await connect(port);

  const fields = [
    ["X-Forwarded-For", "6.6.6.6"],
    ["X-Forwarded-Proto", "https"],
    ["X-Forwarded-Host", "shop.example"],
  ] as const;
  await client.get("/", fields);
  const believed = told();
  await client.get("/");

  expect(believed).toMatchObject({
    "x-forwarded-for": "6.6.6.6, 127.0.0.1",
    "x-forwarded-proto": "https",
    "x-forwarded-host": "shop.example",
  });
  expect(told()).toMatchObject({ "x-forwarded-for": "127.0.0.1", "x-forwarded-proto": "http" });
});

test.each(["CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", "GET / HTTP/1.0\r\n\r\n"])("%j is refused", async (head) => {
  const port = freePort();
  await serving([http(port, [listenerModel("a", "a.org", { "": [webRule("all")] })])]);
  await using client = await connect(port);

  await client.send(head);

  expect([404, 405]).toContain((await client.response()).status);
});

describe("ports", () => {
  test("come and go with the configuration, and the others do not notice", async () => {
    const [stays, goes, comes] = [freePort(), freePort(), freePort()];
    await serving([http(stays, ALL), http(goes, ALL)]);
    await using client = await connect(stays);
    await using leaving = await connect(goes);
    expect((await leaving.get("/")).status).toBe(200);

    const answers: number[] = [];
    const traffic = (async () => {
      for (let i = 0; i < 50; i++) answers.push((await client.get(`/${i}`)).status);
    })();
    await serving([http(stays, ALL), http(comes, ALL)]);
    await traffic;

    expect(answers).toEqual(Array(50).fill(200));
    expect(setUp.gateway.bound.toSorted()).toEqual([`127.0.0.1:${stays}`, `127.0.0.1:${comes}`].toSorted());
    expect(await leaving.ended).toBe("fin");
    expect((await request(comes)).status).toBe(200);
    expect(await connect(goes).catch(() => "closed")).toBe("closed");
  });

  test("are bound on the addresses that the gateway has", async () => {
    const port = freePort();
    await serving([http(port, ALL)], { addresses: ["127.0.0.2", "127.0.0.3"] });

    expect(setUp.gateway.bound).toEqual([`127.0.0.2:${port}`, `127.0.0.3:${port}`]);
    await serving([http(port, ALL)], { addresses: ["127.0.0.3"] });
    expect(setUp.gateway.bound).toEqual([`127.0.0.3:${port}`]);
  });

  test("that cannot be bound are told with the reason, and the rest is served", async () => {
    const [taken, free] = [freePort(), freePort()];
    const other = Bun.listen({ hostname: "127.0.0.1", port: taken, socket: { data() {} } });

    await serving([http(taken, ALL), http(free, ALL)]);

    expect(setUp.gateway.problems).toMatchObject([{ gateway: "default/edge", port: taken, address: "127.0.0.1" }]);
    expect(setUp.gateway.problems[0]!.problem).toContain("the port is taken");
    expect((await request(free)).status).toBe(200);
    other.stop(true);
    await serving([http(taken, ALL), http(free, ALL)]);
    expect(setUp.gateway.problems).toEqual([]);
    expect((await request(taken)).status).toBe(200);
  });

  test("of two gateways at one place belong to the first of them, and the other is told", async () => {
    const port = freePort();
    const second = gatewayResource([http(port, ALL)], { name: "default/second" });
    const cluster = clusterResource("default/web:80", [setUp.backend.port]);

    await setUp.gateway.apply([gatewayResource([http(port, ALL)]), second, cluster]);

    expect(setUp.gateway.bound).toEqual([`127.0.0.1:${port}`]);
    expect(setUp.gateway.problems).toMatchObject([
      { gateway: "default/second", problem: `gateway "default/edge" has 127.0.0.1:${port} already` },
    ]);
  });
});

test("a port offset lets low ports be served, and one that leads too far is told", async () => {
  const high = freePort();
  await using gateway = await startGatewayPlane({ portOffset: high - 80 });
  const cluster = clusterResource("default/web:80", [setUp.backend.port]);

  await gateway.apply([gatewayResource([http(80, ALL), http(65_000, ALL)]), cluster]);

  expect(gateway.bound).toEqual([`127.0.0.1:${high}`]);
  expect(gateway.problems[0]!.problem).toContain("the offset takes it over 65535");
  expect((await request(high)).status).toBe(200);
});

test("a port whose transport changes serves the new one from the next connection on, at the same socket", async () => {
  const port = freePort();
  await serving([http(port, ALL)]);
  await using before = await connect(port);
  expect((await before.get("/")).status).toBe(200);

  await serving([{ port, transport: "tls", listeners: [] }]);

  expect(await before.ended).toBe("fin");
  await using after = await connect(port);
  await after.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  expect(await after.ended).toBe("reset");
});

/** Fields of the last request as the backend got it. */
function told(): Record<string, string> {
  const { fields } = setUp.backend.requests.at(-1)!;
  return Object.fromEntries(fields.map(([name, value]) => [name.toLowerCase(), value]));
}

const ALL = [listenerModel("all", "", { "": [webRule("all")] })];

function http(port: number, listeners: readonly GatewayListenerModel[]): GatewayPortModel {
  return { port, transport: "http", listeners };
}

async function serving(ports: readonly GatewayPortModel[], more = {}): Promise<void> {
  const cluster = clusterResource("default/web:80", [setUp.backend.port]);
  await setUp.gateway.apply([gatewayResource(ports, more), cluster]);
}
