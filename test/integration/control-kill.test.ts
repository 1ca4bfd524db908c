import { expect, test } from "bun:test";
import { join } from "node:path";
import { ControlClient } from "../../core/control/client/mod.ts";
import { startBinary } from "../harness/binary.ts";
import { claim, testProxy } from "../harness/control.ts";
import { eventually } from "../harness/eventually.ts";
import { temporaryFolder } from "../harness/folder.ts";
import { ROOT } from "../harness/sources.ts";

test("a control plane that is killed comes back with its config, tokens, authority and registrations", async () => {
  await using folder = temporaryFolder();
  await using first = await start(folder.path, "127.0.0.1:0");
  const { token } = await first.client.createToken({ namespace: "default", name: "cart" });
  const spare = await first.client.createToken({ namespace: "default", name: "web" });
  await using cart = testProxy({ control: first.stream, token, workload: claim("cart") });
  await cart.discovery.ready;
  const { revision } = await first.client.apply({ files: [{ file: "stock.yaml", text: STOCK }] });
  const bundle = await first.client.bundle();

  first.program.kill("SIGKILL");
  await first.program.exited;
  await using second = await start(folder.path, `127.0.0.1:${first.stream.port}`);
  await using web = testProxy({ control: second.stream, token: spare.token, workload: claim("web") });
  await web.discovery.ready;
  await web.discovery.want("cart.default");

  // Whoever asks first is told of those who have not come back yet, too.
  expect(web.plane.models.at(-1)!.resources.find(({ kind }) => kind === "cluster")?.model).toMatchObject({
    endpoints: [{ port: 15006 }],
  });
  await eventually(() => cart.discovery.state().connected);
  expect(await second.client.bundle()).toBe(bundle);
  expect((await second.client.resources()).map(({ name }) => name)).toEqual(["stock"]);
  expect(Number.parseInt(second.revision, 10)).toBe(Number.parseInt(revision, 10));
}, 30_000);

const STOCK = "apiVersion: v1\nkind: Service\nmetadata: {name: stock}\nspec: {ports: [{port: 80}]}\n";

/** The program from its sources, with every door on a free port. */
async function start(data: string, stream: string) {
  const free = "127.0.0.1:0";
  const doors = ["--admin", free, "--metrics", free, "--health", free];
  const program = await startBinary(
    ["control", "--data", data, "--api", free, "--stream", stream, ...doors, "-o", "json"],
    {
      command: [process.execPath, join(ROOT, "cmd", "mesh.ts")],
    },
  );
  const ready = await program.ready();
  const token = (await Bun.file(String(ready["adminToken"])).text()).trim();
  return {
    program,
    revision: String(ready["revision"]),
    client: new ControlClient({ url: `http://${ready["api"]}`, token }),
    stream: { host: "127.0.0.1", port: Number(String(ready["stream"]).split(":").at(-1)) },
    [Symbol.asyncDispose]: () => program[Symbol.asyncDispose](),
  };
}
