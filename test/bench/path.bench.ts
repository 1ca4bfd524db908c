/**
 * What one request costs in our own code, without a kernel:
 * `bun --smol test/bench/path.bench.ts`. The path is the product's, from the
 * bytes of a request to the record behind its response; only the two sockets
 * are doubles that take everything. Best of many short runs, so that a busy
 * machine shows less. It makes next to no garbage: with BUN_JSC_logGC=1 a run
 * of 400,000 requests shows three collections.
 * @module
 */
import { Deadlines, systemClock, systemRandom } from "../../core/base/mod.ts";
import { ClientConnection, DEFAULT_HEAD_LIMITS, Http2Kit, ServerConnection, Stage } from "../../core/http/mod.ts";
import type { Wire, WireOwner } from "../../core/listener/mod.ts";
import {
  AddedLines,
  DEFAULT_WAITS,
  type Mesh,
  Recorder,
  RequestIds,
  Serving,
  serviceWay,
} from "../../core/proxy/mod.ts";
import { PathScan } from "../../core/route/mod.ts";
import { buildSnapshot, emptySnapshot, type Resource } from "../../core/snapshot/mod.ts";
import { IstioMetrics, meshMetrics, Region } from "../../core/telemetry/mod.ts";
import { Upstream } from "../../core/upstream/mod.ts";

const ROUNDS = 60;
const REQUESTS = 64 * 100;
const CONNECTIONS = 64;

/** Every one has another path, query and traceparent, and one of 64 cookies; as `varied.lua`. */
const HEADS = Array.from({ length: 512 }, (_, i) => {
  const hex = (n: number): string =>
    Math.imul(n + i, 2654435761 | 0)
      .toString(16)
      .replace("-", "")
      .padStart(8, "0");
  return Buffer.from(
    `GET /api/items/${i}?page=${i % 97}&q=${hex(1)} HTTP/1.1\r\nHost: web\r\nUser-Agent: bench\r\nAccept: */*\r\n` +
      `Cookie: session=${hex(i % 64)}${hex(7)}\r\ntraceparent: 00-${hex(2)}${hex(3)}${hex(4)}${hex(5)}-${hex(6)}${hex(7)}-01\r\n\r\n`,
  );
});
const RESPONSE = Buffer.from(
  "HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Mon, 05 Jan 2026 12:00:00 GMT\r\n" +
    `Content-Type: text/plain\r\nContent-Length: 100\r\nConnection: keep-alive\r\n\r\n${"x".repeat(100)}`,
);

/** A socket that takes everything. */
class Sink implements Wire {
  bytes = 0;
  write(_bytes: Uint8Array, _offset = 0, length = 0): number {
    this.bytes += length;
    return length;
  }
  pause(): void {}
  resume(): void {}
  shutdown(): void {}
  end(): void {}
  terminate(): void {}
}

/** Has its connections already; the waiting and dialling of the real one is not what a warm request pays. */
class Connected extends Upstream {
  readonly idle: ClientConnection[] = [];
  readonly busy: ClientConnection[] = [];
  override connect(): ClientConnection {
    const connection = this.idle.pop()!;
    this.busy.push(connection);
    return connection;
  }
}

const { clients, upstream, stage } = plane();
let turn = 0;
let best = Number.POSITIVE_INFINITY;
for (let round = 0; round < ROUNDS; round++) {
  const start = Bun.nanoseconds();
  serveAll();
  best = Math.min(best, Bun.nanoseconds() - start);
}
console.log(`${(best / REQUESTS).toFixed(0)} ns for one request`);

function serveAll(): void {
  for (let i = 0; i < REQUESTS; i += CONNECTIONS) {
    for (const client of clients) hand(client, HEADS[turn++ & 511]!);
    while (upstream.busy.length > 0) hand(upstream.busy.pop()!, RESPONSE);
  }
}

/** What `socketHandlers` does with bytes. */
function hand(owner: WireOwner, bytes: Buffer): void {
  owner.received(bytes);
  stage.flush();
}

function plane() {
  const deadlines = new Deadlines(systemClock);
  const stage = new Stage();
  const region = new Region(() => {});
  const metrics = meshMetrics(region);
  const self = { workload: null, principal: null };
  const snapshot = buildSnapshot({ revision: "1-00000000", resources: resources() }, emptySnapshot(), {
    plugins: new Map(),
    scan: new PathScan(1),
    events: { ejected() {}, returned() {} },
  });
  const none = () => false;
  const mesh = {
    snapshot,
    upstream: null as unknown as Upstream,
    recorder: new Recorder(systemClock, new IstioMetrics(region), metrics, null, self),
    added: new AddedLines(new RequestIds((bytes) => crypto.getRandomValues(bytes as Uint8Array<ArrayBuffer>))),
    self,
    metrics,
    used: new Set<string>(),
    deadlines,
    stage,
    clock: systemClock,
    log: null as never,
    waits: DEFAULT_WAITS,
    random: systemRandom,
    bugId: () => "",
    isKnownAbsent: none,
    want: none,
    leave: none,
    ask: () => Promise.resolve(),
    tunnel: none,
  } satisfies Mesh;
  const serving = new Serving(mesh);
  const client = { handler: serving, stage, headLimits: DEFAULT_HEAD_LIMITS };
  const upstream = new Connected({
    http2: new Http2Kit({ deadlines, schedule: queueMicrotask }),
    client,
    deadlines,
    connectTimeoutMs: 1_000,
    idleTimeoutMs: 60_000,
    maxConnections: 1,
    maxWaiting: 1,
    tls: () => null,
    bug: () => {},
  });
  mesh.upstream = upstream;
  const release = (connection: ClientConnection) => void upstream.idle.push(connection);
  const keeper = { release, lost() {}, lingers() {} };
  for (let i = 0; i < CONNECTIONS; i++) release(new ClientConnection(new Sink(), client, keeper));
  const settings = {
    handler: serving.handler(serviceWay("web.default.svc.cluster.local", 0)),
    stage,
    deadlines,
    headLimits: DEFAULT_HEAD_LIMITS,
    headTimeoutMs: 10_000,
    idleTimeoutMs: 300_000,
    lingerMs: 2_000,
    draining: none,
    http2: null,
    onClose() {},
    onIdleClose() {},
  };
  const facts = {
    listener: "web",
    direction: "outbound",
    remoteAddress: "127.0.0.1:1",
    localAddress: "127.0.0.1:2",
    remoteHost: "127.0.0.1",
    peer: null,
    secure: false,
    serverName: "",
    protocol: "",
  } as const;
  const clients = Array.from({ length: CONNECTIONS }, () => new ServerConnection(new Sink(), facts, settings));
  return { clients, upstream, stage };
}

/** A service with one route and one endpoint. */
function resources(): readonly Resource[] {
  const name = "default/web:80";
  const host = "web.default.svc.cluster.local";
  const workload = { name: "web", namespace: "default", app: "web", version: "" };
  const rule = {
    id: "HTTPRoute/default/web/0",
    matches: [{ path: { type: "PathPrefix", value: "/api" } }],
    order: 0,
    backends: [{ cluster: name, name: "web", weight: 1 }],
    policies: [],
  } as const;
  const cluster = {
    name,
    service: { namespace: "default", name: "web", host },
    balancer: "PeakEWMA",
    endpoints: [{ address: "127.0.0.1", port: 1, weight: 1, workload }],
    confirmedAt: 0,
  } as const;
  const port = { port: 80, protocol: "http", rules: [rule], guards: [], guardedByCaller: false } as const;
  return [
    { kind: "cluster", name, version: "1", model: cluster },
    {
      kind: "service",
      name: "default/web",
      version: "1",
      model: { name: "default/web", hosts: [host], ports: [port] },
    },
  ];
}
