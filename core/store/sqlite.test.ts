import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { chmod, mkdir, readdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { storeConformance } from "../../test/conformance/store.ts";
import { eventually, fakeClock, temporaryFolder } from "../../test/harness/mod.ts";
import { StoreUnavailable } from "./error.ts";
import type { Store } from "./model.ts";
import { create, put, remove, textOf } from "./operation.ts";
import { openSqliteStore } from "./sqlite.ts";

storeConformance("sqlite", async () => {
  const folder = temporaryFolder();
  const clock = fakeClock();
  const store = openSqliteStore({ directory: folder.path, clock });
  return {
    store,
    pass: async (ms) => clock.advance(ms),
    [Symbol.asyncDispose]: async () => {
      await store.close();
      await folder[Symbol.asyncDispose]();
    },
  };
});

test("what was committed is there after a restart, with its revisions", async () => {
  await using folder = temporaryFolder();
  const before = open(folder.path);
  await put(before, "a", "1");
  await put(before, "b", "1");
  const revision = await remove(before, "a");
  await before.close();

  const after = open(folder.path);

  expect((await after.list("")).revision).toBe(revision);
  expect((await after.list("")).entries.map((entry) => entry.key)).toEqual(["b"]);
  expect(await create(after, "b", "2")).toBe(false);
  await after.close();
});

test("a watch that goes on after a restart is told what it missed", async () => {
  await using folder = temporaryFolder();
  const before = open(folder.path);
  const seen = await put(before, "a", "1");
  await put(before, "b", "2");
  await remove(before, "a");
  await before.close();

  const after = open(folder.path);
  const told: string[] = [];
  after.watch("", seen, {
    changed: (changes) => void told.push(...changes.map((one) => (one.type === "put" ? one.entry.key : `-${one.key}`))),
    lost: () => {},
  });

  await eventually(() => told.length === 2);
  expect(told).toEqual(["b", "-a"]);
  await after.close();
});

test("a lease begins anew after a restart, and then ends when nobody renews it", async () => {
  await using folder = temporaryFolder();
  const before = open(folder.path);
  const lease = await before.grant(3000);
  await put(before, "leased", "1", lease);
  await before.close();

  const clock = fakeClock();
  const after = openSqliteStore({ directory: folder.path, clock });
  clock.advance(2000);
  expect(await after.renew(lease)).toBe(true);
  clock.advance(2000);
  expect(await after.get("leased")).not.toBeNull();
  clock.advance(2000);
  expect(await after.get("leased")).toBeNull();
  await after.close();
});

test("a watcher who comes after deletions were forgotten is told to start anew", async () => {
  await using folder = temporaryFolder();
  const store = openSqliteStore({ directory: folder.path, clock: fakeClock(), rememberedDeletions: 10 });
  const start = await put(store, "a", "1");
  for (let turn = 0; turn < 300; turn++) {
    await put(store, `b/${turn % 100}`, "1");
    await remove(store, `b/${turn % 100}`);
  }
  const lost: string[] = [];
  const watch = (after: number) =>
    store.watch("", after, { changed: () => {}, lost: (reason) => void lost.push(reason) });

  watch(start);
  watch((await store.list("")).revision);
  await eventually(() => lost.length === 1);

  expect(lost).toEqual([`deletions after revision ${start} are forgotten`]);
  await store.close();
});

test("the files are the owner's alone, also in a folder that others may enter", async () => {
  await using folder = temporaryFolder();
  const open755 = join(folder.path, "open");
  await mkdir(open755);
  await chmod(open755, 0o755);
  const made = join(folder.path, "made", "deeper");
  const stores = [open(open755), open(made)];
  for (const store of stores) await put(store, "key", "secret");

  const modes: string[] = [];
  for (const directory of [open755, made]) {
    for (const name of await readdir(directory)) modes.push(`${name} ${await modeOf(join(directory, name))}`);
  }

  expect(modes.every((mode) => mode.endsWith(" 600"))).toBe(true);
  expect(modes.length).toBeGreaterThanOrEqual(2);
  expect([await modeOf(made), await modeOf(join(folder.path, "made"))]).toEqual(["700", "700"]);
  await Promise.all(stores.map((store) => store.close()));
});

test("a store that another process has open cannot be opened", async () => {
  await using folder = temporaryFolder();
  await using child = startWriter(folder.path);
  await child.committed(1);

  expect(() => open(folder.path)).toThrow(StoreUnavailable);
  expect(() => open(folder.path)).toThrow(/^Cannot open the store ".*mesh\.db": another process has it open$/);
});

test("a file that is no store is refused and left as it is", async () => {
  await using folder = temporaryFolder();
  const path = join(folder.path, "mesh.db");
  const text = "not a database, and longer than its header would be: ".repeat(40);
  await writeFile(path, text);

  expect(() => open(folder.path)).toThrow(StoreUnavailable);
  expect(await Bun.file(path).text()).toBe(text);
});

test("a file of a later mesh is refused", async () => {
  await using folder = temporaryFolder();
  await open(folder.path).close();
  const later = new Database(join(folder.path, "mesh.db"));
  later.run("PRAGMA user_version = 99");
  later.close();

  expect(() => open(folder.path)).toThrow("it has format 99, and this mesh reads formats up to 1");
});

test("a process that is killed in the middle of its writes leaves every commit whole", async () => {
  await using folder = temporaryFolder();
  let revision = 1;

  for (let round = 0; round < 3; round++) {
    const child = startWriter(folder.path);
    const committed = await child.committed(20);
    await child[Symbol.asyncDispose]();

    const store = open(folder.path);
    const { entries, revision: now } = await store.list("");
    expect(now).toBeGreaterThanOrEqual(committed);
    expect(now).toBeGreaterThan(revision);
    expect(entries.map((entry) => entry.key)).toEqual(["left", "right"]);
    expect(textOf(entries[0]!)).toBe(textOf(entries[1]!));
    expect(entries.map((entry) => entry.modRevision)).toEqual([now, now]);
    revision = await put(store, "left", "written after the crash");
    await store.close();
  }
});

function open(directory: string): Store {
  return openSqliteStore({ directory, clock: fakeClock() });
}

async function modeOf(path: string): Promise<string> {
  return ((await stat(path)).mode & 0o777).toString(8);
}

/** A process that writes two keys in one commit, again and again, and tells each revision; disposing kills it. */
function startWriter(directory: string) {
  const module = join(import.meta.dir, "mod.ts");
  const program = `
    import { openSqliteStore } from ${JSON.stringify(module)};
    import { systemClock } from ${JSON.stringify(join(import.meta.dir, "../base/mod.ts"))};
    const store = openSqliteStore({ directory: ${JSON.stringify(directory)}, clock: systemClock });
    for (let turn = 0; ; turn++) {
      const value = "x".repeat(turn % 5000);
      const writes = ["left", "right"].map((key) => ({ type: "put", key, value }));
      process.stdout.write((await store.commit({ writes })).revision + "\\n");
    }`;
  const child = Bun.spawn([process.execPath, "-e", program], { stdout: "pipe", stderr: "inherit" });
  return {
    /** The last revision that was told once so many were. */
    async committed(count: number): Promise<number> {
      const decoder = new TextDecoder();
      let text = "";
      for await (const chunk of child.stdout) {
        text += decoder.decode(chunk, { stream: true });
        const lines = text.split("\n");
        if (lines.length > count) return Number(lines[lines.length - 2]);
      }
      throw new Error("Cannot wait for the writer: it has ended");
    },
    async [Symbol.asyncDispose](): Promise<void> {
      child.kill("SIGKILL");
      await child.exited;
    },
  };
}
