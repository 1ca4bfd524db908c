import { expect, test } from "bun:test";
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Folder, temporaryFolder } from "../../../test/harness/folder.ts";
import { isRoot } from "../../../test/harness/program.ts";
import { type LoadedDirectory, loadDirectory } from "../mod.ts";

test("manifests are read from a directory and those below it, sorted, hidden and other files left out", async () => {
  await using folder = temporaryFolder();
  await folder.write("b.yaml", service("b"));
  await folder.write("a.yml", service("a"));
  await folder.write("below/c.json", `{"apiVersion":"v1","kind":"Service","metadata":{"name":"c"},"spec":{}}`);
  await folder.write("notes.txt", "not: [a manifest");
  await folder.write(".hidden.yaml", service("hidden"));
  await folder.write(".git/d.yaml", service("d"));

  const loaded = await loadDirectory(folder.path);

  expect(loaded.problems).toEqual([]);
  expect(loaded.files.map(({ file }) => file)).toEqual(pathsIn(folder, "a.yml", "b.yaml", "below/c.json"));
  expect(names(loaded)).toEqual(["a", "b", "c"]);
  expect(loaded.directories).toEqual([folder.path, join(folder.path, "below")]);
});

test("a mounted ConfigMap is read once, by the links beside its hidden data", async () => {
  await using folder = temporaryFolder();
  await mount(folder, "..2026_01_01", { "web.yaml": service("web") });

  const loaded = await loadDirectory(folder.path);

  expect(loaded.files.map(({ file }) => file)).toEqual(pathsIn(folder, "web.yaml"));
  expect(names(loaded)).toEqual(["web"]);
});

test("links that lead in circles or twice to one file are followed once", async () => {
  await using folder = temporaryFolder();
  await folder.write("a.yaml", service("a"));
  symlinkSync(folder.path, join(folder.path, "circle"));
  symlinkSync("a.yaml", join(folder.path, "z.yaml"));

  expect(names(await loadDirectory(folder.path))).toEqual(["a"]);
});

test("a file that cannot be read is a problem among the others", async () => {
  await using folder = temporaryFolder();
  await folder.write("a.yaml", service("a"));
  await folder.write("latin.yaml", new Uint8Array([0x61, 0x3a, 0x20, 0xff]));
  symlinkSync("gone.yaml", join(folder.path, "link.yaml"));
  symlinkSync("self.yaml", join(folder.path, "self.yaml"));

  const loaded = await loadDirectory(folder.path);

  expect(names(loaded)).toEqual(["a"]);
  expect(loaded.problems.map(({ message }) => message.replaceAll(`${folder.path}/`, ""))).toEqual([
    "Cannot read latin.yaml: it is not UTF-8 text",
    "Cannot read link.yaml: there is no such file",
    "Cannot read self.yaml: its links lead in a circle",
  ]);
});

test.skipIf(isRoot)("a file without permission is a problem", async () => {
  await using folder = temporaryFolder();
  chmodSync(await folder.write("a.yaml", service("a")), 0);

  const loaded = await loadDirectory(folder.path);

  expect(loaded.problems[0]?.message).toEndWith("a.yaml: permission denied");
});

test("a directory that is not there is a problem, and a file is a directory of one", async () => {
  await using folder = temporaryFolder();
  const file = await folder.write("mesh.config", service("web"));

  expect((await loadDirectory(join(folder.path, "gone"))).problems[0]?.message).toEndWith(
    "gone: there is no such file",
  );
  expect(names(await loadDirectory(file))).toEqual(["web"]);
});

test("a file whose text is known is not parsed again", async () => {
  await using folder = temporaryFolder();
  await folder.write("a.yaml", service("a"));
  await folder.write("b.yaml", service("b"));
  const before = await loadDirectory(folder.path);
  await folder.write("b.yaml", service("c"));

  const after = await loadDirectory(folder.path, before);

  expect(after.files[0]).toBe(before.files[0]!);
  expect(names(after)).toEqual(["a", "c"]);
});

test("problems name the file they are in", async () => {
  await using folder = temporaryFolder();
  const file = await folder.write("below/a.yaml", "apiVersion: v1\nkind: Servic\n");

  expect((await loadDirectory(folder.path)).problems).toMatchObject([{ file, line: 2, column: 7 }]);
});

function service(name: string): string {
  return `apiVersion: v1\nkind: Service\nmetadata: {name: ${name}}\nspec: {}\n`;
}

function names({ documents }: LoadedDirectory): readonly string[] {
  return documents.map(({ name }) => name);
}

function pathsIn(folder: Folder, ...names: readonly string[]): string[] {
  return names.map((name) => join(folder.path, name));
}

/** Lays a folder out as Kubernetes mounts a ConfigMap. */
async function mount(folder: Folder, version: string, files: Readonly<Record<string, string>>): Promise<void> {
  mkdirSync(join(folder.path, version));
  symlinkSync(version, join(folder.path, "..data"));
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(join(folder.path, version, name), text);
    symlinkSync(join("..data", name), join(folder.path, name));
  }
}
