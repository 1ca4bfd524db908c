import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { X509Certificate } from "node:crypto";
import { join } from "node:path";
import type { GatewayListenerModel, KeyPairModel, Resource } from "../../core/snapshot/mod.ts";
import { type Backend, ok, startBackend } from "../harness/backend.ts";
import { type Certificates, certificates } from "../harness/certificates.ts";
import { type Client, connect } from "../harness/client.ts";
import { eventually } from "../harness/eventually.ts";
import { type Folder, temporaryFolder } from "../harness/folder.ts";
import { gatewayResource, listenerModel, webRule } from "../harness/gateway.ts";
import { clusterResource, type GatewayPlane, startGatewayPlane } from "../harness/gateway-plane.ts";
import { freePort } from "../harness/mesh.ts";

interface SetUp {
  readonly authority: Certificates;
  readonly folder: Folder;
  readonly ca: string;
  readonly pairs: Readonly<Record<"exact" | "wild" | "other" | "renewed", KeyPairModel>>;
  readonly backend: Backend;
  readonly gateway: GatewayPlane;
  readonly port: number;
}
const setUp = {} as SetUp;

const ID = "spiffe://example.org/ns/default/sa/edge";

beforeAll(async () => {
  const authority = await certificates();
  const folder = temporaryFolder();
  const issue = async (hostname: string) => await authority.issue(ID, 3600, hostname);
  const [exact, wild, other, renewed] = await Promise.all(
    ["a.example.com", "*.example.com", "other.org", "a.example.com"].map(issue),
  );
  const backend = await startBackend(ok("served"));
  const gateway = await startGatewayPlane();
  const ca = await folder.write("ca.pem", authority.bundle);
  Object.assign(setUp, { authority, folder, ca, backend, gateway, port: freePort() });
  Object.assign(setUp, { pairs: { exact, wild, other, renewed } });
});

afterEach(async () => {
  await eventually(async () => (await setUp.gateway.metric("mesh_connections_open")) === 0);
  expect(setUp.gateway.warnings.filter((line) => line.includes("bug"))).toEqual([]);
});

afterAll(async () => {
  await setUp.gateway?.[Symbol.asyncDispose]();
  await setUp.backend?.[Symbol.asyncDispose]();
  await setUp.authority?.[Symbol.asyncDispose]();
  await setUp.folder?.[Symbol.asyncDispose]();
});

describe("a port with several names", () => {
  test("shows each server name the certificate that has it, the whole name before the wildcard", async () => {
    await serving([
      https("apex", "a.example.com", { "a.example.com": [webRule("apex")] }, ["wild", "exact"]),
      https("wild", "*.example.com", { "*.example.com": [webRule("wild")] }, ["wild"]),
      https("rest", "", { "": [webRule("rest")] }, ["other"]),
    ]);

    expect(await namesShownTo("a.example.com")).toContain("DNS:a.example.com");
    expect(await namesShownTo("b.example.com")).toContain("DNS:*.example.com");
    expect(await namesShownTo("elsewhere.net")).toContain("DNS:other.org");
  });

  test("serves the listener that the server name chose, and tells its name in the log", async () => {
    await using client = await secure("a.example.com");

    const answer = await client.get("/", [["Host", "a.example.com"]]);

    expect(answer.text).toBe("served");
    expect(await setUp.gateway.line(client)).toMatchObject({
      ...{ direction: "gateway", listener: "default/edge/apex", route_name: "apex" },
      requested_server_name: "a.example.com",
    });
  });

  test("says 421 for the host of another listener, and goes on serving its own", async () => {
    await using client = await secure("a.example.com");

    const answers = [];
    for (const host of ["b.example.com", "elsewhere.net", "a.example.com"]) {
      answers.push((await client.get("/", [["Host", host]])).status);
    }

    expect(answers).toEqual([421, 421, 200]);
  });

  test("tells the app that it was https, and where from", async () => {
    await using client = await secure("a.example.com");

    await client.get("/", [["Host", "a.example.com"]]);

    const { fields } = setUp.backend.requests.at(-1)!;
    expect(Object.fromEntries(fields)).toMatchObject({
      "x-forwarded-proto": "https",
      "x-forwarded-for": "127.0.0.1",
      "x-forwarded-host": "a.example.com",
    });
  });
});

describe("a name that no listener takes", () => {
  test("ends the handshake, and is counted", async () => {
    await serving([https("apex", "a.example.com", { "": [webRule("apex")] }, ["exact"])]);
    const reason = { direction: "gateway", reason: "no listener for the server name" };
    const before = await setUp.gateway.metric("mesh_handshakes_failed_total", reason);

    const seen = setUp.backend.requests.length;

    for (const name of ["b.example.com", ""]) {
      await using client = await secure(name).catch(() => null);
      await client?.send("GET / HTTP/1.1\r\nHost: a.example.com\r\n\r\n");
      await client?.ended;
    }

    expect(await setUp.gateway.metric("mesh_handshakes_failed_total", reason)).toBe(before + 2);
    expect(setUp.backend.requests.length).toBe(seen);
  });

  test("is told so by TLS", async () => {
    const to = ["-connect", `127.0.0.1:${setUp.port}`, "-servername", "b.example.com"];
    const client = Bun.spawn(["openssl", "s_client", ...to], { stdin: "ignore", stdout: "ignore", stderr: "pipe" });

    expect(await new Response(client.stderr).text()).toContain("unrecognized name");
  });

  test.each([
    ["plaintext", "GET / HTTP/1.1\r\nHost: a.example.com\r\n\r\n"],
    ["a handshake that is none", "\x16\x03\x01\x00\x05hello"],
  ])("%s on a TLS port ends the connection", async (_, bytes) => {
    const seen = setUp.backend.requests.length;
    await using client = await connect(setUp.port);

    await client.send(bytes);
    await client.ended;

    expect(setUp.backend.requests.length).toBe(seen);
  });

  test("a connection that says nothing and leaves is refused nothing", async () => {
    const before = await setUp.gateway.metric("mesh_handshakes_failed_total");
    await using client = await connect(setUp.port);

    client.connection.shutdown();

    expect(await client.ended).toBe("fin");
    expect(await setUp.gateway.metric("mesh_handshakes_failed_total")).toBe(before);
  });
});

describe("curl", () => {
  test.each([
    ["--http1.1", "1.1"],
    ["--http2", "2"],
  ])("%s is served, with the certificate verified", async (version, spoken) => {
    await serving([https("apex", "a.example.com", { "": [webRule("apex")] }, ["exact"])]);

    const { stdout } = await curl("a.example.com", version, "-w", " %{http_version}");

    expect(stdout).toBe(`served ${spoken}`);
  });

  test("an HTTP/2 connection that is used for another listener's host is told to make another", async () => {
    await serving([
      https("apex", "a.example.com", { "": [webRule("apex")] }, ["wild"]),
      https("wild", "*.example.com", { "": [webRule("wild")] }, ["wild"]),
    ]);

    const { stdout } = await curl("b.example.com", "--http2", "-H", "Host: a.example.com", "-w", "%{http_code}");

    expect(stdout).toEndWith("421");
  });
});

describe("certificates that change", () => {
  test("are what new connections see, while those that are there go on", async () => {
    await serving([https("apex", "a.example.com", { "": [webRule("apex")] }, ["exact"])]);
    await using before = await secure("a.example.com");
    expect((await before.get("/", HOST)).status).toBe(200);
    const serial = await serialShown();

    await serving([https("apex", "a.example.com", { "": [webRule("apex")] }, ["renewed"])]);

    expect(serial).toBe(serialOf("exact"));
    expect(await serialShown()).toBe(serialOf("renewed"));
    expect((await before.get("/", HOST)).status).toBe(200);
    expect(before.connection.isOpen).toBe(true);
  });

  test("and listeners that come and go cost no handshake and no request, however often they do", async () => {
    const all = (pair: "exact" | "renewed") => [
      https("apex", "a.example.com", { "a.example.com": [webRule("apex")] }, [pair]),
      ...(pair === "renewed" ? [https("wild", "*.example.com", { "": [webRule("wild")] }, ["wild"])] : []),
    ];
    await serving(all("exact"));
    let isOver = false;
    const statuses: number[] = [];
    const traffic = Array.from({ length: 4 }, async () => {
      while (!isOver) {
        await using client = await secure("a.example.com");
        for (let i = 0; i < 3; i++) statuses.push((await client.get("/", HOST)).status);
      }
    });

    for (let i = 0; i < 20; i++) {
      await serving(all(i % 2 === 0 ? "renewed" : "exact"));
      await eventually(() => statuses.length > i * 5);
    }
    isOver = true;
    await Promise.all(traffic);

    expect(statuses.length).toBeGreaterThan(100);
    expect(statuses.filter((status) => status !== 200)).toEqual([]);
  });

  test("a listener that goes ends its connections behind what is under way, the others stay", async () => {
    await serving([
      https("apex", "a.example.com", { "": [webRule("apex")] }, ["exact"]),
      https("wild", "*.example.com", { "": [webRule("wild")] }, ["wild"]),
    ]);
    await using goes = await secure("a.example.com");
    await using stays = await secure("b.example.com");
    expect((await goes.get("/", HOST)).status).toBe(200);

    await serving([https("wild", "*.example.com", { "": [webRule("wild")] }, ["wild"])]);

    expect(await goes.ended).toBe("fin");
    expect((await stays.get("/", [["Host", "b.example.com"]])).status).toBe(200);
  });
});

describe("clients that must prove themselves", () => {
  test.each([
    ["AllowValidOnly", [200, 0, 0]],
    ["AllowInsecureFallback", [200, 200, 200]],
  ] as const)("%s: one that does, one without a certificate, one of another authority", async (mode, statuses) => {
    await using strangers = await certificates();
    const { folder, authority } = setUp;
    const known = await filesOf(folder, "known", await authority.issue(ID));
    const stranger = await filesOf(folder, "stranger", await strangers.issue(ID));
    const clients = { roots: authority.bundle, mode };
    await serving([https("apex", "a.example.com", { "": [webRule("apex")] }, ["exact"], clients)]);

    const codes: number[] = [];
    for (const files of [known, [], stranger]) {
      codes.push(Number((await curl("a.example.com", ...files, "-o", "/dev/null", "-w", "%{http_code}")).stdout));
    }

    expect(codes).toEqual([...statuses]);
  });
});

const HOST = [["Host", "a.example.com"]] as const;

function https(
  name: string,
  hostname: string,
  hosts: Parameters<typeof listenerModel>[2],
  pairs: readonly (keyof SetUp["pairs"])[],
  clients?: NonNullable<GatewayListenerModel["tls"]>["clients"],
): GatewayListenerModel {
  const tls = { mode: "Terminate" as const, certificates: pairs.map((pair) => setUp.pairs[pair]) };
  return listenerModel(name, hostname, hosts, { tls: clients === undefined ? tls : { ...tls, clients } });
}

async function serving(listeners: readonly GatewayListenerModel[]): Promise<void> {
  const gateway = gatewayResource([{ port: setUp.port, transport: "tls", listeners }]);
  const resources: Resource[] = [gateway, clusterResource("default/web:80", [setUp.backend.port])];
  await setUp.gateway.apply(resources);
}

async function secure(serverName: string): Promise<Client> {
  const named = serverName === "" ? {} : { serverName };
  return await connect({ port: setUp.port, tls: { ca: setUp.authority.bundle, rejectUnauthorized: false, ...named } });
}

async function shownTo(serverName: string): Promise<X509Certificate> {
  await using client = await secure(serverName);
  const { socket } = client.connection;
  return new X509Certificate(
    (socket as unknown as { getPeerX509Certificate(): { raw: Buffer } }).getPeerX509Certificate().raw,
  );
}

async function namesShownTo(serverName: string): Promise<string> {
  return (await shownTo(serverName)).subjectAltName ?? "";
}

async function serialShown(): Promise<string> {
  return (await shownTo("a.example.com")).serialNumber;
}

function serialOf(pair: keyof SetUp["pairs"]): string {
  return new X509Certificate(setUp.pairs[pair].certificate).serialNumber;
}

async function filesOf(folder: Folder, name: string, pair: KeyPairModel): Promise<string[]> {
  const cert = await folder.write(`${name}.pem`, pair.certificate);
  const key = await folder.write(join(`${name}.key`), pair.privateKey);
  return ["--cert", cert, "--key", key];
}

/** Asks as a stranger's curl would; a handshake that fails is the status 000. */
async function curl(host: string, ...words: readonly string[]): Promise<{ stdout: string; code: number }> {
  const resolve = ["--resolve", `${host}:${setUp.port}:127.0.0.1`, "--cacert", setUp.ca];
  const process = Bun.spawn(["curl", "-s", ...resolve, ...words, `https://${host}:${setUp.port}/`], {
    stdout: "pipe",
  });
  const stdout = await new Response(process.stdout).text();
  return { stdout, code: await process.exited };
}
