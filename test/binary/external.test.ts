import { expect, test } from "bun:test";
import { join } from "node:path";
import { startDns } from "../harness/dns.ts";
import { eventually, ok, request, startBackend, startBinary, temporaryFolder } from "../harness/mod.ts";

test("a host outside the mesh is where DNS says, and where it says later", async () => {
  await using first = await startBackend(ok("first"));
  await using second = elsewhere("127.0.0.2", first.port);
  await using dns = await startDns({ "api.outside.test": ["127.0.0.1"] });
  await using proxy = await startForward(dns.address, [
    external("api", "api.outside.test", `[{port: 80, targetPort: ${first.port}}]`),
  ]);

  expect((await proxy.get("http://api.outside.test/")).text).toBe("first");
  dns.names.set("api.outside.test", ["127.0.0.2"]);
  await eventually(async () => (await proxy.get("http://api.outside.test/")).text === "second");
  dns.names.delete("api.outside.test");
  const asked = dns.asked.length;
  await eventually(() => dns.asked.length > asked + 1);

  expect((await proxy.get("http://api.outside.test/")).text).toBe("second");
  expect(second.hosts.at(-1)).toBe("api.outside.test");
});

test("a wildcard takes each host to where that host is, and REGISTRY_ONLY keeps every other one in", async () => {
  await using backend = await startBackend(ok("found"));
  await using dns = await startDns({ "a.outside.test": ["127.0.0.1"], "a.elsewhere.test": ["127.0.0.1"] });
  await using proxy = await startForward(dns.address, [
    external("wild", "*.outside.test", `[{port: ${backend.port}}]`),
    "apiVersion: mesh.dev/v1\nkind: Mesh\nmetadata: { name: mesh }\nspec: { egress: { policy: REGISTRY_ONLY } }",
  ]);

  expect((await proxy.get(`http://a.outside.test:${backend.port}/`)).text).toBe("found");
  const refused = await proxy.get(`http://a.elsewhere.test:${backend.port}/`);

  expect(refused.status).toBe(502);
  expect(refused.text).toContain('Cannot call "a.elsewhere.test": it is not in the mesh');
  expect(backend.requests).toHaveLength(1);
});

/** A server on another address of this machine that answers "second". */
function elsewhere(hostname: string, port: number) {
  const hosts: (string | null)[] = [];
  const server = Bun.serve({
    ...{ hostname, port, reusePort: false },
    fetch: ({ headers }) => {
      hosts.push(headers.get("host"));
      return new Response("second");
    },
  });
  return { hosts, [Symbol.asyncDispose]: () => server.stop(true) };
}

function external(name: string, host: string, ports: string): string {
  return [
    "apiVersion: mesh.dev/v1",
    "kind: ExternalService",
    `metadata: { name: ${name} }`,
    `spec: { hosts: ["${host}"], ports: ${ports} }`,
  ].join("\n");
}

/** `mesh proxy` as a forward proxy from files. */
async function startForward(dns: string, documents: readonly string[]) {
  const folder = temporaryFolder();
  await folder.write("config/mesh.yaml", documents.join("\n---\n"));
  const doors = ["--admin", "127.0.0.1:0", "--metrics", "127.0.0.1:0", "--health", "127.0.0.1:0"];
  const words = ["--config", join(folder.path, "config"), "--outbound", "127.0.0.1:0", "--dns", dns];
  const program = await startBinary(["proxy", ...words, ...doors, "--concurrency", "1", "-o", "json"]);
  const port = Number(String((await program.ready())["outbound"]).split(":")[1]);
  return {
    get: (url: string) => request(port, { target: url, fields: [["Host", new URL(url).host]] }),
    async [Symbol.asyncDispose]() {
      await program[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}
