import { expect, test } from "bun:test";
import { mkdirSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { eventually } from "../../../test/harness/eventually.ts";
import { type FakeClock, fakeClock } from "../../../test/harness/fake-clock.ts";
import { temporaryFolder } from "../../../test/harness/folder.ts";
import type { Clock } from "../../base/mod.ts";
import { type LoadedDirectory, loadDirectory, watchDirectory } from "../mod.ts";

test("the first load is told when the caller has none", async () => {
  await using folder = temporaryFolder();
  await folder.write("a.yaml", service("a"));

  using seen = watched(folder.path, null);

  await seen.until(["a"]);
});

test("a file that is written, changed or removed is told once its writers are quiet", async () => {
  await using folder = temporaryFolder();
  using seen = watched(folder.path, await loadDirectory(folder.path));

  await folder.write("a.yaml", service("a"));
  await seen.until(["a"]);
  await folder.write("a.yaml", service("b"));
  await seen.until(["b"]);
  rmSync(join(folder.path, "a.yaml"));
  await seen.until([]);
});

test("changes in a directory that was not there before are told", async () => {
  await using folder = temporaryFolder();
  using seen = watched(folder.path, await loadDirectory(folder.path));

  await folder.write("below/a.yaml", service("a"));
  await seen.until(["a"]);
  await folder.write("below/b.yaml", service("b"));
  await seen.until(["a", "b"]);
});

test("the swap of a mounted ConfigMap is told, every time", async () => {
  await using folder = temporaryFolder();
  const swap = (version: string, name: string) => {
    mkdirSync(join(folder.path, version));
    writeFileSync(join(folder.path, version, "mesh.yaml"), service(name));
    symlinkSync(version, join(folder.path, "..data_tmp"));
    renameSync(join(folder.path, "..data_tmp"), join(folder.path, "..data"));
  };
  swap("..1", "a");
  symlinkSync("..data/mesh.yaml", join(folder.path, "mesh.yaml"));
  using seen = watched(folder.path, await loadDirectory(folder.path));

  swap("..2", "b");
  await seen.until(["b"]);
  swap("..3", "c");
  await seen.until(["c"]);
});

test("a change that no event tells of is found by the poll", async () => {
  await using folder = temporaryFolder();
  const root = join(folder.path, "later");
  using seen = watched(root, await loadDirectory(root), { poll: true });

  // Nothing can be watched yet, so that only the poll can see it come.
  mkdirSync(root);
  writeFileSync(join(root, "a.yaml"), service("a"));

  await seen.until(["a"]);
});

test("a touch that changes no manifest is not told", async () => {
  await using folder = temporaryFolder();
  await folder.write("a.yaml", service("a"));
  using seen = watched(folder.path, await loadDirectory(folder.path));

  utimesSync(join(folder.path, "a.yaml"), 1, 1);
  await folder.write("notes.txt", "x");
  await folder.write("b.yaml", service("b"));
  await seen.until(["a", "b"]);

  expect(seen.loads.map(names)).toEqual([["a", "b"]]);
});

test("a file that somebody never stops writing is told all the same", async () => {
  await using folder = temporaryFolder();
  using seen = watched(folder.path, await loadDirectory(folder.path));
  await folder.write("a.yaml", service("a"));
  await seen.until(["a"]);
  let writes = 0;

  // Each write comes before the one before has settled.
  await eventually(async () => {
    await folder.write("a.yaml", `${service("b")}# ${writes++}\n`);
    seen.clock.advance(40);
    return names(seen.loads.at(-1))?.[0] === "b";
  });
});

test("a bad file is told with its problems", async () => {
  await using folder = temporaryFolder();
  await folder.write("a.yaml", service("a"));
  using seen = watched(folder.path, await loadDirectory(folder.path));

  await folder.write("b.yaml", "kind: [");
  await eventually(() => seen.step() && (seen.loads.at(-1)?.problems.length ?? 0) > 0);

  expect(names(seen.loads.at(-1))).toEqual(["a"]);
});

test("nothing wakes and nothing is told after the watch is closed", async () => {
  await using folder = temporaryFolder();
  const seen = watched(folder.path, await loadDirectory(folder.path), { poll: true });
  seen[Symbol.dispose]();

  await folder.write("a.yaml", service("a"));
  seen.clock.advance(60_000);

  expect(seen.clock.pending).toBe(0);
  expect(seen.loads).toEqual([]);
});

interface Seen extends Disposable {
  readonly loads: readonly LoadedDirectory[];
  readonly clock: FakeClock;
  /** Lets the debounce or the poll come due. */
  step(): true;
  until(wanted: readonly string[]): Promise<void>;
}

/** Without the poll, what is told was told by an event. */
function watched(root: string, first: LoadedDirectory | null, { poll = false } = {}): Seen {
  const loads: LoadedDirectory[] = [];
  const clock = fakeClock();
  const eventsOnly: Clock = { ...clock, every: () => ({ cancel() {} }) };
  const watch = watchDirectory(root, poll ? clock : eventsOnly, (loaded) => loads.push(loaded), first);
  const step = (): true => {
    clock.advance(60);
    return true;
  };
  return {
    loads,
    clock,
    step,
    until: (wanted) =>
      eventually(() => {
        step();
        expect(names(loads.at(-1))).toEqual(wanted);
      }) as Promise<void>,
    [Symbol.dispose]: () => watch.close(),
  };
}

function names(loaded: LoadedDirectory | undefined): readonly string[] | undefined {
  return loaded?.documents.map(({ name }) => name);
}

function service(name: string): string {
  return `apiVersion: v1\nkind: Service\nmetadata: {name: ${name}}\nspec: {}\n`;
}
