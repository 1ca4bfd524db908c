import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { type Backend, ok, startBackend } from "../harness/backend.ts";
import { type Program, runBinary, startBinary } from "../harness/binary.ts";
import { type Certificates, certificates, type IdentityFiles } from "../harness/certificates.ts";
import { connect, request } from "../harness/client.ts";
import { eventually } from "../harness/eventually.ts";
import { type Folder, temporaryFolder } from "../harness/folder.ts";
import { freePort, type Member, serviceYaml, startMesh, type TestMesh } from "../harness/mesh.ts";

const HOST = "shop.example.com";

const setUp = {} as { authority: Certificates; pair: IdentityFiles; renewed: IdentityFiles; backend: Backend };

beforeAll(async () => {
  const authority = await certificates();
  const issue = () => authority.issue("spiffe://example.org/ns/default/sa/edge", 3600, HOST);
  const [pair, renewed] = await Promise.all([issue(), issue()]);
  Object.assign(setUp, { authority, pair, renewed, backend: await startBackend(ok("served")) });
});

afterAll(async () => {
  await setUp.backend?.[Symbol.asyncDispose]();
  await setUp.authority?.[Symbol.asyncDispose]();
});

describe("a gateway that joins a mesh", () => {
  const ports = { http: freePort(), https: freePort(), later: freePort() };
  const joined = {} as { mesh: TestMesh; web: Member; edge: Member };

  beforeAll(async () => {
    const mesh = await startMesh();
    await mesh.apply(`${serviceYaml("web")}${gatewayYaml(ports)}${secretYaml(setUp.pair)}${routeYaml("web")}`);
    const web = await mesh.join("web", { port: setUp.backend.port });
    const edge = await mesh.join("edge", { flags: ["--gateway", "edge", "--gateway-bind", "127.0.0.1"] });
    Object.assign(joined, { mesh, web, edge });
    await mesh.settled();
    await eventually(async () => (await asked()) === "served", 10_000);
  }, 60_000);

  afterAll(async () => await joined.mesh?.[Symbol.asyncDispose]());

  const asked = async (): Promise<string> => {
    const answer = await request(ports.http, { fields: [["Host", HOST]] }).catch(() => null);
    return answer?.text ?? "";
  };

  test("serves its listeners by mutual TLS to the workloads behind them, and the app learns who called", async () => {
    await using client = await secure(ports.https);

    expect((await client.get("/", [["Host", HOST]])).text).toBe("served");

    const { fields } = setUp.backend.requests.at(-1)!;
    const told = Object.fromEntries(fields.map(([name, value]) => [name.toLowerCase(), value]));
    expect(told["x-forwarded-client-cert"]).toContain(`URI=${joined.edge.identity}`);
    expect(told).toMatchObject({ "x-forwarded-for": "127.0.0.1", "x-forwarded-proto": "https" });
    const [line] = await joined.edge.lines((each) => each["requested_server_name"] === HOST);
    expect(line).toMatchObject({ direction: "gateway", destination_principal: joined.web.identity });
  });

  test("tells where it serves, and follows a change of its ports and certificate under traffic", async () => {
    const { mesh } = joined;
    await using client = await secure(ports.https);
    const answers: number[] = [];
    let isOver = false;
    const traffic = (async () => {
      while (!isOver) answers.push((await client.get("/", [["Host", HOST]])).status);
    })();

    await mesh.apply(`${gatewayYaml(ports, ports.later)}${secretYaml(setUp.renewed)}`);
    await eventually(async () => (await request(ports.later, { fields: [["Host", HOST]] })).status === 200, 10_000);
    await using after = await secure(ports.https);
    isOver = true;
    await traffic;

    expect(answers.length).toBeGreaterThan(0);
    expect(answers.every((status) => status === 200)).toBe(true);
    expect(await serialOf(after)).not.toBe(await serialOf(client));
    const [row] = (await mesh.client.status()).proxies.filter(({ name }) => name === "edge");
    expect(row!.gateways).toEqual([{ name: "default/edge", addresses: ["127.0.0.1"], problems: [] }]);
  });

  test("shows no private key to whoever looks at its configuration", async () => {
    const text = await (await fetch(`${joined.edge.admin}/config`)).text();

    expect(text).toContain('"kind":"gateway"');
    expect(text).not.toContain("PRIVATE KEY");
  });

  test("tells the control plane of a port that it cannot bind", async () => {
    const taken = freePort();
    const other = Bun.listen({ hostname: "127.0.0.1", port: taken, socket: { data() {} } });

    await joined.mesh.apply(gatewayYaml(ports, taken));

    const row = await eventually(async () => {
      const found = (await joined.mesh.client.status()).proxies.find(({ name }) => name === "edge");
      return found!.gateways[0]?.problems.length === 1 ? found! : null;
    }, 10_000);
    other.stop(true);
    expect(row!.gateways[0]!.problems[0]).toMatchObject({ port: taken, address: "127.0.0.1" });
  });

  test("goes on where the control plane is away", async () => {
    joined.mesh.control.kill("SIGKILL");
    await joined.mesh.control.exited;

    expect(await asked()).toBe("served");
  });
});

describe("a gateway from files", () => {
  test("serves its Gateway, alone, at its ports with an offset, and the ready line names all that is bound", async () => {
    await using folder = temporaryFolder();
    const high = freePort();
    await folder.write("config/all.yaml", `${gatewayYaml({ http: 80, https: 443 })}${secretYaml(setUp.pair)}`);
    await folder.write("config/web.yaml", `${routeYaml("web")}${outsideYaml("web", setUp.backend.port)}`);
    await using program = await gatewayFrom(folder, ["--gateway", "edge", "--gateway-port-offset", String(high - 80)]);

    const { listeners } = await program.ready();

    expect(listeners).toEqual([
      { name: "default/edge:80", address: `127.0.0.1:${high}` },
      { name: "default/edge:443", address: `127.0.0.1:${high + 363}` },
    ]);
    expect((await request(high, { fields: [["Host", HOST]] })).text).toBe("served");
    await using client = await secure(high + 363);
    expect((await client.get("/", [["Host", HOST]])).text).toBe("served");
  }, 30_000);

  test("says with its ready line which ports it cannot serve, and serves the others", async () => {
    await using folder = temporaryFolder();
    const [taken, free] = [freePort(), freePort()];
    const other = Bun.listen({ hostname: "127.0.0.1", port: taken, socket: { data() {} } });
    await folder.write("config/all.yaml", `${gatewayYaml({ http: taken, https: free })}${secretYaml(setUp.pair)}`);
    await folder.write("config/web.yaml", `${routeYaml("web")}${outsideYaml("web", setUp.backend.port)}`);
    await using program = await gatewayFrom(folder, ["--gateway", "*"]);

    const { problems, listeners } = await program.ready();
    other.stop(true);

    expect(problems).toMatchObject([{ gateway: "default/edge", port: taken, address: "127.0.0.1" }]);
    expect(listeners).toEqual([{ name: `default/edge:${free}`, address: `127.0.0.1:${free}` }]);
    await using client = await secure(free);
    expect((await client.get("/", [["Host", HOST]])).text).toBe("served");
  }, 30_000);

  test("runs the guards of a Service whose endpoints have no sidecar that would", async () => {
    await using folder = temporaryFolder();
    const port = freePort();
    await folder.write("config/all.yaml", `${gatewayYaml({ http: port, https: freePort() })}${routeYaml("web")}`);
    await folder.write("config/web.yaml", `${outsideYaml("web", setUp.backend.port)}${GUARD}`);
    await using program = await gatewayFrom(folder, ["--gateway", "*"]);
    await program.ready();
    const seen = setUp.backend.requests.length;

    const without = await request(port, { fields: [["Host", HOST]] });
    const fields = [
      ["Host", HOST],
      ["x-api-key", "alice-key"],
    ] as const;
    const withKey = await request(port, { fields });

    expect([without.status, withKey.status]).toEqual([401, 200]);
    expect(setUp.backend.requests.length).toBe(seen + 1);
  }, 30_000);

  test("opens nothing any more while it drains, and finishes what is under way", async () => {
    await using folder = temporaryFolder();
    const [port, later, gate] = [freePort(), freePort(), Promise.withResolvers<void>()];
    await using slow = await startBackend(async (asked, to) => {
      await gate.promise;
      await ok("at last")(asked, to);
    });
    const config = `${routeYaml("web")}${outsideYaml("web", slow.port)}${secretYaml(setUp.pair)}`;
    const https = freePort();
    await folder.write("config/all.yaml", `${gatewayYaml({ http: port, https })}${config}`);
    await using program = await gatewayFrom(folder, ["--gateway", "*"]);
    await program.ready();
    const held = request(port, { fields: [["Host", HOST]] });
    await eventually(() => slow.requests.length === 1);

    program.kill("SIGTERM");
    await eventually(() => isClosed(port));
    await folder.write("config/all.yaml", `${gatewayYaml({ http: port, https }, later)}${config}`);
    await eventually(() => program.stderr.includes("configuration reloaded"));
    gate.resolve();

    expect((await held).text).toBe("at last");
    expect(await program.exited).toBe(0);
    expect(program.stderr).not.toContain(`127.0.0.1:${later}`);
  }, 30_000);

  test("that no manifest has is told with those that there are", async () => {
    await using folder = temporaryFolder();
    await folder.write("config/all.yaml", gatewayYaml({ http: 80, https: 443 }));

    const { code, stderr } = await runBinary(["proxy", "--config", join(folder.path, "config"), "--gateway", "front"]);

    expect(code).toBe(1);
    expect(stderr).toContain('Cannot run "default/front"');
    expect(stderr).toContain("it has default/edge");
  }, 30_000);
});

/** Nobody listens. A request would tell it too, but one that comes too early has to wait for its answer. */
async function isClosed(port: number): Promise<boolean> {
  try {
    await using _client = await connect(port);
    return false;
  } catch {
    return true;
  }
}

/** The key of alice is "alice-key". */
const GUARD = `---
apiVersion: mesh.dev/v1
kind: Plugin
metadata: {name: api-key}
spec:
  targetRefs: [{kind: Service, name: web}]
  source: {builtin: api-key}
  phase: Authentication
  config:
    header: x-api-key
    keys: {alice: "sha256:72ee9d4355ccb9d3a4c9dbf37382e38e75c1b1a225b5bd1f729ee91bbda30c20"}
`;

function gatewayFrom(folder: Folder, flags: readonly string[]): Promise<Program> {
  const any = "127.0.0.1:0";
  const doors = ["--admin", any, "--metrics", any, "--health", any, "-o", "json", "--concurrency", "2"];
  const bind = ["--gateway-bind", "127.0.0.1", "--access-log", "off"];
  return startBinary(["proxy", "--config", join(folder.path, "config"), ...flags, ...bind, ...doors]);
}

async function secure(port: number) {
  return await connect({ port, tls: { ca: setUp.authority.bundle, serverName: HOST } });
}

async function serialOf(client: Awaited<ReturnType<typeof secure>>): Promise<string> {
  const { socket } = client.connection;
  return (socket as unknown as { getPeerX509Certificate(): { serialNumber: string } }).getPeerX509Certificate()
    .serialNumber;
}

function gatewayYaml({ http, https }: { readonly http: number; readonly https: number }, later?: number): string {
  const more = later === undefined ? "" : `\n    - {name: later, port: ${later}, protocol: HTTP}`;
  return `---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  gatewayClassName: mesh
  listeners:
    - {name: http, port: ${http}, protocol: HTTP}
    - {name: https, port: ${https}, protocol: HTTPS, hostname: ${HOST}, tls: {certificateRefs: [{name: pair}]}}${more}
`;
}

function secretYaml({ certificate, privateKey }: IdentityFiles): string {
  const encoded = (text: string): string => Buffer.from(text).toString("base64");
  return `---
apiVersion: v1
kind: Secret
metadata: {name: pair}
type: kubernetes.io/tls
data: {tls.crt: ${encoded(certificate)}, tls.key: ${encoded(privateKey)}}
`;
}

function routeYaml(service: string): string {
  return `---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop}
spec:
  parentRefs: [{name: edge}]
  hostnames: [${HOST}]
  rules: [{backendRefs: [{name: ${service}, port: 80}]}]
`;
}

function outsideYaml(name: string, port: number): string {
  return `---
apiVersion: v1
kind: Service
metadata: {name: ${name}}
spec: {ports: [{name: http, port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: ${name}-1, labels: {kubernetes.io/service-name: ${name}}}
addressType: IPv4
endpoints: [{addresses: [127.0.0.1]}]
ports: [{name: http, port: ${port}}]
`;
}
