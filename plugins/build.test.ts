import { expect, test } from "bun:test";
import { parse } from "yaml";
import { loadManifest } from "../core/plugin/extism/mod.ts";
import { sha256 } from "../test/harness/policy.ts";
import { build, buildCommand } from "./build.ts";
import { builtin, builtinNames } from "./builtin.ts";

for (const name of builtinNames()) {
  test(`the committed module of ${name} is what its source builds to`, async () => {
    const shipped = await builtin(name);

    expect(sha256(await build(name))).toBe(shipped!.sha256);
  }, 60_000);

  test(`the manifest of ${name} loads its module, and says how it was built`, async () => {
    const file = new URL(`${name}/manifest.yaml`, import.meta.url);
    const text = await Bun.file(file).text();
    const manifest = await loadManifest(parse(text), async (path) => Bun.file(new URL(path, file)).bytes());

    expect(manifest.sha256).toBe((await builtin(name))!.sha256);
    expect(text).toContain(`npx asc ${buildCommand(name).join(" ")}`);
  });
}

test("there is no builtin of another name", async () => {
  expect(await builtin("constructor")).toBeNull();
  expect(await builtin("../build.ts")).toBeNull();
});
