import { expect, test } from "bun:test";
import { join } from "node:path";
import { eventually, type Folder, type Program, runBinary, startBinary, temporaryFolder } from "../harness/mod.ts";

const SERVICE = `apiVersion: v1
kind: Service
metadata: { name: web }
spec: { selector: { app: web }, ports: [{ port: 80 }] }
`;

const GATEWAY = `${SERVICE}---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: edge }
spec: { gatewayClassName: mesh, listeners: [{ name: http, port: 80, protocol: HTTP }] }
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: web }
spec: { parentRefs: [{ name: edge }], rules: [{ backendRefs: [{ name: web, port: 80 }] }] }
---
apiVersion: v1
kind: Secret
metadata: { name: word }
stringData: { word: sesame }
`;

test("mesh control says on one line where it serves, and ends in order", async () => {
  await using folder = temporaryFolder();
  await using control = await startControl(folder);

  const ready = await control.ready();

  expect(ready).toMatchObject({
    ready: true,
    role: "control",
    trustDomain: "cluster.local",
    revision: expect.stringMatching(/^\d+-[0-9a-f]{8}$/),
  });
  for (const door of ["api", "stream", "admin", "metrics", "health"])
    expect(ready[door]).toMatch(/^127\.0\.0\.1:[1-9]/);
  expect(control.lines).toHaveLength(1);
  expect((await fetch(`http://${ready["health"]}/ready`)).status).toBe(200);
  expect(await (await fetch(`http://${ready["metrics"]}/metrics`)).text()).toContain("mesh_control_revisions_total 1");
  control.kill("SIGTERM");
  expect(await control.exited).toBe(0);
});

test("documents are applied, shown as they were written, and deleted", async () => {
  await using folder = temporaryFolder();
  await using control = await startControl(folder);
  const mesh = await client(control, folder);
  const file = await folder.write("web.yaml", SERVICE);

  const tried = await mesh("apply", "-f", file, "--dry-run");
  const applied = await mesh("apply", "-f", file, "--wait");
  const again = await mesh("apply", "-f", file, "-o", "json");
  const shown = await mesh("get", "svc", "web", "-o", "json");
  const listed = await mesh("get", "services");
  const deleted = await mesh("delete", "-f", file);
  const gone = await mesh("get", "service", "web");

  expect(tried.stdout).toContain("nothing was changed");
  expect(applied.stdout).toMatch(/^Service\/default\/web {2}created\nrevision \d+-[0-9a-f]{8}\n/);
  expect(JSON.parse(again.stdout).changes).toEqual([{ document: "Service/default/web", change: "unchanged" }]);
  expect(JSON.parse(shown.stdout)).toMatchObject({ kind: "Service", metadata: { name: "web" } });
  expect(listed.stdout).toMatch(/Service +default +web +ports 80 +applied/);
  expect(deleted.stdout).toContain("Service/default/web  deleted");
  expect(gone).toMatchObject({ code: 1, stderr: expect.stringMatching(/^mesh: Cannot find [^\n]+\n$/) });
});

test("a Gateway that is applied has an address, and tells how it is", async () => {
  await using folder = temporaryFolder();
  await using control = await startControl(folder, "--gateway-addresses", "127.0.2.0/24");
  const mesh = await client(control, folder);
  const file = await folder.write("edge.yaml", GATEWAY);

  await mesh("apply", "-f", file, "--wait");
  const shown = await mesh("get", "gateway", "edge", "-o", "yaml");
  const listed = await mesh("get", "gateways");
  const route = await mesh("get", "httproute", "web", "-o", "json");

  const { metadata, status } = Bun.YAML.parse(shown.stdout) as Shown;
  expect(metadata).toMatchObject({ name: "edge", generation: 1 });
  expect(status.addresses).toMatchObject([{ type: "IPAddress", value: expect.stringMatching(/^127\.0\.2\./) }]);
  expect(status.conditions).toMatchObject([
    { type: "Accepted", status: "True", observedGeneration: 1 },
    { type: "Programmed", status: "True" },
    { type: "ResolvedRefs", status: "True" },
  ]);
  expect(status.listeners).toMatchObject([{ name: "http", attachedRoutes: 1 }]);
  expect(listed.stdout).toMatch(/accepted +programmed +address/);
  expect(listed.stdout).toMatch(/Gateway +default +edge +True +True +127\.0\.2\./);
  expect(JSON.parse(route.stdout).status.parents).toMatchObject([{ parentRef: { kind: "Gateway", name: "edge" } }]);
  expect((await mesh("get", "gatewayclass", "mesh", "-o", "json")).code).toBe(1);
  expect((await mesh("apply", "-f", file, "-o", "json")).stdout).not.toContain('"changed"');
  expect((await mesh("get", "secret", "word", "-o", "yaml")).stdout).not.toContain("sesame");
  expect((await mesh("get", "secret", "word", "-o", "yaml", "--show-secrets")).stdout).toContain("sesame");
});

interface Shown {
  readonly metadata: unknown;
  readonly status: Readonly<Record<"addresses" | "conditions" | "listeners", unknown>>;
}

test("standard input is a manifest too, and a mistake in it is told and changes nothing", async () => {
  await using folder = temporaryFolder();
  await using control = await startControl(folder);
  const ready = await control.ready();
  const file = await folder.write(
    "bad.yaml",
    `${SERVICE}---\n${SERVICE.replace("web", "api").replace("port: 80", "port: 0")}`,
  );

  const piped = ["sh", "-c", `exec "$0" "$@" < ${file}`];
  const flags = ["--control", `http://${ready["api"]}`, "--data", folder.path];
  await using refused = await startBinary(["apply", "-f", "-", ...flags], { prefix: piped });

  expect(await refused.exited).toBe(1);
  expect(refused.stdout).toContain("spec.ports[0].port must be");
  expect((await runBinary(["get", "all", "-A", ...flags])).stdout).toBe("nothing found\n");
});

test("a join token is made, listed without its secret, and revoked", async () => {
  await using folder = temporaryFolder();
  await using control = await startControl(folder);
  const mesh = await client(control, folder);

  const made = await mesh("token", "create", "--name", "web", "--namespace", "shop", "--uses", "2");
  const listed = JSON.parse((await mesh("token", "list", "-o", "json")).stdout);
  const revoked = await mesh("token", "revoke", listed[0].id);

  expect(made.stdout).toMatch(/^mesh1\.[\w-]+\n$/);
  expect(listed).toMatchObject([{ namespace: "shop", name: "web", uses: 2, used: 0 }]);
  expect(JSON.stringify(listed)).not.toContain(made.stdout.trim());
  expect(revoked.code).toBe(0);
  expect((await mesh("token", "list")).stdout).toBe("no tokens\n");
});

test("a viewer looks and changes nothing; a wrong token is told what to do", async () => {
  await using folder = temporaryFolder();
  await using control = await startControl(folder);
  const mesh = await client(control, folder);
  const file = await folder.write("web.yaml", SERVICE);
  const token = (await mesh("api-token", "create", "--name", "ci")).stdout.trim();

  const looked = await mesh("status", "--token", token);
  const refused = await mesh("apply", "-f", file, "--token", token);
  const wrong = await mesh("status", "--token", "guess");

  expect(looked.code).toBe(0);
  expect(refused).toMatchObject({ code: 1, stdout: "" });
  expect(refused.stderr).toMatch(/^mesh: Cannot [^\n]*operator[^\n]*\n$/);
  expect(wrong.stderr).toMatch(/^mesh: Cannot [^\n]*admin\.token[^\n]*\n$/);
});

test("a mistake in the config directory is told by status, and what ran before goes on", async () => {
  await using folder = temporaryFolder();
  const file = await folder.write("config/web.yaml", SERVICE);
  await using control = await startControl(folder, "--config", join(folder.path, "config"));
  const mesh = await client(control, folder);

  await Bun.write(file, SERVICE.replace("port: 80", "port: eighty"));
  const status = await eventually(async () => {
    const said = JSON.parse((await mesh("status", "-o", "json")).stdout);
    return said.control.problems.length > 0 && said;
  }, 20_000);

  expect(status.control.problems[0]).toMatchObject({ file, line: 4, path: "spec.ports[0].port" });
  expect((await mesh("get", "service", "web")).stdout).toContain("ports 80");
});

test("a port that is taken is one line and exit code 1", async () => {
  await using folder = temporaryFolder();
  await using control = await startControl(folder);
  const { api } = await control.ready();

  await using other = await startControl(
    folder,
    "--data",
    join(folder.path, "other"),
    "--api",
    String(api),
    "--log-level",
    "off",
  );

  expect(await other.exited).toBe(1);
  expect(other.stderr).toMatch(/^mesh: Cannot listen for the API on [^\n]+\n$/);
});

/** Starts a control plane on ports that are free; later flags win over earlier ones. */
function startControl(folder: Folder, ...flags: readonly string[]): Promise<Program> {
  const usual = ["--data", "--api", "--stream", "--admin", "--health", "--metrics"].flatMap((flag) => {
    if (flags.includes(flag)) return [];
    return [flag, flag === "--data" ? folder.path : "127.0.0.1:0"];
  });
  return startBinary(["control", ...usual, ...flags, "-o", "json"]);
}

/** Runs verbs as the control plane's administrator, unless a token is given. */
async function client(control: Program, folder: Folder) {
  const { api } = await control.ready();
  const flags = ["--control", `http://${api}`, "--data", folder.path];
  return (...args: readonly string[]) => runBinary([...args, ...flags]);
}
