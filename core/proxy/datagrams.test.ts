import { expect, test } from "bun:test";
import { eventually } from "../../test/harness/eventually.ts";
import { type ServingDouble, servingDouble, snapshotOf } from "../../test/harness/serving.ts";
import { type ConnectionLimit, listenDatagrams } from "../listener/mod.ts";
import { IstioMetrics, Region } from "../telemetry/mod.ts";
import { ConnectionRecorder } from "./connection-record.ts";
import { serviceDatagrams } from "./datagram-way.ts";
import { Datagrams } from "./datagrams.ts";

const IDLE_MS = 60_000;

test("a client that says nothing for a minute is forgotten, and one that speaks is not", async () => {
  await using app = await startSink();
  const { datagrams, double } = serving(app.port);
  datagrams.received(Buffer.from("a"), 1001, "127.0.0.1");
  datagrams.received(Buffer.from("b"), 1002, "127.0.0.1");
  double.clock.advance(IDLE_MS - 1_000);
  datagrams.received(Buffer.from("c"), 1002, "127.0.0.1");

  double.clock.advance(2_000);

  expect(datagrams.sessions).toBe(1);
  datagrams.stop();
  await eventually(() => app.heard.length === 3);
  expect(app.heard.toSorted()).toEqual(["a", "b", "c"]);
});

test("more clients than there may be lose their datagrams, which are counted", async () => {
  await using app = await startSink();
  const { datagrams, double, limit } = serving(app.port, { open: 0, max: 1 });

  datagrams.received(Buffer.from("a"), 1001, "127.0.0.1");
  datagrams.received(Buffer.from("b"), 1002, "127.0.0.1");

  expect([datagrams.sessions, limit.open]).toEqual([1, 1]);
  expect(double.metric("mesh_udp_datagrams_dropped_total", { reason: "too many sessions" })).toBe(1);
  datagrams.stop();
  expect([datagrams.sessions, limit.open]).toEqual([0, 0]);
});

test("clients of one listener take no more than half of what may be open, as their addresses may be made up", async () => {
  await using app = await startSink();
  const { datagrams, limit } = serving(app.port, { open: 0, max: 6 });

  for (let port = 1001; port < 1010; port++) datagrams.received(Buffer.from("a"), port, "127.0.0.1");

  expect([datagrams.sessions, limit.open]).toEqual([3, 3]);
  datagrams.stop();
});

test("a client whose endpoint is gone from its cluster gets another", async () => {
  await using one = await startSink();
  await using two = await startSink();
  const { datagrams, double } = serving(one.port);
  datagrams.received(Buffer.from("before"), 1001, "127.0.0.1");
  await eventually(() => one.heard.length === 1);
  for (const endpoint of double.mesh.snapshot.clusterNamed("default/dns:53-udp")!.endpoints) endpoint.member = false;
  double.mesh.snapshot = snapshotOf(resources(two.port));

  datagrams.received(Buffer.from("after"), 1001, "127.0.0.1");

  await eventually(() => two.heard.length === 1);
  expect(one.heard).toEqual(["before"]);
  datagrams.stop();
});

interface Sink extends AsyncDisposable {
  readonly port: number;
  readonly heard: string[];
}

async function startSink(): Promise<Sink> {
  const heard: string[] = [];
  const socket = await Bun.udpSocket({
    hostname: "127.0.0.1",
    port: 0,
    socket: { data: (_, bytes) => void heard.push(bytes.toString()) },
  });
  return { port: socket.port, heard, [Symbol.asyncDispose]: async () => socket.close() };
}

function serving(port: number, limit: ConnectionLimit = { open: 0, max: 100 }) {
  const double: ServingDouble = servingDouble(snapshotOf(resources(port)));
  const { clock, deadlines, metrics, self } = double.mesh;
  const istio = new IstioMetrics(new Region(() => {}));
  const recorder = new ConnectionRecorder({ clock, deadlines, istio, metrics, log: null, self });
  const bug = (error: unknown): never => {
    throw error;
  };
  const way = serviceDatagrams("dns", 53);
  const datagrams = new Datagrams({ mesh: double.mesh, recorder, way, limit, bug });
  const received = (bytes: Buffer, from: number, address: string) => datagrams.received(bytes, from, address);
  datagrams.attach(listenDatagrams({ name: "dns", hostname: "127.0.0.1", port: 0, reusePort: false, received, bug }));
  return { datagrams, double, limit };
}

function resources(port: number): Parameters<typeof snapshotOf>[0] {
  const cluster = "default/dns:53-udp";
  const workload = { name: "dns", namespace: "default", app: "dns", version: "" };
  const connections = [{ id: "dns/0", order: 0, backends: [{ cluster, name: "dns", weight: 1 }] }];
  const ports = [{ port: 53, protocol: "udp" as const, rules: [], connections, guards: [], guardedByCaller: false }];
  const model = {
    name: cluster,
    service: { namespace: "default", name: "dns", host: "dns.default.svc.cluster.local" },
    balancer: "LeastRequest" as const,
    endpoints: [{ address: "127.0.0.1", port, weight: 1, workload }],
    confirmedAt: 0,
  };
  return [
    { kind: "cluster", name: cluster, version: `${port}`, model },
    { kind: "service", name: "default/dns", version: "1", model: { name: "default/dns", hosts: ["dns"], ports } },
  ];
}
