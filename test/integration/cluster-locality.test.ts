import { expect, test } from "bun:test";
import { serviceYaml, startMesh } from "../harness/mesh.ts";
import { connect, eventually, ok, startBackend } from "../harness/mod.ts";
import { toService } from "../harness/traffic.ts";

test("a proxy calls the instances of its own zone, and those elsewhere when they are gone", async () => {
  await using mesh = await startMesh({ config: serviceYaml("web", "app: web") });
  await using here = await startBackend(ok("here"));
  await using far = await startBackend(ok("far"));
  const joined = (name: string, port: number, locality: string) =>
    mesh.join(name, { port, flags: ["--label", "app=web", "--locality", locality] });
  const near = await joined("web-near", here.port, "eu/eu-1");
  await joined("web-far", far.port, "us/us-1/rack-7");
  const shop = await mesh.join("shop", { flags: ["--locality", "eu/eu-1"] });
  await mesh.settled();
  await using client = await connect(shop.outbound);
  const answers = async (count: number): Promise<ReadonlySet<string>> => {
    const found = new Set<string>();
    for (let i = 0; i < count; i++) found.add((await client.request(toService("web"))).text);
    return found;
  };
  await eventually(async () => expect(await answers(1)).toEqual(new Set(["here"])));

  const before = await answers(30);
  await near[Symbol.asyncDispose]();
  const after = await answers(10);

  expect(before).toEqual(new Set(["here"]));
  expect(after).toEqual(new Set(["far"]));
}, 30_000);
