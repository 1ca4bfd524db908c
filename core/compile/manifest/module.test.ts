import { expect, test } from "bun:test";
import { dirname, join } from "node:path";
import { temporaryFolder } from "../../../test/harness/folder.ts";
import { parseDocuments } from "../../schema/mod.ts";
import { loadModules, type ModuleSources, readBeside } from "../mod.ts";

test("a module named relative to its document is read and hashed", async () => {
  await using folder = temporaryFolder();
  await folder.write("modules/p.wasm", "wasm");
  const sha256 = new Bun.CryptoHasher("sha256").update("wasm").digest("hex");

  const { modules, problems } = await loadModules(
    plugin(join(folder.path, "mesh.yaml"), `source: {file: modules/p.wasm}, sha256: ${sha256}`),
    sources(),
  );

  expect(problems).toEqual([]);
  expect(modules.get("Plugin/default/p")?.sha256).toBe(sha256);
  expect(Buffer.from(modules.get("Plugin/default/p")!.bytes).toString()).toBe("wasm");
});

test("a module that is not there, no file or not the one its author hashed is refused with its place", async () => {
  await using folder = temporaryFolder();
  const file = join(folder.path, "mesh.yaml");
  await folder.write("p.wasm", "wasm");
  const load = async (spec: string) => (await loadModules(plugin(file, spec), sources())).problems[0];

  expect(await load("source: {file: gone.wasm}")).toMatchObject({ file, line: 1, path: "spec.source.file" });
  expect((await load("source: {file: .}"))?.message).toEndWith("it is not a file");
  expect(await load(`source: {file: p.wasm}, sha256: "${"0".repeat(64)}"`)).toMatchObject({ path: "spec.sha256" });
});

test("an Extism manifest brings its module and its config, and can be loaded again without the files", async () => {
  await using folder = temporaryFolder();
  const file = join(folder.path, "mesh.yaml");
  const sha256 = new Bun.CryptoHasher("sha256").update("wasm").digest("hex");
  await folder.write("key/p.wasm", "wasm");
  await folder.write("key/manifest.yaml", `wasm: [{path: p.wasm, hash: ${sha256}}]\nconfig: {header: x-key}\n`);
  const documents = plugin(file, "source: {file: key/manifest.yaml}");

  const module = (await loadModules(documents, sources())).modules.get("Plugin/default/p")!;
  const again = await loadModules(documents, { ...sources(), readFile: async () => module.source! });

  expect(module).toMatchObject({ sha256, config: { header: "x-key" } });
  expect(again.modules.get("Plugin/default/p")).toEqual(module);
});

test("a manifest that is no good is refused with the reason, at the place that names it", async () => {
  await using folder = temporaryFolder();
  const file = join(folder.path, "mesh.yaml");
  await folder.write("p.wasm", "wasm");
  const bad = {
    "wasm: [": /Cannot load the Extism manifest: .* at line 1/,
    "wasm: []": /"wasm" is not one module/,
    "wasm: [{path: gone.wasm}]": /no such file/,
    [`wasm: [{path: p.wasm, hash: "${"0".repeat(64)}"}]`]: /the SHA-256 of the module is/,
    "wasm: [{url: 'https://example.org/p.wasm'}]": /has no "path" and no "data"/,
    "wasm: [{path: p.wasm}]\nallowed_hosts: ['*']": /policies have none/,
    "wasm: [{path: p.wasm}]\nconfig: {limit: 5}": /"limit" in "config" is not text/,
  };

  for (const [text, why] of Object.entries(bad)) {
    await folder.write("manifest.yml", text);
    const { problems } = await loadModules(plugin(file, "source: {file: manifest.yml}"), sources());
    expect(problems).toMatchObject([{ file, line: 1, path: "spec.source.file", message: expect.stringMatching(why) }]);
  }
});

test("a plugin that ships with mesh comes by its name", async () => {
  const known = { sha256: "abc", bytes: new Uint8Array(1) };

  const loaded = await loadModules(plugin("a.yaml", "source: {builtin: known}"), {
    ...sources(),
    builtin: async (name) => (name === "known" ? known : null),
  });
  const unknown = await loadModules(plugin("a.yaml", "source: {builtin: known}"), sources());

  expect(loaded.modules.get("Plugin/default/p")).toBe(known);
  expect(unknown.problems[0]?.message).toContain("(a, b)");
});

test("the path of a module is relative to the file that names it", async () => {
  await using folder = temporaryFolder();
  const path = await folder.write("a/p.wasm", "wasm");

  expect(Buffer.from(await readBeside(join(dirname(path), "mesh.yaml"), "p.wasm")).toString()).toBe("wasm");
  expect(readBeside(join(folder.path, "mesh.yaml"), "p.wasm")).rejects.toThrow();
});

function plugin(file: string, spec: string) {
  const text = `{apiVersion: mesh.dev/v1, kind: Plugin, metadata: {name: p}, spec: {phase: Routing, targetRefs: [{kind: Service, name: web}], ${spec}}}`;
  return parseDocuments([{ file, text }]).documents;
}

function sources(): ModuleSources {
  return { builtin: () => null, builtinNames: ["a", "b"], readFile: readBeside };
}
