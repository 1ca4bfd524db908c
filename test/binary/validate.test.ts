import { expect, test } from "bun:test";
import { join } from "node:path";
import { runBinary, temporaryFolder } from "../harness/mod.ts";

const GOOD = `apiVersion: v1
kind: Service
metadata: { name: web }
spec: { ports: [{ port: 80 }] }
`;
const BAD = GOOD.replace("port: 80", "prot: 80");
const ATTACHED_TO_NOTHING = `apiVersion: mesh.dev/v1
kind: Plugin
metadata: { name: keys }
spec: { targetRefs: [{ kind: Service, name: nobody }], source: { builtin: api-key }, phase: Authentication }
`;

test("manifests without a mistake are valid, and counted", async () => {
  await using folder = temporaryFolder();
  await folder.write("web.yaml", GOOD);

  expect(await runBinary(["validate", folder.path])).toEqual({
    code: 0,
    stdout: "1 document in 1 file: no problems\n",
    stderr: "",
  });
});

test("mistakes are told with file, line and column, all of them, and end with 1", async () => {
  await using folder = temporaryFolder();
  await folder.write("web.yaml", BAD);

  const { code, stdout } = await runBinary(["validate", folder.path]);

  expect(code).toBe(1);
  expect(stdout).toContain(`${join(folder.path, "web.yaml")}:4:19`);
  expect(stdout).toContain("did you mean port?");
  expect(stdout).toContain("spec.ports[0].port must be");
});

test("-o json tells programs path, found and expected", async () => {
  await using folder = temporaryFolder();
  await folder.write("web.yaml", BAD);

  const { stdout } = await runBinary(["validate", folder.path, "-o", "json"]);

  const { valid, problems } = JSON.parse(stdout);
  expect(valid).toBe(false);
  expect(problems).toContainEqual(expect.objectContaining({ path: "spec.ports[0].prot", found: "prot", line: 4 }));
});

test("a warning passes, unless --strict", async () => {
  await using folder = temporaryFolder();
  await folder.write("keys.yaml", ATTACHED_TO_NOTHING);

  expect((await runBinary(["validate", folder.path])).code).toBe(0);
  expect((await runBinary(["validate", "--strict", folder.path])).code).toBe(1);
});

test("a path that is not there is a problem", async () => {
  const { code, stdout } = await runBinary(["validate", "/nowhere.yaml"]);

  expect(code).toBe(1);
  expect(stdout).toContain("Cannot read /nowhere.yaml: there is no such file");
});
