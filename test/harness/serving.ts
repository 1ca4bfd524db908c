import { Deadlines, jsonLog } from "../../core/base/mod.ts";
import type { Endpoint } from "../../core/cluster/mod.ts";
import {
  type ClientConnection,
  type ClientStream,
  type Edits,
  type Exchange,
  type RequestHandler,
  type ServerStream,
  Stage,
} from "../../core/http/mod.ts";
import type { ConnectionFacts } from "../../core/listener/mod.ts";
import type { Plugin } from "../../core/plugin/mod.ts";
import type { Permitted } from "../../core/policy/mod.ts";
import {
  AddedLines,
  DEFAULT_WAITS,
  type Mesh,
  type MeshExchange,
  Recorder,
  RequestIds,
  Serving,
  type Way,
} from "../../core/proxy/mod.ts";
import { PathScan, type RuleModel } from "../../core/route/mod.ts";
import { buildSnapshot, type Resource, type Snapshot } from "../../core/snapshot/mod.ts";
import { Aggregate, IstioMetrics, LogWriter, meshMetrics, Region } from "../../core/telemetry/mod.ts";
import { Upstream, type Waiter } from "../../core/upstream/mod.ts";
import { type FakeClock, fakeClock } from "./fake-clock.ts";
import { type RequestText, requestHead } from "./head.ts";

/** The upstream side of an attempt, for a test to play. */
export class ClientDouble implements ClientStream {
  readonly endpoint: Endpoint;
  readonly calls: string[] = [];
  blocked = false;
  answered = false;
  exchange: Exchange | null = null;
  body = "";

  constructor(endpoint: Endpoint) {
    this.endpoint = endpoint;
  }

  send(exchange: Exchange): void {
    exchange.upstream = this;
    this.exchange = exchange;
    this.calls.push("send");
  }
  adopt(exchange: Exchange): void {
    exchange.upstream = this;
    this.exchange = exchange;
    this.calls.push("adopt");
  }
  data(bytes: Buffer, start: number, end: number): void {
    this.body += bytes.latin1Slice(start, end);
  }
  finish(): void {
    this.calls.push("finish");
  }
  readBody(): void {
    this.calls.push("readBody");
  }
  pauseBody(): void {
    this.calls.push("pauseBody");
  }
  tunnel(): void {}
  handTo(exchange: Exchange): void {
    if (this.exchange !== null) this.exchange.upstream = null;
    this.exchange = exchange;
    exchange.upstream = this;
  }
  abort(): void {
    this.calls.push("abort");
    this.detach();
  }
  leave(): void {
    this.calls.push("leave");
    this.detach();
  }
  close(): void {
    this.calls.push("close");
  }
  /** The attempt is over: what the codec does before it tells so. */
  detach(): void {
    if (this.exchange?.upstream === this) this.exchange.upstream = null;
  }
}

/** Hands out doubles at once, or lets the exchanges wait. */
export class UpstreamDouble extends Upstream {
  readonly waiting: { endpoint: Endpoint; waiter: Waiter }[] = [];
  readonly clients: ClientDouble[] = [];
  readonly cancelled: Waiter[] = [];
  /** What the next attempts get; a connection where it says nothing. */
  readonly answers: ("wait" | "overflow")[] = [];

  override connect(_: Permitted, endpoint: Endpoint, waiter: Waiter): ClientConnection | null | "overflow" {
    const answer = this.answers.shift();
    if (answer === "overflow") return answer;
    if (answer === "wait") {
      this.waiting.push({ endpoint, waiter });
      return null;
    }
    return this.client(endpoint);
  }
  override cancel(_: Endpoint, waiter: Waiter): void {
    this.cancelled.push(waiter);
  }

  client(endpoint: Endpoint): ClientConnection {
    const client = new ClientDouble(endpoint);
    this.clients.push(client);
    return client as unknown as ClientConnection;
  }
}

/** The downstream side of an exchange: keeps what it was told, and ends the exchange as the codec does. */
export class StreamDouble implements ServerStream {
  readonly connection: ConnectionFacts;
  readonly calls: string[] = [];
  responseStarted = false;
  requestComplete = true;
  blocked = false;
  bytesSent = 0;
  /** What was answered: the status of the whole answer, or of the head. */
  status = 0;
  body = "";
  /** What the mesh itself said in the response. */
  fields = "";
  /** The last bytes of a response stay in the queue until `flush`. */
  isSlow = false;
  #exchange: Exchange | null = null;
  readonly handler: RequestHandler;

  constructor(handler: RequestHandler, connection: ConnectionFacts) {
    this.handler = handler;
    this.connection = connection;
  }

  /** A request comes in. */
  begin(
    text: RequestText & { readonly length?: number; readonly isHttp2?: boolean; readonly upgrade?: boolean },
  ): MeshExchange {
    const exchange = this.handler.begin(this);
    Object.assign(exchange.request, requestHead(text), {
      contentLength: text.length ?? 0,
      isHttp2: text.isHttp2 === true,
      upgrade: text.upgrade === true,
    });
    this.requestComplete = (text.length ?? 0) === 0;
    this.responseStarted = false;
    this.#exchange = exchange;
    this.handler.request(exchange);
    return exchange as MeshExchange;
  }

  get isOver(): boolean {
    return this.#exchange === null;
  }

  readBody(): void {
    this.calls.push("readBody");
  }
  pauseBody(): void {
    this.calls.push("pauseBody");
  }
  inform(): void {
    this.calls.push("inform");
  }
  respond(exchange: Exchange, _route: Edits | null, said: Edits | null): void {
    this.responseStarted = true;
    this.status = exchange.response.status;
    this.fields = said?.lines.toString() ?? "";
    this.calls.push("respond");
  }
  data(bytes: Buffer, start: number, end: number): void {
    this.body += bytes.latin1Slice(start, end);
    this.bytesSent += end - start;
  }
  finish(): void {
    this.calls.push("finish");
    if (!this.isSlow) this.flush();
  }
  answer(_: Exchange, status: number, fields: Buffer, body: Buffer): void {
    this.responseStarted = true;
    this.status = status;
    this.fields = fields.toString();
    this.body = `${this.fields}\n${body.toString()}`;
    this.bytesSent = body.length;
    this.calls.push("answer");
    if (!this.isSlow) this.flush();
  }
  tunnel(): void {
    this.calls.push("tunnel");
  }
  abort(): void {
    this.calls.push("abort");
    this.flush();
  }
  flush(): void {
    const exchange = this.#exchange;
    this.#exchange = null;
    if (exchange !== null) this.handler.ended(exchange);
  }
}

export interface ServingDouble {
  readonly mesh: { -readonly [K in keyof Mesh]: Mesh[K] };
  readonly serving: Serving;
  readonly upstream: UpstreamDouble;
  readonly clock: FakeClock;
  /** Lines of the access log so far. */
  records(): Record<string, unknown>[];
  /** What was logged beside them. */
  readonly logged: string[];
  /** Sum of a metric over the series with these labels. */
  metric(name: string, labels?: Readonly<Record<string, string>>): number;
  stream(way: Way, facts?: Partial<ConnectionFacts>): StreamDouble;
}

export const FACTS: ConnectionFacts = {
  listener: "web",
  direction: "outbound",
  remoteAddress: "127.0.0.1:50000",
  localAddress: "127.0.0.1:8080",
  remoteHost: "127.0.0.1",
  peer: null,
  secure: false,
  serverName: "",
  protocol: "",
};

/** The request path between two doubles: no socket, no time but the fake one. */
export function servingDouble(snapshot: Snapshot): ServingDouble {
  const clock = fakeClock();
  const deadlines = new Deadlines(clock);
  const aggregate = new Aggregate();
  const region = new Region((message) => aggregate.receive(0, message));
  const metrics = meshMetrics(region);
  const written: string[] = [];
  const logged: string[] = [];
  const write = (bytes: Buffer, start: number, end: number): number => {
    written.push(bytes.toString("utf8", start, end));
    return end - start;
  };
  const lines = new LogWriter({ write, reopen() {}, close() {} }, clock, "json");
  const self = { workload: null, principal: "spiffe://example.org/ns/default/sa/web" };
  const stage = new Stage();
  const upstream = new UpstreamDouble({ deadlines } as never);
  const mesh: ServingDouble["mesh"] = {
    snapshot,
    upstream,
    recorder: new Recorder(clock, new IstioMetrics(region), metrics, lines, self),
    added: new AddedLines(new RequestIds((bytes) => bytes.fill(7))),
    self,
    metrics,
    used: new Set(),
    deadlines,
    stage,
    clock,
    log: jsonLog(clock, (line) => logged.push(line), "debug"),
    waits: DEFAULT_WAITS,
    random: () => 0.5,
    bugId: () => "b-1",
    isKnownAbsent: () => false,
    want: () => false,
    leave: () => false,
    ask: () => Promise.resolve(),
    tunnel: () => false,
  };
  const serving = new Serving(mesh);
  return {
    mesh,
    serving,
    upstream,
    clock,
    logged,
    stream: (way, facts = {}) => new StreamDouble(serving.handler(way), { ...FACTS, ...facts }),
    records() {
      lines.flush();
      return written
        .join("")
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => JSON.parse(line));
    },
    metric(name, labels = {}) {
      let sum = 0;
      for (const { definition, series } of aggregate.totals()) {
        if (definition.name !== name) continue;
        for (const one of series) {
          if (Object.entries(labels).every(([label, value]) => one.labels[label] === value)) sum += one.values[0]!;
        }
      }
      return sum;
    },
  };
}

/** A snapshot of these resources, after `previous`. */
export function snapshotOf(
  resources: readonly Resource[],
  plugins: ReadonlyMap<string, Plugin> = new Map(),
  previous: Snapshot | null = null,
): Snapshot {
  const events = { ejected() {}, returned() {} };
  return buildSnapshot({ revision: "1-00000000", resources }, previous, { plugins, scan: new PathScan(1), events });
}

/** Endpoints of `default/web`: what most tests call. */
export function webResources(endpoints: readonly string[], rule: object = {}): Resource[] {
  const cluster = {
    name: "default/web:80",
    service: { namespace: "default", name: "web", host: "web.default.svc.cluster.local" },
    balancer: "RoundRobin",
    endpoints: endpoints.map((address) => ({
      address,
      port: 80,
      weight: 1,
      workload: { name: "web", namespace: "default", app: "web", version: "" },
    })),
    confirmedAt: 0,
  } as const;
  const rules = [
    {
      id: "web/0",
      matches: [{ path: { type: "PathPrefix", value: "/" } }],
      order: 0,
      policies: [],
      backends: [{ cluster: cluster.name, name: "web", weight: 1 }],
    },
  ].map((one) => ({ ...one, ...rule })) as RuleModel[];
  const ports = [{ port: 80, protocol: "http" as const, rules, guards: [], guardedByCaller: false }];
  return [
    { kind: "cluster", name: cluster.name, version: "1", model: cluster },
    { kind: "service", name: "default/web", version: "1", model: { name: "default/web", hosts: ["web"], ports } },
  ];
}
