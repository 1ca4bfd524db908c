import { expect, test } from "bun:test";
import { version } from "../../package.json";
import { runBinary, startBinary, temporaryFolder } from "../harness/mod.ts";

test("mesh version says the version of the package", async () => {
  expect(await runBinary(["version"])).toEqual({ code: 0, stdout: `mesh ${version}\n`, stderr: "" });
});

test("mesh version -o json is one line for programs", async () => {
  await using program = await startBinary(["version", "-o", "json"]);

  expect(await program.ready()).toMatchObject({ version });
});

test.each([[[]], [["nothing"]], [["version", "extra"]]])("mesh %p is refused with one line and 64", async (args) => {
  const { code, stdout, stderr } = await runBinary(args);

  expect(code).toBe(64);
  expect(stdout).toBe("");
  expect(stderr).toMatch(/^mesh: Cannot [^\n]+\n$/);
});

test("the binary runs nothing that the folder it is started in asks Bun to run", async () => {
  await using folder = temporaryFolder();
  await folder.write("bunfig.toml", 'preload = ["./stranger.ts"]\n');
  await folder.write("stranger.ts", 'console.log("I was here");\n');

  expect((await runBinary(["version"], { cwd: folder.path })).stdout).toBe(`mesh ${version}\n`);
});
