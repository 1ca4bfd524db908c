import { expect, test } from "bun:test";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { temporaryFolder } from "../../test/harness/folder.ts";
import { DirectoryInUse, lockDirectory } from "./lock.ts";

test("a directory is for one process at a time, and free again when that one is done", async () => {
  await using folder = temporaryFolder();

  const unlock = await lockDirectory(folder.path);
  const second = await lockDirectory(folder.path).catch((error) => error);
  await unlock();
  const third = await lockDirectory(folder.path);

  expect(second).toBeInstanceOf(DirectoryInUse);
  expect(second.message).toContain(`process ${process.pid} is using it`);
  expect(await readdir(folder.path)).toEqual(["lock"]);
  await third();
  expect(await readdir(folder.path)).toEqual([]);
});

test.each([
  ["a process that has died", "4194304 1"],
  ["an earlier process of the same number", `${process.pid} 1`],
  ["nobody that can be read", ""],
])("the lock of %s is taken over, and not removed by those who had it", async (_, holder) => {
  await using folder = temporaryFolder();
  const path = await folder.write("lock", holder);

  const unlock = await lockDirectory(folder.path);
  expect(await Bun.file(path).text()).toStartWith(`${process.pid} `);

  await Bun.write(join(folder.path, "lock"), "1 1");
  await unlock();
  expect(await readdir(folder.path)).toEqual(["lock"]);
});
