import { expect, test } from "bun:test";
import { readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { type ApiFailure, ApiRefused, ApiUnreachable, ControlClient } from "../../core/control/client/mod.ts";
import { claim, type TestControl, testControl, testProxy } from "../harness/control.ts";
import { eventually } from "../harness/eventually.ts";
import { temporaryFolder } from "../harness/folder.ts";

const CART = "apiVersion: v1\nkind: Service\nmetadata: {name: cart}\nspec: {ports: [{port: 80}]}\n";
const BAD = "apiVersion: v1\nkind: Service\nmetadata: {name: cart}\nspec: {ports: [{port: 99999}], sellector: {}}\n";
// The smallest module there is: a plugin that the control plane only carries.
const WASM = new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);

test("the first start leaves an admin's token in a file for its owner, and never in the log", async () => {
  await using mesh = await testControl();
  const file = join(mesh.data, "admin.token");
  const token = (await readFile(file, "utf8")).trim();

  expect((await stat(file)).mode & 0o777).toBe(0o600);
  expect((await stat(mesh.data)).mode & 0o777).toBe(0o700);
  expect(mesh.lines.some((line) => line.includes(file))).toBe(true);
  expect(mesh.lines.some((line) => line.includes(token))).toBe(false);
  expect((await readFile(join(mesh.data, "mesh.db"))).includes(Buffer.from(token.split(".")[2]!))).toBe(false);
});

test("without a token, with a wrong one, and with too small a role the answer says what to do", async () => {
  await using mesh = await testControl();
  const viewer = await mesh.client.createApiToken("ci", "viewer");
  const as = (token: string | null) => new ControlClient({ url: urlOf(mesh), token });

  const refusals = [
    await refused(as(null).status()),
    await refused(as("mesha.000000000000.nonsense").status()),
    await refused(as(viewer.token).apply(yaml(CART))),
    await refused(as(viewer.token).apiTokens()),
  ];

  expect(refusals.map(({ status }) => status)).toEqual([401, 401, 403, 403]);
  expect(refusals[0]!.message).toContain("admin.token");
  expect(refusals[2]!.message).toContain('token "ci" has the role viewer and operator is needed');
  expect(await as(viewer.token).resources()).toEqual([]);
  expect(await as(null).bundle()).toStartWith("-----BEGIN CERTIFICATE-----");
  expect(await (await fetch(`${urlOf(mesh)}/healthz`)).text()).toBe("ok\n");
});

test("a deleted API token opens nothing", async () => {
  await using mesh = await testControl();
  const { id, token } = await mesh.client.createApiToken("ci", "admin");
  const client = new ControlClient({ url: urlOf(mesh), token });
  await client.status();

  await mesh.client.deleteApiToken(id);

  await expect(client.status()).rejects.toThrow("does not know the API token");
  await expect(client.deleteApiToken(id)).rejects.toBeInstanceOf(ApiRefused);
});

test("a document with problems is refused whole, with all of them and their places", async () => {
  await using mesh = await testControl();
  const before = mesh.control.revision;

  const error = await refused(mesh.client.apply(yaml(`${CART.replace("cart", "fine")}---\n${BAD}`)));

  expect(error.status).toBe(422);
  expect(error.problems.map(({ file, line, path }) => `${file}:${line} ${path}`)).toEqual([
    "test.yaml:9 spec.ports[0].port",
    "test.yaml:9 spec.sellector",
  ]);
  expect(mesh.control.revision).toBe(before);
  expect(await mesh.client.resources()).toEqual([]);
});

test("a dry run and validate check, and change nothing", async () => {
  await using mesh = await testControl();
  const before = mesh.control.revision;

  expect(await mesh.client.apply(yaml(CART), true)).toMatchObject({
    dryRun: true,
    documents: ["Service/default/cart"],
  });
  expect(await mesh.client.validate(yaml(CART))).toMatchObject({ dryRun: true });
  await expect(mesh.client.validate(yaml(BAD))).rejects.toBeInstanceOf(ApiRefused);

  expect(mesh.control.revision).toBe(before);
  expect(await mesh.client.resources()).toEqual([]);
});

test("what was applied is shown, replaced, and deleted, and every change is in the audit log", async () => {
  await using mesh = await testControl();

  const first = await mesh.client.apply(yaml(CART));
  const second = await mesh.client.apply(yaml(CART.replace("80", "81")));
  expect(await mesh.client.resources("services")).toMatchObject([{ kind: "Service", name: "cart", origin: "applied" }]);
  expect(await mesh.client.resource("service", "default", "cart")).toMatchObject({
    document: { spec: { ports: [{ port: 81 }] } },
  });
  const third = await mesh.client.delete("service", "default", "cart");

  expect(await mesh.client.resources()).toEqual([]);
  await expect(mesh.client.delete("service", "default", "cart")).rejects.toMatchObject({ status: 404 });
  const audit = (await readFile(join(mesh.data, "audit.log"), "utf8"))
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(audit).toMatchObject([
    { who: "admin", action: "apply", target: "Service/default/cart", revision: first.revision },
    { who: "admin", action: "apply", revision: second.revision },
    { who: "admin", action: "delete", target: "Service/default/cart", revision: third.revision },
  ]);
  expect((await stat(join(mesh.data, "audit.log"))).mode & 0o777).toBe(0o600);
});

test("several appliers at once each leave the others' documents alone", async () => {
  await using mesh = await testControl();

  await Promise.all(["a", "b", "c", "d"].map((name) => mesh.client.apply(yaml(CART.replace("cart", name)))));

  expect((await mesh.client.resources()).map(({ name }) => name).sort()).toEqual(["a", "b", "c", "d"]);
});

test("a document of the config directory cannot be applied over or deleted", async () => {
  await using folder = temporaryFolder();
  const file = await folder.write("cart.yaml", CART);
  await using mesh = await testControl({ config: folder.path });

  const error = await refused(mesh.client.apply(yaml(CART)));

  expect(error.problems[0]!.message).toContain(file);
  await expect(mesh.client.delete("service", "default", "cart")).rejects.toThrow(
    `it is defined in ${file}; delete it there`,
  );
});

test("a plugin's module travels with its document, and to the proxy that needs it", async () => {
  await using mesh = await testControl();
  const modules = [{ file: "test.yaml", path: "./guard.wasm", bytes: Buffer.from(WASM).toString("base64") }];
  await mesh.client.apply({ ...yaml(`${CART}---\n${PLUGIN}`), modules });
  await using web = testProxy({ control: mesh.control.addresses.stream, token: await mesh.token("web") });
  await web.discovery.ready;
  await web.discovery.want("cart");

  const plugin = web.plane.models.at(-1)!.resources.find(({ kind }) => kind === "plugin");
  const { sha256 } = plugin!.model as { sha256: string };

  expect(await web.discovery.blob(sha256)).toEqual(WASM);
  await expect(web.discovery.blob("0".repeat(64))).rejects.toThrow("does not have it");
  await using idle = testProxy({ control: mesh.control.addresses.stream, token: await mesh.token("idle") });
  await idle.discovery.ready;
  await expect(idle.discovery.blob(sha256)).rejects.toThrow("does not have it");
});

test("an applied plugin cannot name a file of the control plane's machine", async () => {
  await using folder = temporaryFolder();
  const secret = await folder.write("secret", "not yours");
  await using mesh = await testControl();

  const error = await refused(mesh.client.apply(yaml(`${CART}---\n${PLUGIN.replace("./guard.wasm", secret)}`)));

  expect(error.problems[0]!.message).toContain("did not come with the document");
});

test("a plugin larger than a frame is fetched in pieces and checked", async () => {
  await using mesh = await testControl();
  const large = new Uint8Array(200_000).map((_, i) => (i < 8 ? WASM[i]! : i % 251));
  const modules = [{ file: "test.yaml", path: "./guard.wasm", bytes: Buffer.from(large).toString("base64") }];
  await mesh.client.apply({ ...yaml(`${CART}---\n${PLUGIN}`), modules });
  await using folder = temporaryFolder();
  const directory = folder.path;
  await using web = testProxy({ control: mesh.control.addresses.stream, token: await mesh.token("web"), directory });
  await web.discovery.ready;
  await web.discovery.want("cart");
  const sha256 = new Bun.CryptoHasher("sha256").update(large).digest("hex");

  const [one, two] = await Promise.all([web.discovery.blob(sha256), web.discovery.blob(sha256)]);

  expect(Buffer.compare(one, large)).toBe(0);
  expect(two).toBe(one);
  expect(await stat(join(directory, "plugins", sha256))).toMatchObject({ size: large.length });
});

test("a file that turns bad keeps the old revision serving and is reported; when mended it is taken", async () => {
  await using folder = temporaryFolder();
  await folder.write("cart.yaml", CART);
  await using mesh = await testControl({ config: folder.path });
  const { revision } = mesh.control;

  await folder.write("cart.yaml", BAD);
  await eventually(async () => expect((await mesh.client.status()).control.problems.length).toBe(2));

  expect(mesh.control.revision).toBe(revision);
  expect(mesh.control.counts.configProblems).toBe(2);
  expect(mesh.lines.some((line) => line.startsWith("error") && line.includes("99999"))).toBe(true);
  await folder.write("cart.yaml", CART.replace("80", "81"));
  await eventually(() => mesh.control.revision !== revision);
  expect((await mesh.client.services())[0]!.ports.map(({ port }) => port)).toEqual([81]);
  expect((await mesh.client.status()).control.problems).toEqual([]);
});

test("endpoints follow the registry while the config directory is broken", async () => {
  await using folder = temporaryFolder();
  await folder.write("cart.yaml", CART);
  await using mesh = await testControl({ config: folder.path });
  await folder.write("cart.yaml", BAD);
  await eventually(async () => (await mesh.client.status()).control.problems.length > 0);

  const options = {
    control: mesh.control.addresses.stream,
    token: await mesh.token("stock"),
    workload: claim("stock"),
  };
  await using stock = testProxy(options);
  await stock.discovery.ready;

  const before = Date.now();
  const services = await mesh.client.services();
  expect(services[1]!.ports[0]!.confirmedAt).toBeGreaterThanOrEqual(before);
  expect(services.map(({ name }) => name)).toEqual(["default/cart", "default/stock"]);
  expect(services[1]!.ports[0]!.endpoints).toMatchObject([{ identity: "spiffe://cluster.local/ns/default/sa/stock" }]);
});

test("a start with a broken config directory serves what was good last", async () => {
  await using data = temporaryFolder();
  await using config = temporaryFolder();
  await config.write("cart.yaml", CART);
  const first = await testControl({ data: data.path, config: config.path });
  const { revision } = first.control;
  await first.control.close();
  await config.write("cart.yaml", BAD);

  await using second = await testControl({ data: data.path, config: config.path });

  expect(second.control.revision).toBe(revision);
  expect((await second.client.status()).control.problems.length).toBe(2);
});

test("the trust domain is that of the first Mesh document, and stays", async () => {
  await using config = temporaryFolder();
  const meshYaml = "apiVersion: mesh.dev/v1\nkind: Mesh\nmetadata: {name: mesh}\nspec: {trustDomain: example.org}\n";
  await config.write("mesh.yaml", meshYaml);
  await using mesh = await testControl({ config: config.path });
  await using web = testProxy({ control: mesh.control.addresses.stream, token: await mesh.token("web") });
  await web.discovery.ready;
  expect(web.plane.svids[0]!.spiffeId).toBe("spiffe://example.org/ns/default/sa/web");

  await config.write("mesh.yaml", meshYaml.replace("example.org", "other.org"));
  await eventually(async () => (await mesh.client.status()).control.problems.length > 0);
  const [problem] = (await mesh.client.status()).control.problems;
  expect(problem!.message).toContain('must stay "example.org"');

  await rm(join(config.path, "mesh.yaml"));
  await eventually(async () => expect((await mesh.client.status()).control.problems).toEqual([]));
  const model = web.plane.models.at(-1)!.resources.find(({ kind }) => kind === "mesh")!.model;
  expect(model).toMatchObject({ trustDomain: "example.org" });
});

test("an unreachable control plane, and something else at its address, are named as such", async () => {
  using other = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("<html>", { status: 404 }) });
  const client = (port: number) => new ControlClient({ url: `http://127.0.0.1:${port}`, token: null });

  const nobody = await client(1)
    .status()
    .catch((error) => error);
  const stranger = await client(other.port!)
    .status()
    .catch((error) => error);

  expect(nobody).toBeInstanceOf(ApiUnreachable);
  expect(nobody.message).toBe(
    'Cannot reach the control plane at http://127.0.0.1:1: connection refused; is "mesh control" running there?',
  );
  expect(stranger.message).toContain("is it a control plane?");
});

test("a request that is not as agreed gets a reason, not a crash", async () => {
  await using mesh = await testControl();
  const token = (await readFile(mesh.control.adminTokenFile, "utf8")).trim();
  const ask = async (method: string, path: string, body: string): Promise<[number, string]> => {
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
    const init = method === "GET" ? { method, headers } : { method, headers, body };
    const response = await fetch(`${urlOf(mesh)}${path}`, init);
    return [response.status, ((await response.json()) as ApiFailure).error.message];
  };

  const answers = [
    await ask("POST", "/v1/apply", "{"),
    await ask("POST", "/v1/apply", '{"files":[1]}'),
    await ask("POST", "/v1/tokens", '{"namespace":"../x","name":"web"}'),
    await ask("POST", "/v1/tokens", '{"namespace":"default","name":"web","uses":-1}'),
    await ask("POST", "/v1/api-tokens", '{"name":"x","role":"god"}'),
    await ask("GET", "/v1/revisions/nonsense/status", ""),
    await ask("GET", "/v1/nothing", ""),
  ];

  expect(answers.map(([status]) => status)).toEqual([400, 400, 400, 400, 400, 400, 404]);
  for (const [, message] of answers) expect(message).toStartWith("Cannot ");
  expect(mesh.lines.filter((line) => line.startsWith("error"))).toEqual([]);
});

const PLUGIN = `apiVersion: mesh.dev/v1
kind: Plugin
metadata: {name: guard}
spec:
  phase: Routing
  source: {file: ./guard.wasm}
  targetRefs: [{group: "", kind: Service, name: cart}]
`;

function urlOf({ control }: TestControl): string {
  return `http://${control.addresses.api.host}:${control.addresses.api.port}`;
}

/** The refusal that a call must end with. */
async function refused(call: Promise<unknown>): Promise<ApiRefused> {
  try {
    await call;
  } catch (error) {
    if (error instanceof ApiRefused) return error;
    throw error;
  }
  throw new Error("Cannot go on: nothing was refused");
}

function yaml(text: string) {
  return { files: [{ file: "test.yaml", text }] };
}
