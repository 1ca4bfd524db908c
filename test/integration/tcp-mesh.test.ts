import { afterEach, expect, test } from "bun:test";
import { type Accepting, startAccepting } from "../harness/accepted.ts";
import { ok, startBackend } from "../harness/backend.ts";
import { certificates } from "../harness/certificates.ts";
import { clientHello } from "../harness/client-hello.ts";
import { type Connection, open } from "../harness/connection.ts";
import { eventually } from "../harness/eventually.ts";
import { type MeshOfPeers, startPeers } from "../harness/pair.ts";
import { hashOf, pour } from "../harness/pour.ts";

const setUp = { closers: [] as AsyncDisposable[] };

afterEach(async () => {
  for (const closer of setUp.closers.splice(0).reverse()) await closer[Symbol.asyncDispose]();
});

const DB = `
apiVersion: v1
kind: Service
metadata: {name: db}
spec: {selector: {app: db}, clusterIP: 10.96.0.10, ports: [{name: tcp-db, port: 5432, targetPort: app}]}
`;
const LISTENER = { kind: "service", name: "db", hostname: "127.0.0.1", port: 0, transport: "plain" } as const;
const FORWARD = { kind: "forward", name: "outbound", hostname: "127.0.0.1", port: 0, transport: "plain" } as const;
const TO_DB = { ...LISTENER, host: "db", servicePort: 5432 };

test("bytes cross from sidecar to sidecar by mutual TLS, and both record who was there", async () => {
  const { app, mesh } = await withDatabase();
  await using client = await open(mesh.caller.ports[0]!);
  const atApp = await app.next();

  await atApp.write("hello, who are you?");
  expect((await client.exactly("the greeting", 19)).toString()).toBe("hello, who are you?");
  await client.write("me");
  client.shutdown();
  expect((await atApp.rest("the answer")).toString()).toBe("me");
  atApp.shutdown();

  const [sent, taken] = await eventually(async () => {
    const lines = [...(await mesh.caller.lines()), ...(await mesh.sidecars[0]!.lines())];
    if (lines.length < 2) throw new Error(`Cannot find two lines: ${lines.length}`);
    return lines;
  });
  const identities = {
    source_principal: "spiffe://cluster.local/ns/default/sa/caller",
    destination_principal: "spiffe://cluster.local/ns/default/sa/db",
  };
  expect(sent).toMatchObject({ ...identities, direction: "outbound", bytes_sent: 19, bytes_received: 2 });
  expect(taken).toMatchObject({ ...identities, direction: "inbound", bytes_sent: 19, bytes_received: 2 });
  const secured = { connection_security_policy: "mutual_tls", request_protocol: "tcp", destination_service_name: "db" };
  expect(mesh.caller.metric("istio_tcp_sent_bytes_total", { ...secured, reporter: "source" })).toBe(19);
  expect(mesh.sidecars[0]!.metric("istio_tcp_sent_bytes_total", { ...secured, reporter: "destination" })).toBe(19);
});

test("a client that has said all hears a late answer from behind both proxies, and the other way round", async () => {
  const { app, mesh } = await withDatabase();
  await using client = await open(mesh.caller.ports[0]!);
  await using other = await open(mesh.caller.ports[0]!);
  const [first, second] = [await app.next(), await app.next()];

  await client.write("question");
  client.shutdown();
  await Promise.any([first, second].map((each) => each.ready()));
  const [asked, quiet] = first.unread.length > 0 ? [first, second] : [second, first];
  expect((await asked.rest("the question")).toString()).toBe("question");
  await asked.write("late answer");
  asked.shutdown();
  expect((await client.rest("the answer")).toString()).toBe("late answer");

  await quiet.write("bye");
  quiet.shutdown();
  expect((await other.rest("the end")).toString()).toBe("bye");
  await other.write("last words");
  other.shutdown();
  expect((await quiet.rest("the last words")).toString()).toBe("last words");
});

test("30 MB go up and 30 MB come down at once through mutual TLS, and are the same", async () => {
  const { app, mesh } = await withDatabase();
  await using client = await open(mesh.caller.ports[0]!);
  const atApp = await app.next();

  const [up, atServer, down, atClient] = await Promise.all([
    pour(client, 1, 30),
    hashOf(atApp),
    pour(atApp, 2, 30),
    hashOf(client),
  ]);

  expect([atServer, atClient]).toEqual([up, down]);
}, 60_000);

test("where one app is not there, another gets all that was said, and the first is ejected in the end", async () => {
  const dead = await startAccepting();
  await dead[Symbol.asyncDispose]();
  const app = await accepting();
  const apps = [
    { name: "db", port: dead.port, protocol: "tcp" },
    { name: "db", port: app.port, protocol: "tcp" },
  ];
  const mesh = await peers(apps, DB, [TO_DB]);

  for (let i = 0; i < 100 && mesh.caller.metric("mesh_ejections_total", { reason: "connect_failed" }) === 0; i++) {
    await using client = await open(mesh.caller.ports[0]!);
    await client.write(`all I said ${i}`);
    client.shutdown();
    expect((await (await app.next()).rest("all of it")).toString()).toBe(`all I said ${i}`);
  }

  expect(mesh.caller.metric("mesh_ejections_total", { reason: "connect_failed" })).toBe(1);
  expect(mesh.sidecars[0]!.metric("mesh_refusals_total", { reason: "UF" })).toBeGreaterThanOrEqual(5);
  expect(mesh.caller.metric("mesh_retries_total", { outcome: "made" })).toBeGreaterThanOrEqual(5);
});

test("where plaintext is let in, bytes are too, and end when it no longer is", async () => {
  const app = await accepting();
  const yaml = `apiVersion: mesh.dev/v1
kind: Mesh
metadata: {name: mesh}
spec: {mtls: {mode: PERMISSIVE}}
---
${DB}`;
  const mesh = await peers([{ name: "db", port: app.port, protocol: "tcp" }], yaml, [TO_DB]);
  const [sidecar] = mesh.sidecars;
  await using plain = await open(sidecar!.ports[0]!);
  await using secured = await open(mesh.caller.ports[0]!);
  const atSecured = await app.next();
  await plain.write("hello");
  const atPlain = await app.next();
  expect((await atPlain.exactly("the bytes", 5)).toString()).toBe("hello");

  const { revision, resources } = mesh.modelFor("db");
  const strict = resources.map((each) =>
    each.kind === "mesh" ? { ...each, version: "strict", model: { ...each.model, mtls: "STRICT" as const } } : each,
  );
  await sidecar!.plane.apply({ revision, resources: strict });

  expect(await plain.ended).toBe("reset");
  expect(await atPlain.ended).toBe("reset");
  await atSecured.write("still here");
  expect((await secured.exactly("the bytes", 10)).toString()).toBe("still here");
});

test("a drain lets bytes that are under way go on, and counts them", async () => {
  const { app, mesh } = await withDatabase();
  await using client = await open(mesh.caller.ports[0]!);
  const atApp = await app.next();

  mesh.caller.plane.drain();

  expect(mesh.caller.plane.active).toBe(1);
  expect(await open(mesh.caller.ports[0]!).catch(() => null)).toBeNull();
  await atApp.write("to the end");
  expect((await client.exactly("the bytes", 10)).toString()).toBe("to the end");
  client.shutdown();
  atApp.shutdown();
  await eventually(() => mesh.caller.plane.active === 0);
});

test("a reset behind the second proxy is a reset in front of the first", async () => {
  const { app, mesh } = await withDatabase();
  await using client = await open(mesh.caller.ports[0]!);
  const atApp = await app.next();
  await client.write("x");
  await atApp.exactly("a byte", 1);

  atApp.reset();

  expect(await client.ended).toBe("reset");
});

test.each([
  ["speaks HTTP only", Buffer.from("\x07mesh/h2\x08http/1.1", "latin1"), "NO_APPLICATION_PROTOCOL"],
  ["agrees on nothing", undefined, "it does not speak mesh/tcp"],
])("a peer of the right identity that %s is sent no byte, and the reason is recorded", async (_, protocols, reason) => {
  const heard: Buffer[] = [];
  await using authority = await certificates();
  const { certificate: cert, privateKey: key, bundle } = await authority.issue(idOf("old"));
  const tls = { cert, key, ca: bundle, requestCert: true, rejectUnauthorized: false };
  const old = Bun.listen({
    ...{ hostname: "127.0.0.1", port: 0 },
    tls: { ...tls, ...(protocols === undefined ? {} : { ALPNProtocols: protocols }) },
    socket: { data: (_socket, bytes) => void heard.push(bytes) },
  });
  const yaml = `${DB.replace("app: db", "app: old")}---
apiVersion: mesh.dev/v1
kind: Workload
metadata: {name: old, labels: {app: old}}
spec: {address: 127.0.0.1, identity: "${idOf("old")}", ports: [{name: app, port: 5432, inboundPort: ${old.port}}]}
`;
  const mesh = await startPeers([], yaml, [TO_DB], authority);
  setUp.closers.push(mesh);
  await using client = await open(mesh.caller.ports[0]!);

  await client.write("SELECT 1");

  expect(await client.ended).toBe("reset");
  const [line] = await linesOf(mesh, 1);
  expect(line).toMatchObject({ response_flags: "DN", bytes_sent: 0 });
  expect(line!["response_code_details"]).toContain(reason);
  expect(heard).toEqual([]);
  old.stop(true);
});

test("a TLSRoute of a Service takes its server names, and a client that names another is reset", async () => {
  const [db, other] = [await accepting(), await accepting()];
  const apps = [
    { name: "db", port: db.port, protocol: "tcp" },
    { name: "other", port: other.port, protocol: "tcp" },
  ];
  const yaml = `${DB}---
${DB.replaceAll("db", "other").replace("clusterIP: 10.96.0.10, ", "")}---
apiVersion: gateway.networking.k8s.io/v1alpha3
kind: TLSRoute
metadata: {name: names}
spec:
  parentRefs: [{kind: Service, group: "", name: db, port: 5432}]
  hostnames: ["*.example.com"]
  rules: [{backendRefs: [{name: other, port: 5432}]}]
`;
  const mesh = await peers(apps, yaml, [TO_DB]);
  const hello = clientHello({ serverName: "a.example.com" });
  await using client = await open(mesh.caller.ports[0]!);
  await using stranger = await open(mesh.caller.ports[0]!);

  await client.write(hello);
  await stranger.write(clientHello({ serverName: "elsewhere.org" }));

  expect(await (await other.next()).exactly("the hello", hello.length)).toEqual(hello);
  expect(await stranger.ended).toBe("reset");
  expect(db.accepted).toEqual([]);
});

test("a Service takes as many connections of a proxy as its policy allows, and says why no more", async () => {
  const app = await accepting();
  const yaml = `${DB}---
apiVersion: mesh.dev/v1
kind: TrafficPolicy
metadata: {name: few}
spec:
  targetRefs: [{kind: Service, group: "", name: db}]
  limits: {connectionsPerEndpoint: 1}
`;
  const mesh = await peers([{ name: "db", port: app.port, protocol: "tcp" }], yaml, [TO_DB]);
  await using first = await open(mesh.caller.ports[0]!);
  await app.next();
  await using second = await open(mesh.caller.ports[0]!);

  expect(await second.ended).toBe("reset");
  expect(first.isOpen).toBe(true);
  const [line] = await linesOf(mesh, 1);
  expect(line).toMatchObject({ response_flags: "UO" });
});

test("a listener whose Service is not known yet asks for it, and the connection waits with what it says", async () => {
  const app = await accepting();
  const mesh = await peers([{ name: "db", port: app.port, protocol: "tcp" }], DB, [TO_DB, FORWARD]);
  const { snapshot } = mesh.caller.plane;
  const answer = Promise.withResolvers<void>();
  const asked: string[] = [];
  const late = await mesh.join("late", [TO_DB], {
    want: async (host, plane) => {
      asked.push(host);
      await answer.promise;
      await plane.apply(mesh.modelFor("late"));
    },
  });
  await using client = await open(late.ports[0]!);
  await client.write("early");
  await eventually(() => asked.length === 1);
  expect(app.accepted).toEqual([]);

  answer.resolve();

  expect((await (await app.next()).exactly("the bytes", 5)).toString()).toBe("early");
  expect([asked, snapshot.revision]).toEqual([["db"], "r1"]);
});

test("CONNECT reaches a Service of bytes by its name and by its virtual address, through the mesh", async () => {
  const { app, mesh } = await withDatabase();
  for (const host of ["db:5432", "db.default.svc.cluster.local:5432", "10.96.0.10:5432"]) {
    await using client = await connectTo(mesh, host);
    const atApp = await app.next();

    await client.write("in the tunnel");

    expect((await atApp.exactly("the bytes", 13)).toString()).toBe("in the tunnel");
    expect(await client.until("the answer", "\r\n\r\n")).toEqual(Buffer.from(ESTABLISHED));
    atApp.reset();
  }
});

test("a CONNECT that comes to nothing is answered with the reason", async () => {
  const { app, mesh } = await withDatabase();
  await app[Symbol.asyncDispose]();
  await using client = await connectTo(mesh, "db:5432");

  const answer = (await client.rest("the answer")).toString();

  expect(answer).toStartWith("HTTP/1.1 503 ");
  expect(answer).toContain("x-mesh-flag: UF\r\n");
  expect(answer).toContain("Cannot reach the app behind");
});

test("CONNECT to a Service of requests takes the route of the port it names, whatever the Host says", async () => {
  const [one, two] = [await startBackend(ok("one")), await startBackend(ok("two"))];
  setUp.closers.push(one, two);
  const apps = [
    { name: "one", port: one.port, protocol: "http" },
    { name: "two", port: two.port, protocol: "http" },
  ];
  const yaml = `
apiVersion: v1
kind: Service
metadata: {name: one}
spec: {selector: {app: one}, clusterIP: 10.96.0.1, ports: [{name: http, port: 80, targetPort: app}, {name: plain, port: 8080, targetPort: app}]}
---
apiVersion: v1
kind: Service
metadata: {name: two}
spec: {selector: {app: two}, ports: [{name: http, port: 80, targetPort: app}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: detour}
spec:
  parentRefs: [{kind: Service, group: "", name: one, port: 80}]
  rules: [{backendRefs: [{name: two, port: 80}]}]
`;
  const mesh = await peers(apps, yaml, [FORWARD]);
  const said: string[] = [];
  for (const host of ["one:80", "10.96.0.1:80", "one:8080"]) {
    await using client = await connectTo(mesh, host);
    await client.write("GET / HTTP/1.1\r\nHost: somebody.else\r\nConnection: close\r\n\r\n");
    await client.until("the tunnel", "\r\n\r\n");
    said.push((await client.rest("the answer")).toString().slice(-3));
  }

  expect(said).toEqual(["two", "two", "one"]);
  const lines = await linesOf(mesh, 3);
  expect(lines.map(({ method, path, response_code: code }) => [method, path, code])).toEqual(
    Array.from({ length: 3 }, () => ["GET", "/", 200]),
  );
});

test("an endpoint's own address takes no route, and its sidecar is still asked who it is", async () => {
  const [one, two] = [await startBackend(ok("one")), await startBackend(ok("two"))];
  setUp.closers.push(one, two);
  const apps = [
    { name: "one", port: one.port, protocol: "http" },
    { name: "two", port: two.port, protocol: "http" },
  ];
  const yaml = `
apiVersion: v1
kind: Service
metadata: {name: one}
spec: {selector: {app: one}, ports: [{name: http, port: 80, targetPort: app}]}
---
apiVersion: v1
kind: Service
metadata: {name: two}
spec: {selector: {app: two}, ports: [{name: http, port: 80, targetPort: app}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: detour}
spec:
  parentRefs: [{kind: Service, group: "", name: one, port: 80}]
  rules: [{backendRefs: [{name: two, port: 80}]}]
`;
  const mesh = await peers(apps, yaml, [FORWARD]);
  const address = `127.0.0.1:${mesh.sidecars[0]!.ports[0]}`;
  await using client = await connectTo(mesh, address);
  await using other = await open(mesh.caller.ports[0]!);

  await client.write("GET / HTTP/1.1\r\nHost: one\r\nConnection: close\r\n\r\n");
  await other.write(`GET http://${address}/ HTTP/1.1\r\nHost: ${address}\r\nConnection: close\r\n\r\n`);

  await client.until("the tunnel", "\r\n\r\n");
  expect((await client.rest("the answer")).toString().slice(-3)).toBe("one");
  expect((await other.rest("the answer")).toString().slice(-3)).toBe("one");
  expect(mesh.sidecars[0]!.metric("istio_requests_total", { connection_security_policy: "mutual_tls" })).toBe(2);
});

const ESTABLISHED = "HTTP/1.1 200 Connection Established\r\n\r\n";

async function connectTo(mesh: MeshOfPeers, authority: string): Promise<Connection> {
  const client = await open(mesh.caller.ports.at(-1)!);
  await client.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`);
  return client;
}

function idOf(name: string): string {
  return `spiffe://cluster.local/ns/default/sa/${name}`;
}

function linesOf(mesh: MeshOfPeers, count: number) {
  return eventually(async () => {
    const found = await mesh.caller.lines();
    if (found.length < count) throw new Error(`Cannot find ${count} lines: ${found.length}`);
    return found;
  });
}

async function accepting(): Promise<Accepting> {
  const app = await startAccepting();
  setUp.closers.push(app);
  return app;
}

async function peers(...args: Parameters<typeof startPeers>): Promise<MeshOfPeers> {
  const mesh = await startPeers(...args);
  setUp.closers.push(mesh);
  return mesh;
}

async function withDatabase() {
  const app = await accepting();
  const mesh = await peers([{ name: "db", port: app.port, protocol: "tcp" }], DB, [TO_DB, FORWARD]);
  return { app, mesh };
}
