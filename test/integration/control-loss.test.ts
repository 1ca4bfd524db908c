import { expect, test } from "bun:test";
import { chmod, readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { claim, recordingPlane, testControl, testProxy } from "../harness/control.ts";
import { eventually } from "../harness/eventually.ts";
import { temporaryFolder } from "../harness/folder.ts";

const CART = {
  files: [
    {
      file: "cart.yaml",
      text: "apiVersion: v1\nkind: Service\nmetadata: {name: cart}\nspec: {ports: [{port: 80}]}\n",
    },
  ],
};

test("registrations form again after a restart, and nobody is told that they were gone", async () => {
  await using folder = temporaryFolder();
  const first = await testControl({ data: folder.path, timing: { leaseMs: 60_000 } });
  const stream = first.control.addresses.stream;
  await using cart = testProxy({ control: stream, token: await first.token("cart"), workload: claim("cart") });
  await using web = testProxy({ control: stream, token: await first.token("web"), workload: claim("web") });
  await Promise.all([cart.discovery.ready, web.discovery.ready]);
  await web.discovery.want("cart.default");
  const { revision } = first.control;
  const seen = web.plane.models.length;

  await first.control.close();
  await using second = await testControl({ data: folder.path, stream, timing: { leaseMs: 60_000 } });
  await eventually(() => second.control.counts.streamsOpen === 2);
  await eventually(async () => (await second.client.revision(revision)).done);

  expect(second.control.revision).toBe(revision);
  expect((await second.client.workloads()).map(({ key }) => key.split("/")[1]).sort()).toEqual(["cart", "web"]);
  for (const { resources } of web.plane.models.slice(seen))
    for (const resource of resources)
      if (resource.name === "default/cart:8080" && resource.kind === "cluster")
        expect(resource.model.endpoints.length).toBe(1);
});

test("a workload that does not come back after a restart leaves with its lease", async () => {
  await using folder = temporaryFolder();
  const first = await testControl({ data: folder.path });
  const stream = first.control.addresses.stream;
  const cart = testProxy({ control: stream, token: await first.token("cart"), workload: claim("cart") });
  await cart.discovery.ready;
  await cart.discovery.close();
  await first.control.close();

  await using second = await testControl({ data: folder.path, stream, timing: { leaseMs: 200 } });

  expect((await second.client.workloads()).length).toBe(1);
  await eventually(async () => expect(await second.client.workloads()).toEqual([]));
});

test("config, tokens, authority and revision survive a restart", async () => {
  await using folder = temporaryFolder();
  const first = await testControl({ data: folder.path });
  const token = await first.token("web");
  await first.client.apply(CART);
  const [bundle, { revision }] = [await first.client.bundle(), first.control];
  await first.control.close();

  await using second = await testControl({ data: folder.path });
  await using web = testProxy({ control: second.control.addresses.stream, token });
  await web.discovery.ready;

  expect(await second.client.bundle()).toBe(bundle);
  expect(second.control.revision).toBe(revision);
  expect((await second.client.resources()).map(({ name }) => name)).toEqual(["cart"]);
});

test("a proxy that restarts while the control plane is away serves from its disk", async () => {
  await using folder = temporaryFolder();
  const mesh = await testControl();
  await mesh.client.apply(CART);
  const options = { control: mesh.control.addresses.stream, workload: claim("web"), directory: folder.path };
  const before = testProxy({ ...options, token: await mesh.token("web") });
  await before.discovery.ready;
  await before.discovery.want("cart");
  const { proxy } = before.discovery.state();
  await before.discovery.close();
  await mesh[Symbol.asyncDispose]();

  await using after = testProxy(options);

  expect(await after.discovery.ready).toBe("disk");
  expect(after.plane.models.at(-1)).toEqual(before.plane.models.at(-1)!);
  expect(after.plane.svids).toEqual([before.plane.svids.at(-1)!]);
  await after.discovery.want("cart");
  expect(after.discovery.state()).toMatchObject({ proxy, connected: false, from: "disk" });
});

test("a restarted proxy needs no token, takes up its registration, and is sent only what changed", async () => {
  await using mesh = await testControl({ timing: { leaseMs: 60_000 } });
  await using folder = temporaryFolder();
  await mesh.client.apply(CART);
  const options = { control: mesh.control.addresses.stream, workload: claim("web"), directory: folder.path };
  const before = testProxy({ ...options, token: await mesh.token("web") });
  await before.discovery.ready;
  await before.discovery.want("cart");
  await before.discovery.close();
  const { pushes, certificatesIssued } = mesh.control.counts;

  await using after = testProxy(options);
  await after.discovery.ready;
  await eventually(() => after.discovery.state().from === "control");

  expect(mesh.control.counts.certificatesIssued).toBe(certificatesIssued);
  expect(mesh.control.counts.pushes).toBe(pushes + 1);
  expect(after.plane.keys()).toContain("service/default/cart");
  expect((await mesh.client.workloads()).length).toBe(1);
});

test("while the control plane is away a new host is given up at once, and answered when it is back", async () => {
  await using folder = temporaryFolder();
  const first = await testControl({ data: folder.path });
  await first.client.apply(CART);
  const stream = first.control.addresses.stream;
  await using web = testProxy({ control: stream, token: await first.token("web"), timing: { offlineMs: 0 } });
  await web.discovery.ready;
  await first.control.close();
  await eventually(() => !web.discovery.state().connected);

  await expect(web.discovery.want("cart")).rejects.toThrow("the control plane is away");

  await using _second = await testControl({ data: folder.path, stream });
  await eventually(() => expect(web.plane.keys()).toContain("service/default/cart"));
});

test("any of several control planes will do", async () => {
  await using mesh = await testControl();
  const token = await mesh.token("web");
  const dead = { host: "127.0.0.1", port: 1 };

  await using web = testProxy({ control: [dead, mesh.control.addresses.stream], token });

  expect(await web.discovery.ready).toBe("control");
});

test("without a control plane and without a disk a proxy says so by its deadline", async () => {
  await using mesh = await testControl();
  const token = await mesh.token("web");

  await using web = testProxy({ control: { host: "127.0.0.1", port: 1 }, token, startMs: 50 });

  await expect(web.discovery.ready).rejects.toThrow("Cannot connect to the control plane at 127.0.0.1:1");
});

test("a snapshot on disk that no longer runs does not stop a start with a control plane", async () => {
  await using mesh = await testControl();
  await using folder = temporaryFolder();
  const options = { control: mesh.control.addresses.stream, workload: claim("web"), directory: folder.path };
  const before = testProxy({ ...options, token: await mesh.token("web") });
  await before.discovery.ready;
  await before.discovery.close();
  const plane = recordingPlane();
  let refusals = 1;
  plane.refuse = () => (refusals-- > 0 ? ["from another version"] : []);

  await using after = testProxy({ ...options, plane });

  expect(await after.discovery.ready).toBe("control");
});

test("what a proxy keeps is for its owner only", async () => {
  await using mesh = await testControl();
  await using folder = temporaryFolder();
  await chmod(folder.path, 0o755);
  await using web = testProxy({
    control: mesh.control.addresses.stream,
    token: await mesh.token("web"),
    directory: folder.path,
  });
  await web.discovery.ready;

  await eventually(async () =>
    expect((await readdir(folder.path)).sort()).toEqual(["lock", "plugins", "proxy-id", "snapshot.json", "svid.json"]),
  );

  expect((await stat(folder.path)).mode & 0o777).toBe(0o700);
  expect((await stat(join(folder.path, "svid.json"))).mode & 0o777).toBe(0o600);
  expect(await readFile(join(folder.path, "snapshot.json"), "utf8")).not.toContain("PRIVATE KEY");
});
