import { expect, test } from "bun:test";
import { fakeClock } from "../../test/harness/fake-clock.ts";
import { Cluster, ClusterState } from "../cluster/mod.ts";
import { Egress } from "./egress.ts";
import { EgressRefused, UnknownHost } from "./failure.ts";

const FRESH_MS = 30_000;

test("a destination is a cluster of what its name resolves to, for as long as that is fresh", async () => {
  const { egress, clock } = egressOf(() => ["192.0.2.1", "2001:db8::1"]);

  await egress.lookup("example.org", 443);

  expect(egress.find("example.org", 443)!.endpoints.map(({ authority }) => authority)).toEqual([
    "192.0.2.1:443",
    "[2001:db8::1]:443",
  ]);
  expect(egress.find("example.org", 80)).toBeNull();
  clock.advance(FRESH_MS + 1);
  expect(egress.find("example.org", 443)).toBeNull();
});

test("an IP literal is not looked up", async () => {
  const { egress, asked } = egressOf(() => []);

  await egress.lookup("192.0.2.7", 80);
  await egress.lookup("[2001:db8::7]", 80);

  expect(asked).toEqual([]);
  expect(egress.find("[2001:db8::7]", 80)!.endpoints[0]!.address).toBe("2001:db8::7");
});

test("a name is looked up once, however many ask at the same time", async () => {
  const { egress, asked } = egressOf(() => ["192.0.2.1"]);

  const clusters = await Promise.all([1, 2, 3].map(() => egress.lookup("example.org", 80)));

  expect(asked).toEqual(["example.org"]);
  expect(new Set(clusters).size).toBe(1);
});

test("an address that stays keeps its endpoint, and with it its connections and what is known of it", async () => {
  const answers = [["192.0.2.1"], ["192.0.2.2", "192.0.2.1"]];
  const { egress } = egressOf(() => answers.shift()!);

  const [before] = (await egress.lookup("example.org", 80)).endpoints;
  const after = (await egress.lookup("example.org", 80)).endpoints;

  expect(after[1]).toBe(before!);
});

test("a name without an address, or one that cannot be looked up, is said to be so, and asked for again", async () => {
  const answers = [
    () => [],
    () => {
      throw new Error("SERVFAIL");
    },
    () => ["192.0.2.1"],
  ];
  const { egress } = egressOf(() => answers.shift()!());

  expect(await egress.lookup("example.org", 80).catch((error) => error)).toBeInstanceOf(UnknownHost);
  expect((await egress.lookup("example.org", 80).catch((error) => error)).message).toContain("SERVFAIL");
  expect((await egress.lookup("example.org", 80)).endpoints).toHaveLength(1);
});

test("a name that leads back to this proxy is refused: each request would make the next", async () => {
  const { egress } = egressOf(() => ["127.0.0.1"]);

  expect(await egress.lookup("localhost", 15001).catch((error) => error)).toBeInstanceOf(EgressRefused);
});

test("a thousand destinations are remembered, and those that were looked up last stay", async () => {
  const { egress } = egressOf(() => ["192.0.2.1"]);
  await egress.lookup("first.org", 80);
  for (let i = 0; i < 999; i++) await egress.lookup(`${i}.org`, 80);
  await egress.lookup("first.org", 80);
  await egress.lookup("5.org", 80);
  expect(egress.find("0.org", 80)).not.toBeNull();

  await egress.lookup("one-more.org", 80);

  const found = ["first.org", "0.org", "1.org"].map((host) => egress.find(host, 80) !== null);
  expect(found).toEqual([true, false, true]);
  expect([...egress.endpoints()]).toHaveLength(1000);
});

test("metrics know destinations outside the mesh by one name, however many an app calls", async () => {
  const { egress } = egressOf(() => ["192.0.2.1"]);

  const services = await Promise.all(["a.org", "b.org"].map((host) => egress.lookup(host, 80)));

  expect(services.map(({ service }) => service.host)).toEqual(["unknown", "unknown"]);
});

test("a destination of a wildcard is reached as that says, by its own name, and apart from others at the same place", async () => {
  const { egress } = egressOf(() => ["192.0.2.1"]);
  const like = (serverName: string) =>
    new Cluster(
      {
        name: "default/all:443",
        service: { namespace: "default", name: "all", host: "*.example.org" },
        balancer: "LeastRequest",
        http2: true,
        tls: { serverName, roots: "PEM" },
        resolve: { type: "Request", port: 443 },
        endpoints: [],
        confirmedAt: 0,
      },
      new ClusterState("default/all:443", { ejected() {}, returned() {} }),
      serverName,
    );
  const [own, fixed] = [like(""), like("inner.example.org")];

  const clusters = [
    await egress.lookup("a.example.org", 443, own),
    await egress.lookup("a.example.org", 443, fixed),
    await egress.lookup("a.example.org", 443),
  ];

  expect(clusters.map(({ endpoints }) => endpoints[0]!.tls)).toEqual([
    { serverName: "a.example.org", roots: "PEM" },
    { serverName: "inner.example.org", roots: "PEM" },
    null,
  ]);
  expect(clusters.map(({ balancer, http2 }) => [balancer, http2])[0]).toEqual(["LeastRequest", true]);
  expect(egress.find("a.example.org", 443, own)).toBe(clusters[0]!);
  expect(egress.find("a.example.org", 443)).toBe(clusters[2]!);
});

function egressOf(answer: (host: string) => readonly string[]) {
  const clock = fakeClock();
  const asked: string[] = [];
  const resolve = async (host: string): Promise<readonly string[]> => {
    asked.push(host);
    return answer(host);
  };
  const isOurs = (address: string, port: number): boolean => address === "127.0.0.1" && port === 15001;
  return { egress: new Egress(clock, resolve, { ejected() {}, returned() {} }, isOurs), clock, asked };
}
