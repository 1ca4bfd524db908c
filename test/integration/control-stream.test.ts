import { expect, test } from "bun:test";
import { encodeText } from "../../core/discovery/framing.ts";
import { CONTROL_ALPN, Frame } from "../../core/discovery/mod.ts";
import { clientTls, type Svid } from "../../core/identity/mod.ts";
import type { ServiceModel } from "../../core/snapshot/mod.ts";
import {
  claim,
  type TestControl,
  type TestProxy,
  type TestProxyOptions,
  testControl,
  testProxy,
} from "../harness/control.ts";
import { eventually } from "../harness/eventually.ts";

const CART = service("cart");

test("a proxy holds nothing of a service until it asks for it", async () => {
  await using mesh = await testControl();
  await mesh.client.apply(yaml(CART, service("stock")));
  await using web = await joined(mesh, "web");
  expect(web.plane.keys()).toEqual(["mesh/", "workload/default/web"]);

  await web.discovery.want("cart.default");

  expect(web.plane.keys()).toEqual([
    "cluster/default/cart:80",
    "mesh/",
    "service/default/cart",
    "workload/default/web",
  ]);
});

test("a host that means nothing is answered, and again when it comes to mean something", async () => {
  await using mesh = await testControl();
  await using web = await joined(mesh, "web");

  await web.discovery.want("cart.default");
  expect(web.plane.keys()).not.toContain("service/default/cart");
  await mesh.client.apply(yaml(CART));

  await eventually(() => expect(web.plane.keys()).toContain("service/default/cart"));
});

test("requests for one new host lead to one update", async () => {
  await using mesh = await testControl();
  await mesh.client.apply(yaml(CART));
  await using web = await joined(mesh, "web");
  const before = web.plane.models.length;

  await Promise.all(Array.from({ length: 50 }, () => web.discovery.want("cart.default")));

  expect(web.plane.models.length).toBe(before + 1);
});

test("a change reaches those who hold what changed, and all have its revision", async () => {
  await using mesh = await testControl();
  await mesh.client.apply(yaml(CART));
  await using web = await joined(mesh, "web");
  await using idle = await joined(mesh, "idle");
  await web.discovery.want("cart.default");

  const { revision } = await mesh.client.apply(yaml(service("cart", 81)));
  await eventually(async () => (await mesh.client.revision(revision)).done);

  expect(portsOf(web)).toEqual([81]);
  expect(web.plane.models.at(-1)!.revision).toBe(revision);
  expect(idle.plane.models.at(-1)!.revision).toBe(revision);
  expect(idle.plane.keys()).toEqual(["mesh/", "workload/default/idle"]);
  expect(await mesh.client.revision(revision)).toMatchObject({ total: 2, acked: 2, waiting: [], refused: [] });
});

test("many changes in quick succession reach a slow proxy as few, the newest among them", async () => {
  await using mesh = await testControl({ timing: { debounceMs: 1 } });
  await mesh.client.apply(yaml(CART));
  await using web = await joined(mesh, "web");
  await web.discovery.want("cart.default");
  const before = web.plane.models.length;
  const gate = Promise.withResolvers<void>();
  const apply = web.plane.apply;
  web.plane.apply = async (model) => {
    await gate.promise;
    await apply(model);
  };

  for (let port = 1; port <= 20; port++) await mesh.client.apply(yaml(service("cart", port)));
  gate.resolve();
  await eventually(() => expect(portsOf(web)).toEqual([20]));

  expect(web.plane.models.length - before).toBe(2);
});

test("a refused snapshot is reported with its reasons, and what served goes on", async () => {
  await using mesh = await testControl();
  await mesh.client.apply(yaml(CART));
  await using web = await joined(mesh, "web");
  await web.discovery.want("cart.default");
  const good = web.plane.models.at(-1)!.revision;

  web.plane.refuse = () => ["no such cluster", "no such plugin"];
  const { revision } = await mesh.client.apply(yaml(service("cart", 81)));
  await eventually(async () => (await mesh.client.revision(revision)).refused.length === 1);

  const [status] = (await mesh.client.status()).proxies;
  expect(status).toMatchObject({
    revisionAcked: good,
    nack: { revision, reasons: ["no such cluster", "no such plugin"] },
  });
  expect(portsOf(web)).toEqual([80]);
  expect(web.discovery.state()).toMatchObject({ revision: good, refused: { revision } });

  web.plane.refuse = () => [];
  const next = await mesh.client.apply(yaml(service("cart", 82)));
  await eventually(async () => (await mesh.client.revision(next.revision)).done);
  expect(portsOf(web)).toEqual([82]);
  expect((await mesh.client.status()).proxies[0]!.nack).toBeNull();
});

test("a service that cannot be run keeps no other out", async () => {
  await using mesh = await testControl();
  await mesh.client.apply(yaml(CART, service("broken")));
  await using web = await joined(mesh, "web");
  web.plane.refuse = ({ resources }) => (resources.some(({ name }) => name === "default/broken") ? ["broken"] : []);

  await expect(web.discovery.want("broken.default")).rejects.toThrow("its configuration was refused: broken");
  await web.discovery.want("cart.default");

  expect(web.plane.keys()).toContain("service/default/cart");
  expect(web.plane.keys()).not.toContain("service/default/broken");
});

test("services that no request uses any more are dropped, pinned ones stay", async () => {
  await using mesh = await testControl();
  await mesh.client.apply(yaml(CART, service("stock"), service("front")));
  await using web = await joined(mesh, "web", { pinned: ["front.default"], timing: { idleMs: 200, sweepMs: 20 } });
  web.plane.services = ["default/cart"];

  await web.discovery.want("cart.default");
  await web.discovery.want("stock.default");
  await eventually(() => expect(web.plane.keys()).not.toContain("service/default/stock"));

  expect(web.plane.keys()).toContain("service/default/cart");
  expect(web.plane.keys()).toContain("service/default/front");
  await web.discovery.want("stock.default");
  expect(web.plane.keys()).toContain("service/default/stock");
});

test("a bare name is the service of the asker's own namespace first", async () => {
  await using mesh = await testControl();
  await mesh.client.apply(yaml(CART, service("cart", 81, "shop"), service("stock", 82)));
  await using web = await joined(mesh, "web", { namespace: "shop" });

  await web.discovery.want("cart");
  await web.discovery.want("stock");

  const hosts = (name: string) => modelOf(web, name)?.hosts ?? [];
  expect(hosts("shop/cart")).toContain("cart");
  expect(hosts("default/stock")).toContain("stock");
  await web.discovery.want("cart.default");
  expect(hosts("default/cart")).not.toContain("cart");
});

test("instances register with their proxies, are endpoints, and leave when they withdraw", async () => {
  await using mesh = await testControl();
  await using one = await joined(mesh, "cart", { inboundPort: 15001 });
  await using web = await joined(mesh, "web");
  await web.discovery.want("cart.default");
  await using _two = await joined(mesh, "cart", { address: "127.0.0.2", inboundPort: 15002 });

  await eventually(() => expect(endpointsOf(web)).toEqual([15001, 15002]));
  expect(await one.discovery.withdraw(1000)).toEqual([]);

  // Nobody is told later: when the withdrawal resolves, the endpoint is gone everywhere.
  expect(endpointsOf(web)).toEqual([15002]);
  expect(one.plane.keys()).toContain("workload/default/cart");
});

test("a workload that is held back knows itself, and is called only once it is announced", async () => {
  await using mesh = await testControl();
  await using web = await joined(mesh, "web");
  await web.discovery.want("cart.default");
  await using cart = await joined(mesh, "cart", { announced: false });
  await eventually(() => expect(web.plane.models.at(-1)!.revision).toBe(mesh.control.revision));
  expect(cart.plane.keys()).toContain("workload/default/cart");
  expect(endpointsOf(web)).toEqual([]);

  cart.discovery.announce();

  await eventually(() => expect(endpointsOf(web)).toEqual([15006]));
  expect(cart.discovery.state().connected).toBe(true);
});

test("a withdrawal names those who have not confirmed it by the deadline", async () => {
  await using mesh = await testControl();
  await using cart = await joined(mesh, "cart");
  await using web = await joined(mesh, "web");
  await web.discovery.want("cart.default");
  web.plane.apply = () => new Promise(() => {});

  const laggards = await cart.discovery.withdraw(50);

  expect(laggards).toEqual([expect.stringMatching(/^default\/web\//)]);
});

test("an instance whose proxy is gone stays for a lease, then leaves", async () => {
  await using mesh = await testControl({ timing: { leaseMs: 300 } });
  const cart = await joined(mesh, "cart");
  await using web = await joined(mesh, "web");
  await web.discovery.want("cart.default");
  expect(endpointsOf(web)).toEqual([15006]);

  await cart.discovery.close();
  await eventually(async () => (await mesh.client.workloads()).some(({ connected }) => !connected));
  expect(endpointsOf(web)).toEqual([15006]);

  await eventually(() => expect(endpointsOf(web)).toEqual([]));
});

test("a proxy that falls silent without closing is given up", async () => {
  await using mesh = await testControl({ timing: { pingMs: 30, deadMs: 90, leaseMs: 50 } });
  const web = await joined(mesh, "web");
  await web.discovery.close();
  const subscribe = { proxy: "frozen", workload: claim("web"), hosts: [], held: {}, revision: "" };
  using _frozen = await sendAndFreeze(mesh, web.plane.svids[0]!, [
    encodeText(Frame.Hello, JSON.stringify({ protocols: [1], software: "frozen" })),
    encodeText(Frame.Subscribe, JSON.stringify(subscribe)),
  ]);
  await eventually(() => mesh.lines.some((line) => line.includes("stream opened") && line.includes("/frozen")));

  await eventually(async () => expect(await mesh.client.workloads()).toEqual([]));

  expect(mesh.control.counts.streamsOpen).toBe(0);
  expect(mesh.lines.some((line) => line.includes("the peer was silent"))).toBe(true);
});

test("a newer stream of the same proxy takes the place of the older", async () => {
  await using mesh = await testControl();
  const token = await mesh.token("web", { uses: 2 });
  const options = { control: mesh.control.addresses.stream, token, workload: claim("web"), random: () => 0.5 };
  await using first = testProxy(options);
  await first.discovery.ready;

  await using second = testProxy(options);
  await second.discovery.ready;

  await eventually(() => first.lines.some((line) => line.includes("a newer stream of the same proxy has taken over")));
  expect(mesh.control.counts.streamsOpen).toBe(1);
});

interface Joining extends Partial<Omit<TestProxyOptions, "control">> {
  readonly inboundPort?: number;
  readonly address?: string;
  readonly namespace?: string;
}

async function joined(mesh: TestControl, name: string, options: Joining = {}): Promise<TestProxy> {
  const { inboundPort = 15006, address = "127.0.0.1", namespace = "default", ...rest } = options;
  const token = await mesh.token(name, { namespace });
  const workload = claim(name, { inboundPort, address, namespace });
  const proxy = testProxy({ control: mesh.control.addresses.stream, token, workload, ...rest });
  await proxy.discovery.ready;
  return proxy;
}

/** A client that says what it is told to, and then reads and answers nothing. */
async function sendAndFreeze(mesh: TestControl, svid: Svid, frames: readonly Buffer[]) {
  const { host: hostname, port } = mesh.control.addresses.stream;
  const socket = await Bun.connect({
    hostname,
    port,
    tls: clientTls(svid, [CONTROL_ALPN], "control.mesh") as never,
    socket: { handshake: (open) => frames.forEach((frame) => void open.write(frame)), data() {} },
  });
  return { [Symbol.dispose]: () => socket.terminate() };
}

function modelOf(proxy: TestProxy, name: string): ServiceModel | null {
  const found = proxy.plane.models.at(-1)?.resources.find((r) => r.kind === "service" && r.name === name);
  return found?.kind === "service" ? found.model : null;
}

function portsOf(proxy: TestProxy): number[] {
  return modelOf(proxy, "default/cart")?.ports.map(({ port }) => port) ?? [];
}

function endpointsOf(proxy: TestProxy): number[] {
  const clusters = proxy.plane.models.at(-1)?.resources.filter((r) => r.kind === "cluster") ?? [];
  return clusters.flatMap(({ model }) => model.endpoints.map(({ port }) => port)).sort();
}

function service(name: string, port = 80, namespace = "default"): string {
  return `apiVersion: v1\nkind: Service\nmetadata: {name: ${name}, namespace: ${namespace}}\nspec: {selector: {app: none}, ports: [{port: ${port}}]}\n`;
}

function yaml(...documents: string[]) {
  return { files: [{ file: "test.yaml", text: documents.join("---\n") }] };
}
