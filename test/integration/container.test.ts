import { afterAll, beforeAll, expect } from "bun:test";
import { chmodSync, chownSync } from "node:fs";
import { version } from "../../package.json";
import {
  buildImage,
  type Folder,
  type Image,
  ok,
  request,
  startBackend,
  temporaryFolder,
  testUnless,
  within,
  withoutContainers,
} from "../harness/mod.ts";

/** User and group of the image. */
const MESH_USER = 1337;
const SIDE_DOORS = ["--admin", "127.0.0.1:0", "--health", "127.0.0.1:0", "--metrics", "127.0.0.1:0"];

const reason = withoutContainers();
let image: Image;

beforeAll(async () => {
  if (reason === null) image = await buildImage();
}, 120_000);
afterAll(async () => await image?.[Symbol.asyncDispose]());

testUnless(reason)("the image runs mesh on a read-only root, without rights and without a shell", async () => {
  await using mesh = await image.start(["version"]);
  await using shell = await image.start(["sh"]);

  expect(await within("the version", mesh.exited, 30_000)).toBe(0);
  expect(mesh.stdout).toBe(`mesh ${version}\n`);
  expect(await within("the refusal", shell.exited, 30_000)).toBe(64);
});

testUnless(reason)("a proxy in the image serves a directory of manifests, and drains when it is stopped", async () => {
  await using backend = await startBackend(ok("from behind"));
  await using folder = mountable();
  await folder.write("web.yaml", serviceAt(backend.port));
  const words = ["proxy", "--config", "/config", "--listen", "127.0.0.1:0=web", ...SIDE_DOORS, "-o", "json"];
  await using proxy = await image.start(words, { network: "host", volumes: [`${folder.path}:/config:ro`] });

  const { listeners } = (await proxy.ready()) as { listeners: readonly { address: string }[] };
  const response = await request(portOf(listeners[0]!.address));
  proxy.kill("SIGTERM");

  expect([response.status, response.text]).toEqual([200, "from behind"]);
  expect(await within("the proxy to end", proxy.exited, 30_000)).toBe(0);
});

testUnless(reason)("a control plane in the image keeps what must survive in its one writable folder", async () => {
  await using folder = mountable();
  const words = ["control", "--data", "/data", "--api", "127.0.0.1:0", "--stream", "127.0.0.1:0"];
  const start = () =>
    image.start([...words, ...SIDE_DOORS, "-o", "json"], { network: "host", volumes: [`${folder.path}:/data`] });

  const domains: unknown[] = [];
  for (let times = 0; times < 2; times++) {
    await using control = await start();
    domains.push((await control.ready())["trustDomain"]);
    control.kill("SIGTERM");
    expect(await within("the control plane to end", control.exited, 30_000)).toBe(0);
  }

  expect(domains[0]).toBeString();
  expect(domains[1]).toBe(domains[0]);
});

/** A folder that the image's user owns. */
function mountable(): Folder {
  const folder = temporaryFolder();
  chmodSync(folder.path, 0o755);
  chownSync(folder.path, MESH_USER, MESH_USER);
  return folder;
}

function portOf(address: string): number {
  return Number(address.slice(address.lastIndexOf(":") + 1));
}

function serviceAt(port: number): string {
  return `apiVersion: v1
kind: Service
metadata: { name: web }
spec:
  ports: [{ name: http, port: 80 }]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: web-1, labels: { kubernetes.io/service-name: web } }
addressType: IPv4
ports: [{ name: http, port: ${port} }]
endpoints: [{ addresses: [127.0.0.1] }]
`;
}
