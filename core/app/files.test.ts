import { expect, test } from "bun:test";
import { eventually } from "../../test/harness/eventually.ts";
import { fakeClock } from "../../test/harness/fake-clock.ts";
import { type Folder, temporaryFolder } from "../../test/harness/folder.ts";
import { jsonLog } from "../base/mod.ts";
import { problemOf } from "../config/mod.ts";
import type { Resource, SnapshotModel } from "../snapshot/mod.ts";
import type { CompiledDirectory } from "./compiler/model.ts";
import { fileSource } from "./files.ts";

test("the first state is applied before anything is served", async () => {
  await using folder = temporaryFolder();
  using files = source(folder, [good("a")]);

  await files.start();

  expect(files.applied.map(({ revision }) => revision)).toEqual([files.revision]);
  expect(files.revision).toMatch(/^1-[0-9a-f]{8}$/);
});

test("a first state that cannot run is refused with its first problem and the way to all of them", async () => {
  await using folder = temporaryFolder();
  using files = source(folder, [bad(2)]);

  const failure = await files.start().catch((error: Error) => error.message);

  expect(failure).toBe(
    `Cannot run the manifests of "${folder.path}": a.yaml:3:5 spec is wrong (1 of 2 problems); "mesh validate ${folder.path}" tells all`,
  );
  expect(files.applied).toEqual([]);
});

test("a change is compiled and applied, and numbered one higher", async () => {
  await using folder = temporaryFolder();
  using files = source(folder, [good("a"), good("b")]);
  await files.start();

  await folder.write("a.yaml", "b");

  await files.until(() => files.revision.startsWith("2-"));
  expect(files.applied.map(({ resources }) => resources[0]?.version)).toEqual(["a", "b"]);
});

test("a bad change is logged with its place, and what ran before runs on", async () => {
  await using folder = temporaryFolder();
  using files = source(folder, [good("a"), bad(1)]);
  await files.start();
  const before = files.revision;

  await folder.write("a.yaml", "bad");

  await files.until(() => files.lines.length === 2);
  expect(files.revision).toBe(before);
  expect(files.applied.length).toBe(1);
  expect(files.lines[1]).toMatchObject({
    level: "error",
    message: "spec is wrong",
    file: "a.yaml",
    line: 3,
    column: 5,
  });
});

test("what runs without effect is told as a warning when it is applied, and beside what is wrong", async () => {
  await using folder = temporaryFolder();
  const warning = problemOf("a.yaml", "serves nothing", { line: 2, column: 1, severity: "warning" });
  const refused = { ...bad(1), problems: [warning, ...bad(1).problems] };
  using files = source(folder, [{ ...good("a"), problems: [warning] }, refused]);

  await files.start();
  expect(files.lines).toMatchObject([{ level: "warn", message: "serves nothing", file: "a.yaml", line: 2 }]);
  await folder.write("a.yaml", "bad");

  await files.until(() => files.lines.length === 4);
  expect(files.lines.slice(2).map(({ level }) => level)).toEqual(["warn", "error"]);
});

test("a change that means the same is not applied again", async () => {
  await using folder = temporaryFolder();
  using files = source(folder, [good("a"), good("a"), good("b")]);
  await files.start();

  await folder.write("a.yaml", "# a comment");
  await files.until(() => files.compiled === 2);
  await folder.write("a.yaml", "b");
  await files.until(() => files.applied.length === 2);

  expect(files.applied.map(({ resources }) => resources[0]?.version)).toEqual(["a", "b"]);
});

test("a process that fails to compile leaves what runs, and the next change is tried", async () => {
  await using folder = temporaryFolder();
  using files = source(folder, [good("a"), null, good("b")]);
  await files.start();

  await folder.write("a.yaml", "x");
  await files.until(() => files.lines.length === 1);
  await folder.write("a.yaml", "b");
  await files.until(() => files.revision.startsWith("2-"));

  expect(files.lines[0]).toMatchObject({ reason: "the compiler has died" });
});

test("modules can be asked for while the first snapshot is being applied, and old ones no more afterwards", async () => {
  await using folder = temporaryFolder();
  const seen: string[] = [];
  const results = [good("a", { one: "first" }), good("b", { two: "second" })];
  using files = source(folder, results, async () => {
    const bytes = await files.blob(files.compiled === 1 ? "one" : "two");
    seen.push(Buffer.from(bytes).toString());
  });
  await files.start();

  await folder.write("a.yaml", "b");
  await files.until(() => files.revision.startsWith("2-"));

  expect(seen).toEqual(["first", "second"]);
  await expect(files.blob("one")).rejects.toThrow("Cannot find module one");
});

/** A source of these results in turn; null where the process that compiles dies. */
function source(
  folder: Folder,
  results: readonly (CompiledDirectory | null)[],
  onApply: () => Promise<void> = async () => {},
) {
  const clock = fakeClock();
  const applied: SnapshotModel[] = [];
  const lines: Record<string, unknown>[] = [];
  let compiled = 0;
  const files = fileSource({
    directory: folder.path,
    compile: async () => {
      const result = results[compiled++];
      if (!result) throw new Error("the compiler has died");
      return result;
    },
    clock,
    log: jsonLog(clock, (line) => lines.push(JSON.parse(line))),
    apply: async (model) => {
      applied.push(model);
      await onApply();
    },
  });
  return {
    start: () => files.start(),
    blob: (sha256: string) => files.blob(sha256),
    get revision() {
      return files.revision;
    },
    get compiled() {
      return compiled;
    },
    applied,
    lines,
    /** Lets the watch settle until it is so. */
    until: (isSo: () => boolean) =>
      eventually(() => {
        clock.advance(60);
        return isSo();
      }),
    [Symbol.dispose]: () => files.close(),
  };
}

function good(version: string, blobs: Record<string, string> = {}): CompiledDirectory {
  const modules = Object.entries(blobs).map(([name, text]) => [name, Buffer.from(text)] as const);
  const resource = { kind: "mesh", name: "", version, model: {} } as Resource;
  return { resources: [resource], blobs: new Map(modules), problems: [] };
}

function bad(count: number): CompiledDirectory {
  const problem = problemOf("a.yaml", "spec is wrong", { line: 3, column: 5 });
  return { resources: [], blobs: new Map(), problems: Array.from({ length: count }, () => problem) };
}
