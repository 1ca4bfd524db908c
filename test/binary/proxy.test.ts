import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import {
  type Backend,
  eventually,
  type Folder,
  type Program,
  request,
  runBinary,
  startBackend,
  startBinary,
  temporaryFolder,
} from "../harness/mod.ts";

test("pages of the program that nobody uses are given back, and traffic goes on", async () => {
  await using proxy = await serving();
  const atStart = residentKb(proxy.program);

  await eventually(() => residentKb(proxy.program) < atStart * 0.6, 15_000);

  expect((await request(proxy.port)).status).toBe(200);
  expect(proxy.program.stderr).toBe("");
}, 20_000);

test("with --trim off nothing is given back", async () => {
  await using trimmed = await serving();
  await using untouched = await serving(["--trim", "off"]);
  const atStart = residentKb(untouched.program);

  await eventually(() => residentKb(trimmed.program) < atStart * 0.6, 15_000);

  expect(residentKb(untouched.program)).toBeGreaterThan(atStart * 0.8);
}, 20_000);

test("what reads manifests is gone from the process that serves them", async () => {
  await using proxy = await serving();

  await eventually(() => expect(childrenOf(proxy.program)).toEqual([]));

  // It has about 11,000; schemas and the YAML reader would be twice as much.
  expect(privateKb(proxy.program)).toBeLessThan(16_000);
});

test("a change of the manifests is served, and a bad one is told with its place and not served", async () => {
  await using proxy = await serving();

  await proxy.folder.write("web.yaml", manifest(proxy.backend, "/new"));
  await eventually(async () => expect((await request(proxy.port)).status).toBe(404));
  await proxy.folder.write("web.yaml", "kind: [");
  await eventually(() => expect(proxy.program.stderr).toContain("the one before serves on"));

  const told = proxy.program.stderr.split("\n").find((line) => line.includes('"line":1'));
  expect(JSON.parse(told!)).toMatchObject({ level: "error", file: `${proxy.folder.path}/web.yaml` });
  expect((await request(proxy.port, { target: "/new" })).status).toBe(200);
});

test("manifests that cannot run are refused with their first problem, in one line", async () => {
  await using folder = temporaryFolder();
  await folder.write("a.yaml", "apiVersion: v1\nkind: Service\nmetadata: { name: WEB }\nspec: {}\n");

  const { code, stderr } = await runBinary(["proxy", "--config", folder.path, "--listen", "127.0.0.1:0=web"]);

  expect(code).toBe(1);
  expect(stderr).toMatch(/^mesh: Cannot run [^\n]+a\.yaml:3:\d+ metadata\.name [^\n]+"mesh validate [^\n]+\n$/);
});

interface Serving extends AsyncDisposable {
  readonly program: Program;
  readonly port: number;
  readonly folder: Folder;
  readonly backend: Backend;
}

/** A proxy of its own process before a backend, with its manifests. */
async function serving(more: readonly string[] = []): Promise<Serving> {
  const backend = await startBackend();
  const folder = temporaryFolder();
  await folder.write("web.yaml", manifest(backend, "/"));
  const doors = ["--admin", "--health", "--metrics"].flatMap((door) => [door, "127.0.0.1:0"]);
  const words = ["--config", folder.path, "--listen", "127.0.0.1:0=web", "--concurrency", "1", "-o", "json"];
  const program = await startBinary(["proxy", ...words, ...doors, ...more]);
  const { listeners } = (await program.ready()) as { listeners: readonly { readonly address: string }[] };
  return {
    program,
    port: Number(listeners[0]!.address.split(":").at(-1)),
    folder,
    backend,
    async [Symbol.asyncDispose]() {
      await program[Symbol.asyncDispose]();
      await backend[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

function manifest({ port }: Backend, prefix: string): string {
  return `apiVersion: v1
kind: Service
metadata: { name: web }
spec:
  ports: [{ name: http, port: 80 }]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: web-1, labels: { kubernetes.io/service-name: web } }
addressType: IPv4
ports: [{ name: http, port: ${port} }]
endpoints: [{ addresses: [127.0.0.1] }]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: web }
spec:
  parentRefs: [{ group: "", kind: Service, name: web, port: 80 }]
  rules:
    - matches: [{ path: { type: PathPrefix, value: ${prefix} } }]
      backendRefs: [{ name: web, port: 80 }]
`;
}

function residentKb({ pid }: Program): number {
  return kilobytes(pid, "Rss");
}

function privateKb({ pid }: Program): number {
  return kilobytes(pid, "Anonymous");
}

function kilobytes(pid: number, name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))![1]);
}

function childrenOf({ pid }: Program): string[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8")
    .split(" ")
    .filter((child) => child !== "");
}
