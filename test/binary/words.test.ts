import { expect, test } from "bun:test";
import { VERBS } from "../../cmd/verbs.ts";
import { formatJoinToken } from "../../core/discovery/mod.ts";
import { eventually, runBinary, startBinary, temporaryFolder } from "../harness/mod.ts";

/** Reads as a join token; nobody knows it. */
const TOKEN = formatJoinToken({
  ...{
    id: "id",
    secret: "secret",
    root: "0".repeat(64),
    trustDomain: "cluster.local",
    namespace: "default",
    name: "web",
  },
});

test("mesh help shows every verb with what it does", async () => {
  const { code, stdout } = await runBinary(["help"]);

  expect(code).toBe(0);
  for (const [name, { about, chapter }] of Object.entries(VERBS))
    if (chapter !== "") expect(stdout).toMatch(new RegExp(`${name} +${about}`));
});

test.each(Object.keys(VERBS))("mesh help %s has a usage line, and examples that begin with mesh", async (verb) => {
  const { code, stdout } = await runBinary(["help", verb]);
  const asked = await runBinary([verb, "--help"]);

  expect(code).toBe(0);
  expect(stdout).toStartWith(`mesh ${verb}: `);
  expect(stdout).toContain(`usage: mesh ${verb}`);
  expect(asked).toEqual({ code: 0, stdout, stderr: "" });
});

test("the help of a verb of verbs names each, and each has help of its own", async () => {
  const group = await runBinary(["token", "--help"]);
  const one = await runBinary(["help", "token", "create"]);

  expect(group.stdout).toContain("token revoke");
  expect(one.stdout).toMatch(/--ttl TIME +1h/);
});

test.each([
  [["stauts"], '"stauts" is no verb; did you mean "status"?'],
  [["token"], "token needs one of create, list, revoke"],
  [["token", "craete"], '"craete" is no verb of token; did you mean "create"?'],
  [["validate"], "PATH… is missing"],
  [["version", "now"], 'version does not take "now"'],
  [["apply", "--flie", "x"], "apply has no flag --flie; did you mean --file?"],
  [["apply", "-x"], "apply has no flag -x"],
  [["apply"], "-f is missing"],
  [["apply", "-f"], "-f needs a value"],
  [["apply", "-f", "--wait"], "-f needs a value"],
  [["apply", "-f", "x", "--wait=yes"], '--wait takes no value: current value is "yes"'],
  [["apply", "-f", "x", "--timeout", "soon"], '--timeout must be a duration like "10s"'],
  [["status", "-o", "yaml"], "--output must be one of table, json"],
  [["status", "-o", "json", "-o", "table"], "-o is given more than once"],
  [["status", "--control", "ftp://x"], "--control must be a URL"],
  [["get", "servcies"], '"servcies" is no kind; did you mean Service?'],
  [["delete", "service"], "give a kind and a name, or -f"],
  [["token", "create"], "--name is missing: give NAME"],
  [["control", "--api", "15080"], "--api must be an address"],
  [["control", "--ca-cert", "x"], "--ca-cert and --ca-key need each other"],
  [["version", "--", "ls"], 'version runs no command: nothing may follow "--"'],
])("mesh %p is refused with 64 and one line that says why", async (args, why) => {
  const { code, stdout, stderr } = await runBinary(args);

  expect(stderr).toMatch(/^mesh: Cannot read the command line: [^\n]+\n$/);
  expect(stderr).toContain(why);
  expect({ code, stdout }).toEqual({ code: 64, stdout: "" });
});

test("a value from the environment is used where its flag is not given, and named where it is wrong", async () => {
  const env = { MESH_CONTROL: "http://127.0.0.1:1" };

  const used = await runBinary(["status"], { env });
  const wrong = await runBinary(["run", "--", "ls"], { env: { MESH_CONTROL_STREAM: "nowhere" } });

  expect(used.stderr).toContain("http://127.0.0.1:1");
  expect(wrong.stderr).toContain("MESH_CONTROL_STREAM must be an address");
});

test.each([
  [
    ["status", "--control", "http://127.0.0.1:1"],
    /Cannot reach the control plane at http:\/\/127\.0\.0\.1:1: .*mesh control/,
  ],
  [
    ["status", "--token-file", "/nowhere/token"],
    /Cannot read the API token in "\/nowhere\/token": there is no such file/,
  ],
  [["control", "--config", "/nowhere"], /Cannot read the configuration in "\/nowhere": there is no such directory/],
])("mesh %p fails with 1 and one line that says what to look at", async (args, why) => {
  const { code, stdout, stderr } = await runBinary(args);

  expect(stderr).toMatch(why);
  expect(stderr.split("\n")).toHaveLength(2);
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
});

test.each(["SIGTERM", "SIGINT"] as const)("%s ends a proxy that does not serve yet", async (signal) => {
  await using folder = temporaryFolder();
  await using proxy = await startBinary(["proxy", ...joining(folder.path, TOKEN), "--log-level", "debug"]);
  await eventually(() => proxy.stderr !== "", 20_000);

  proxy.kill(signal);

  expect(await proxy.exited).toBe(1);
});

test("a join token that cannot be read ends a proxy with one line", async () => {
  await using folder = temporaryFolder();

  const { code, stderr } = await runBinary(["proxy", ...joining(folder.path, "guess"), "--log-level", "off"]);

  expect(code).toBe(1);
  expect(stderr).toMatch(/^mesh: Cannot read the join token: [^\n]+"mesh token create"\n$/);
});

/** Flags of a proxy that asks a control plane which is not there. */
function joining(data: string, token: string): readonly string[] {
  const doors = ["--admin", "--health", "--metrics", "--outbound"].flatMap((door) => [door, "127.0.0.1:0"]);
  return ["--name", "web", "--control", "127.0.0.1:1", "--data", data, "--token", token, ...doors];
}
