import { afterEach, expect, test } from "bun:test";
import type { ListenerPlan } from "../../core/app/plan.ts";
import { eventually } from "../harness/eventually.ts";
import { type MeshOfPeers, startPeers } from "../harness/pair.ts";

const setUp = { closers: [] as AsyncDisposable[] };

afterEach(async () => {
  for (const closer of setUp.closers.splice(0).reverse()) await closer[Symbol.asyncDispose]();
});

const DNS: ListenerPlan = {
  ...{ kind: "service" as const, name: "dns", hostname: "127.0.0.1", port: 0, transport: "plain" as const },
  ...{ host: "dns", servicePort: 53, datagrams: true as const },
};

test("datagrams reach the app and come back from the address they were sent to", async () => {
  const app = await startEcho("one");
  const mesh = await peers(dnsAt([app.port]));
  const client = await startClient(mesh);

  expect(await client.ask("hello")).toEqual({ text: "one: hello", from: mesh.caller.ports[0]! });
  expect(await client.ask("again")).toMatchObject({ text: "one: again" });
  expect(mesh.caller.metric("mesh_udp_sessions_total", { direction: "outbound" })).toBe(1);
  expect(mesh.caller.metric("mesh_udp_sessions_open", { direction: "outbound" })).toBe(1);
  expect(mesh.caller.metric("mesh_udp_datagrams_total", { toward: "upstream" })).toBe(2);
  expect(mesh.caller.metric("mesh_udp_datagrams_total", { toward: "downstream" })).toBe(2);
});

test("a client keeps its endpoint, and clients are spread by the weights of the route", async () => {
  const [one, two] = [await startEcho("one"), await startEcho("two")];
  const route = `---
apiVersion: gateway.networking.k8s.io/v1alpha2
kind: UDPRoute
metadata: {name: split}
spec:
  parentRefs: [{kind: Service, group: "", name: dns, port: 53}]
  rules: [{backendRefs: [{name: dns, port: 53, weight: 1}, {name: other, port: 53, weight: 3}]}]
`;
  const mesh = await peers(dnsAt([one.port]) + dnsAt([two.port], "other") + route);
  const counts: Record<string, number> = {};

  for (let i = 0; i < 60; i++) {
    const client = await startClient(mesh);
    const first = (await client.ask("who")).text;
    expect((await client.ask("who")).text).toBe(first);
    counts[first] = (counts[first] ?? 0) + 1;
  }

  expect(counts["two: who"]).toBeGreaterThan(counts["one: who"] ?? 0);
  expect(counts["one: who"]).toBeGreaterThan(0);
});

test("where nobody is, the session ends with the reason, and the next datagram may go elsewhere", async () => {
  const dead = await startEcho("dead");
  const { port } = dead;
  dead.close();
  const mesh = await peers(dnsAt([port]));
  const client = await startClient(mesh);

  client.send("anybody?");

  const line = await eventually(async () => {
    const [found] = await mesh.caller.lines();
    if (found === undefined) throw new Error("Cannot find a line yet");
    return found;
  });
  expect(line).toMatchObject({ protocol: "UDP", response_flags: "UF", bytes_received: 8, bytes_sent: 0 });
  expect(line["response_code_details"]).toContain("ECONNREFUSED");
  await eventually(() => mesh.caller.metric("mesh_udp_sessions_open") === 0);
});

test("datagrams to a port that no Service has are counted as lost", async () => {
  const app = await startEcho("one");
  const mesh = await peers(dnsAt([app.port]).replace("port: 53, protocol: UDP", "port: 54, protocol: UDP"));
  const client = await startClient(mesh);

  client.send("hello");

  await eventually(() => mesh.caller.metric("mesh_udp_datagrams_dropped_total", { reason: "no such port" }) === 1);
});

async function peers(yaml: string): Promise<MeshOfPeers> {
  const mesh = await startPeers([], yaml, [DNS]);
  setUp.closers.push(mesh);
  return mesh;
}

function dnsAt(ports: readonly number[], name = "dns"): string {
  const slices = ports.map(
    (port) => `---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: ${name}-${port}, labels: {kubernetes.io/service-name: ${name}}}
addressType: IPv4
endpoints: [{addresses: [127.0.0.1]}]
ports: [{name: dns, port: ${port}, protocol: UDP}]
`,
  );
  return `---
apiVersion: v1
kind: Service
metadata: {name: ${name}}
spec: {ports: [{name: dns, port: 53, protocol: UDP}]}
${slices.join("")}`;
}

/** An app that says its name in front of what it hears. */
async function startEcho(name: string) {
  const socket = await Bun.udpSocket({
    hostname: "127.0.0.1",
    port: 0,
    socket: { data: (own, bytes, port, address) => void own.send(`${name}: ${bytes.toString()}`, port, address) },
  });
  setUp.closers.push({ [Symbol.asyncDispose]: async () => socket.close() });
  return socket;
}

async function startClient(mesh: MeshOfPeers) {
  const heard: { text: string; from: number }[] = [];
  const socket = await Bun.udpSocket({
    hostname: "127.0.0.1",
    port: 0,
    socket: { data: (_, bytes, from) => void heard.push({ text: bytes.toString(), from }) },
  });
  setUp.closers.push({ [Symbol.asyncDispose]: async () => socket.close() });
  const send = (text: string): void => void socket.send(text, mesh.caller.ports[0]!, "127.0.0.1");
  return {
    send,
    async ask(text: string) {
      send(text);
      await eventually(() => heard.length > 0);
      return heard.shift()!;
    },
  };
}
