import { expect, test } from "bun:test";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { SnapshotModel } from "../snapshot/mod.ts";
import { Disk, sha256Hex } from "./disk.ts";

const SVID = {
  spiffeId: "spiffe://t/ns/a/sa/b",
  certificate: "c",
  privateKey: "k",
  bundle: "b",
  notBefore: 1,
  notAfter: 2,
};

test("what is kept is read back by the next process, readable by the owner only", async () => {
  await using home = await directory();
  const disk = await Disk.open(home.path, () => {});

  await disk.saveSvid(SVID);
  await disk.saveSnapshot({ model: modelOf([]), hosts: { cart: "shop/cart" } });
  await disk.close();

  const next = await Disk.open(home.path, () => {});
  expect(await next.loadSvid()).toEqual(SVID);
  expect(await next.loadSnapshot()).toEqual({ model: modelOf([]), hosts: { cart: "shop/cart" } });
  expect((await stat(home.path)).mode & 0o777).toBe(0o700);
  for (const name of ["svid.json", "snapshot.json"])
    expect((await stat(join(home.path, name))).mode & 0o777).toBe(0o600);
});

test("a damaged file counts as absent, with a warning", async () => {
  await using home = await directory();
  const warnings: string[] = [];
  const disk = await Disk.open(home.path, (message) => warnings.push(message));
  await disk.saveSvid(SVID);
  const path = join(home.path, "svid.json");
  await writeFile(path, (await readFile(path, "utf8")).replace("spiffe", "spoffe"));

  expect(await disk.loadSvid()).toBeNull();
  expect(warnings.length).toBe(1);
});

test("plugins are checked when read, and go when no snapshot of this process or the kept one needs them", async () => {
  await using home = await directory();
  const disk = await Disk.open(home.path, () => {});
  const bytes = new Uint8Array([1, 2, 3]);
  const [kept, old] = [sha256Hex(bytes), "0".repeat(64)];
  await disk.saveBlob(kept, bytes);
  await disk.saveBlob(old, bytes);

  expect(new Uint8Array((await disk.loadBlob(kept))!)).toEqual(bytes);
  expect(await disk.loadBlob(old)).toBeNull();
  await disk.saveSnapshot({ model: modelOf([kept]), hosts: {} });
  expect((await readdir(join(home.path, "plugins"))).sort()).toEqual([old, kept].sort());
  await disk.close();
  await (await Disk.open(home.path, () => {})).saveSnapshot({ model: modelOf([kept]), hosts: {} });
  expect(await readdir(join(home.path, "plugins"))).toEqual([kept]);
});

test("a plugin that is being written when a snapshot is kept is there afterwards", async () => {
  await using home = await directory();
  const disk = await Disk.open(home.path, () => {});
  const plugins = Array.from({ length: 30 }, (_, i) => new Uint8Array(100_000).fill(i));

  for (const bytes of plugins) {
    const saving = disk.saveBlob(sha256Hex(bytes), bytes);
    await Promise.all([saving, disk.saveSnapshot({ model: modelOf([]), hosts: {} })]);
  }

  expect(await readdir(join(home.path, "plugins"))).toHaveLength(plugins.length);
});

test("a proxy keeps its name", async () => {
  await using home = await directory();

  const disk = await Disk.open(home.path, () => {});
  expect(await disk.proxyId("first")).toBe("first");
  await disk.close();
  expect(await (await Disk.open(home.path, () => {})).proxyId("second")).toBe("first");
});

function modelOf(plugins: readonly string[]): SnapshotModel {
  const resources = plugins.map((sha256) => ({
    kind: "plugin" as const,
    name: "a/p",
    version: "1",
    model: {
      id: "a/p",
      sha256,
      config: {},
      destinations: {},
      failureMode: "open" as const,
      order: 1,
      limits: { fuel: 1, memoryPages: 1 },
    },
  }));
  return { revision: "1-00000000", resources };
}

async function directory() {
  const path = await mkdtemp(join(tmpdir(), "mesh-disk-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) };
}
