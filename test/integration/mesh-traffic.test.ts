import { expect, test } from "bun:test";
import { serviceYaml, startMesh } from "../harness/mesh.ts";
import { connect, eventually, ok, startBackend, tunnel } from "../harness/mod.ts";
import { startTraffic, toService } from "../harness/traffic.ts";

const VERSIONS = ["web-v1", "web-v2"] as const;

test("a split moves when a new weight is applied, and no request under way feels it", async () => {
  await using mesh = await startMesh({ config: `${serviceYaml("web")}${VERSIONS.map(versionYaml).join("")}` });
  await using first = await startBackend(ok("web-v1"));
  await using second = await startBackend(ok("web-v2"));
  for (const [i, { port }] of [first, second].entries())
    await mesh.join(VERSIONS[i]!, { port, flags: ["--version", `v${i + 1}`, "--label", "app=web"] });
  const shop = await mesh.join("shop");
  await mesh.apply(split(100, 0));
  await mesh.settled();
  await using traffic = startTraffic(shop.outbound, toService("web"));
  const share = async (): Promise<number> => {
    // What was under way when the last proxy agreed may still end the old way.
    await traffic.more(8);
    const before = VERSIONS.map((version) => traffic.answers.get(version) ?? 0);
    await traffic.more(200);
    const [one, two] = VERSIONS.map((version, i) => (traffic.answers.get(version) ?? 0) - before[i]!);
    return two! / (one! + two!);
  };

  const shares = [await share()];
  for (const weight of [50, 0]) {
    await mesh.apply(split(weight, 100 - weight));
    shares.push(await share());
  }
  await traffic.stop();

  expect(shares[0]).toBe(0);
  expect(shares[1]).toBeWithin(0.3, 0.7);
  expect(shares[2]).toBe(1);
  expect(traffic.failures).toEqual([]);
});

test("a service is found when it is first called, and one that comes later as soon as it is there", async () => {
  await using mesh = await startMesh();
  await using backend = await startBackend(ok("hello"));
  const shop = await mesh.join("shop");
  await using client = await connect(shop.outbound);

  const early = await client.request(toService("web"));
  await mesh.apply(serviceYaml("web"));
  await eventually(async () => expect((await client.request(toService("web"))).status).toBe(503));
  await mesh.join("web", { port: backend.port });
  await eventually(async () => expect((await client.request(toService("web"))).text).toBe("hello"));
  await mesh.apply(serviceYaml("cart", "app: web"));
  const first = await client.request(toService("cart"));

  expect(early.status).toBe(502);
  expect(first.text).toBe("hello");
});

test("a destination outside the mesh is reached where the mesh allows any, by request and by CONNECT", async () => {
  await using mesh = await startMesh();
  await using outside = await startBackend(ok("outside"));
  const shop = await mesh.join("shop");
  await using client = await connect(shop.outbound);
  await using tunneller = await connect(shop.outbound);

  const plain = await client.request(toService(outside.address));
  const connected = await tunneller.request({ ...toTunnel(outside.address), method: "CONNECT" });
  const through = await tunneller.get("/through");

  expect(plain.text).toBe("outside");
  expect(connected.status).toBe(200);
  expect(through.text).toBe("outside");
  const line = (await shop.lines(({ method }) => method === "GET"))[0]!;
  expect(line).toMatchObject({ destination_principal: null, response_flags: "-", upstream_host: outside.address });
});

test("a destination outside the mesh is refused with the reason where only the registry is allowed", async () => {
  await using mesh = await startMesh({ config: `${serviceYaml("web")}${registryOnly()}` });
  await using outside = await startBackend(tunnel("none"));
  await using backend = await startBackend(ok("hello"));
  await mesh.join("web", { port: backend.port });
  const shop = await mesh.join("shop");
  await mesh.settled();
  await using client = await connect(shop.outbound);

  const refused = await client.request(toService(outside.address));
  const unconnected = await client.request({ ...toTunnel(outside.address), method: "CONNECT" });

  for (const { status, text } of [refused, unconnected])
    expect({ status, text }).toEqual({
      status: 502,
      text: expect.stringMatching(/it is not in the mesh, and the mesh allows no/),
    });
  expect(outside.connections).toEqual([]);
  expect((await client.request(toService("web"))).text).toBe("hello");
  const lines = await shop.lines(({ response_code }) => response_code === 502, 2);
  for (const line of lines) expect(line["response_flags"]).toBe("NR");
});

function toTunnel(address: string) {
  return { target: address, fields: [["Host", address]] as const };
}

function versionYaml(name: string): string {
  return serviceYaml(name, `app: web, version: ${name.slice(4)}`);
}

function split(first: number, second: number): string {
  const refs = [first, second].map((weight, i) => `{name: ${VERSIONS[i]}, port: 80, weight: ${weight}}`);
  return `apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web}
spec: {parentRefs: [{kind: Service, name: web}], rules: [{backendRefs: [${refs.join(", ")}]}]}
`;
}

function registryOnly(): string {
  return "---\napiVersion: mesh.dev/v1\nkind: Mesh\nmetadata: {name: mesh}\nspec: {egress: {policy: REGISTRY_ONLY}}\n";
}
