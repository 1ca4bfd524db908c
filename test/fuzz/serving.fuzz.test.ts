import { test } from "bun:test";
import { DEFAULT_HEAD_LIMITS, parseResponseHead, Trailers, UpstreamFailure } from "../../core/http/mod.ts";
import { DEFAULT_WAITS, type MeshExchange, serviceWay } from "../../core/proxy/mod.ts";
import type { Resource } from "../../core/snapshot/mod.ts";
import { DialFailure } from "../../core/upstream/mod.ts";
import { seeded } from "../harness/http1-reader.ts";
import {
  ClientDouble,
  type ServingDouble,
  type StreamDouble,
  servingDouble,
  snapshotOf,
  webResources,
} from "../harness/serving.ts";
import { pick } from "./smuggling.ts";

/** Set MESH_FUZZ_ROUNDS for a longer run; a failure names its seed. */
const ROUNDS = 400 * Number(Bun.env["MESH_FUZZ_ROUNDS"] ?? 1);
const SEED = Number(Bun.env["MESH_FUZZ_SEED"] ?? 20260122);
const STEPS = 250;
/** How late a deadline of more than two seconds may be. */
const SLOT_MS = 260;
/** Of an exchange: only its record is left. */
const STAGE_OVER = 6;
const WAY = serviceWay("web", 80);

test("whatever happens to exchanges at once, every count comes back, nothing is sent twice that must not be, and bodies are whole", () => {
  for (let i = 0; i < ROUNDS; i++) {
    const seed = SEED + i;
    const soak = new Soak(seeded(seed));
    try {
      soak.play();
    } catch (error) {
      throw new Error(`seed ${seed}: ${error}\n${soak.rule}`, { cause: error });
    }
    if (soak.problems.length > 0) throw new Error(`seed ${seed}: ${soak.problems.join("; ")}\n${soak.rule}`);
  }
}, 120_000);

/** What one client has asked for, and what has become of it. */
interface Asked {
  readonly id: string;
  readonly stream: StreamDouble;
  readonly exchange: MeshExchange;
  readonly generation: number;
  readonly beganAt: number;
  readonly repeatable: boolean;
  readonly length: number;
  readonly isGrpc: boolean;
  said: string;
  isWhole: boolean;
  /** Some attempt may have been acted upon. */
  isActed: boolean;
}

/** An upstream that hears what it must not. */
class Watched extends ClientDouble {
  isOver = false;
  isAnswered = false;
  isFinished = false;
  readonly told: (problem: string) => void;
  readonly sent: (client: Watched) => void;
  id = "";

  constructor(endpoint: ClientDouble["endpoint"], told: (problem: string) => void, sent: (client: Watched) => void) {
    super(endpoint);
    this.told = told;
    this.sent = sent;
  }
  override send(exchange: MeshExchange): void {
    super.send(exchange);
    this.id = exchange.request.pathText();
    this.sent(this);
  }
  override data(bytes: Buffer, start: number, end: number): void {
    if (this.isOver || this.isFinished) this.told(`${this.id}: a piece for an attempt that is over`);
    super.data(bytes, start, end);
  }
  override finish(): void {
    if (this.isOver || this.isFinished) this.told(`${this.id}: the end of an attempt that is over`);
    this.isFinished = true;
    super.finish();
  }
  override detach(): void {
    this.isOver = true;
    super.detach();
    this.exchange = null;
  }
}

/** One life of a worker: all its exchanges use one rule, which may ask for anything. */
class Soak {
  readonly problems: string[] = [];
  readonly rule: string;
  readonly #random: () => number;
  readonly #double: ServingDouble;
  readonly #resources: () => Resource[];
  readonly #clients: Watched[] = [];
  readonly #asked = new Map<string, Asked>();
  readonly #rule: Record<string, unknown>;
  readonly #exchanges = new Set<MeshExchange>();
  #next = 0;

  constructor(random: () => number) {
    this.#random = random;
    this.#rule = ruleOf(random);
    const limits = random() < 0.4 ? { requests: 1 + Math.floor(random() * 4), pending: 3, pendingMs: 300 } : {};
    this.rule = JSON.stringify({ ...this.#rule, limits });
    this.#resources = () => resourcesOf(this.#rule, limits, random);
    this.#double = servingDouble(snapshotOf(this.#resources()));
    const { mesh, upstream } = this.#double;
    mesh.random = random;
    upstream.client = (endpoint) => {
      const client = new Watched(
        endpoint,
        (problem) => this.problems.push(problem),
        (sent) => this.#check(sent),
      );
      this.#clients.push(client);
      return client as never;
    };
    const { copyFor } = this.#double.serving;
    this.#double.serving.copyFor = (exchange, stream) => {
      const copy = copyFor.call(this.#double.serving, exchange, stream);
      this.#exchanges.add(copy);
      return copy;
    };
  }

  play(): void {
    for (let step = 0; step < STEPS && this.problems.length === 0; step++) {
      pick(this.#moves, this.#random)();
      this.#checkTimers();
    }
    if (this.problems.length === 0) this.#finish();
  }

  /** Whatever waits has a deadline: its own, or that of the attempts beside it. */
  #checkTimers(): void {
    for (const { id, exchange } of this.#alive()) {
      const isAwaiting = exchange.beside?.race.some(({ timer }) => timer.isSet) === true;
      if (exchange.stage < STAGE_OVER && !exchange.timer.isSet && !isAwaiting)
        this.problems.push(`${id} waits in stage ${exchange.stage} without a deadline`);
    }
  }

  readonly #moves: readonly (() => void)[] = [
    () => this.#begin(),
    () => this.#begin(),
    () => this.#speak(),
    () => this.#speak(),
    () => this.#speak(),
    () => this.#dialled(),
    () => this.#dialled(),
    () => this.#answer(),
    () => this.#answer(),
    () => this.#answer(),
    () => this.#goOn(),
    () => this.#goOn(),
    () => this.#end(),
    () => this.#end(),
    () => this.#break(),
    () => this.#leave(),
    () => this.#read(),
    () => this.#double.clock.advance(this.#random() * 60),
    () => this.#double.clock.advance(this.#random() * 60),
    () => this.#double.clock.advance(this.#random() < 0.1 ? 70_000 : 400),
    () => this.#swap(),
  ];

  // ---- the client ----

  #begin(): void {
    const random = this.#random;
    const id = `/${this.#next++}`;
    const isGrpc = random() < 0.2;
    const method = isGrpc ? "POST" : pick(["GET", "GET", "PUT", "POST", "POST"], random);
    const hasBody = isGrpc || method === "PUT" || method === "POST";
    const length = hasBody && random() < 0.8 ? (random() < 0.5 ? -2 : 6) : 0;
    const headers: [string, string][] = isGrpc ? [["content-type", "application/grpc"]] : [];
    if (random() < 0.3) headers.push(["origin", "http://a.test"]);
    const stream = this.#double.stream(WAY);
    stream.isSlow = random() < 0.3;
    if (random() < 0.3) this.#double.upstream.answers.push(random() < 0.9 ? "wait" : "overflow");
    const text = { method, target: id, headers, length, isHttp2: isGrpc };
    const exchange = this.#double.serving.handler(WAY).begin(stream) as MeshExchange;
    const { generation } = exchange;
    this.#double.serving.ended(exchange);
    const begun: Asked = {
      ...{ id, stream, exchange, length, isGrpc, said: "", isWhole: length === 0, isActed: false },
      generation: generation + 1,
      beganAt: this.#double.clock.monotonic(),
      repeatable: method !== "POST" || this.#vouches,
    };
    this.#exchanges.add(exchange);
    this.#asked.set(id, begun);
    if (stream.begin(text) !== exchange) throw new Error("the last exchange that was freed is not the next");
  }

  get #vouches(): boolean {
    return (this.#rule["retry"] as { anyMethod?: true } | undefined)?.anyMethod === true;
  }

  #alive(): Asked[] {
    return [...this.#asked.values()].filter(({ exchange, generation, stream }) => {
      return exchange.generation === generation && !stream.isOver;
    });
  }

  /** Says more, as far as it is read, or was on its way when it was not read any more. */
  #speak(): void {
    const one = pick(
      this.#alive().filter(({ isWhole }) => !isWhole),
      this.#random,
    );
    if (one === undefined || !isRead(one.stream, this.#random)) return;
    const { serving } = this.#double;
    const rest = one.length < 0 ? "abc" : "abcdef".slice(one.said.length, one.said.length + 3);
    const isLast = one.length < 0 ? this.#random() < 0.4 : one.said.length + rest.length === 6;
    one.said += rest;
    serving.requestBody(one.exchange, Buffer.from(rest), 0, rest.length);
    if (!isLast || one.exchange.generation !== one.generation || one.stream.isOver) return;
    one.isWhole = one.stream.requestComplete = true;
    serving.requestEnd(one.exchange, null);
  }

  #leave(): void {
    const one = pick(this.#alive(), this.#random);
    if (one !== undefined) one.stream.handler.gone(one.exchange, "gone");
  }

  #read(): void {
    const slow = [...this.#asked.values()].filter(
      ({ stream }) => stream.calls.at(-1) === "finish" || stream.calls.at(-1) === "answer",
    );
    pick(slow, this.#random)?.stream.flush();
  }

  // ---- the upstreams ----

  #dialled(): void {
    const waiting = this.#double.upstream.waiting.shift();
    if (waiting === undefined || this.#double.upstream.cancelled.includes(waiting.waiter)) return;
    if (this.#random() < 0.4) waiting.waiter.connectFailed(DialFailure.Refused, "ECONNREFUSED");
    else waiting.waiter.connected(this.#double.upstream.client(waiting.endpoint));
  }

  /** What an attempt that begins must be. */
  #check(client: Watched): void {
    const one = this.#asked.get(client.id)!;
    if (isShadow(client)) return;
    const now = this.#double.clock.monotonic();
    if (one.isActed && !one.repeatable && !one.isGrpc) this.problems.push(`${client.id}: sent twice`);
    const limit = this.#rule["requestTimeoutMs"] as number;
    if (limit > 0 && now > one.beganAt + limit + SLOT_MS)
      this.problems.push(`${client.id}: an attempt past its deadline`);
  }

  #open(wanted: (client: Watched) => boolean): Watched | undefined {
    return pick(
      this.#clients.filter((client) => client.exchange !== null && !client.isOver && wanted(client)),
      this.#random,
    );
  }

  #answer(): void {
    const client = this.#open(({ isAnswered }) => !isAnswered);
    if (client === undefined) return;
    const exchange = client.exchange as MeshExchange;
    const one = this.#asked.get(client.id)!;
    this.#acted(client);
    client.answered = true;
    if (this.#random() < 0.1) {
      exchange.response.status = 103;
      this.#double.serving.informed(exchange);
      return;
    }
    client.isAnswered = true;
    const status = one.isGrpc ? "200 OK" : pick(["200 OK", "200 OK", "503 Busy", "500 Oh", "429 No"], this.#random);
    const told = one.isGrpc && this.#random() < 0.3 ? ["grpc-status: 14"] : [];
    const bytes = Buffer.from(`HTTP/1.1 ${[status, ...told].join("\r\n")}\r\n\r\n`);
    parseResponseHead(exchange.response, bytes, 0, bytes.length, DEFAULT_HEAD_LIMITS, exchange.request.method);
    this.#double.serving.response(exchange);
  }

  #goOn(): void {
    const client = this.#open(({ isAnswered }) => isAnswered);
    if (client === undefined) return;
    this.#double.serving.responseBody(client.exchange as MeshExchange, Buffer.from("xyz"), 0, 3);
  }

  #end(): void {
    const client = this.#open(({ isAnswered }) => isAnswered);
    if (client === undefined) return;
    const exchange = client.exchange as MeshExchange;
    const one = this.#asked.get(client.id)!;
    this.#whole(client, one);
    client.detach();
    this.#double.serving.responseEnd(exchange, one.isGrpc ? trailersOf(this.#random() < 0.4 ? 14 : 0) : null);
  }

  /** An upstream that has heard all of a request has heard what the client said. */
  #whole({ id, body, isFinished }: Watched, { said, isWhole }: Asked): void {
    if (!said.startsWith(body)) this.problems.push(`${id}: "${body}" is not what was said`);
    if (isFinished && isWhole && body !== said) this.problems.push(`${id}: "${body}" is not all of "${said}"`);
  }

  #break(): void {
    const client = this.#open(() => true);
    if (client === undefined) return;
    const exchange = client.exchange as MeshExchange;
    const untouched = !client.answered && this.#random() < 0.3;
    if (!untouched) this.#acted(client);
    client.detach();
    const failure = untouched
      ? UpstreamFailure.Refused
      : client.answered
        ? UpstreamFailure.Truncated
        : pick([UpstreamFailure.Closed, UpstreamFailure.Closed, UpstreamFailure.Malformed], this.#random);
    this.#double.serving.failed(exchange, failure, "broken");
  }

  #acted(client: Watched): void {
    if (!isShadow(client)) this.#asked.get(client.id)!.isActed = true;
  }

  #swap(): void {
    if (this.#random() < 0.8) return;
    const { mesh } = this.#double;
    mesh.snapshot = snapshotOf(this.#resources(), new Map(), mesh.snapshot);
  }

  // ---- the end ----

  /** Everybody leaves, or waits until nothing can go on. */
  #finish(): void {
    if (this.#random() < 0.3) for (const one of this.#alive()) one.stream.handler.gone(one.exchange, "gone");
    // Answers that begin, and do not go on.
    for (const _ of this.#clients) {
      this.#double.clock.advance(this.#random() * 30);
      this.#answer();
    }
    // Whatever still runs has a deadline: nobody has to be asked.
    for (let i = 0; i < 4; i++) this.#double.clock.advance(DEFAULT_WAITS.idleMs);
    for (const { stream } of this.#asked.values()) stream.flush();
    const left = this.#alive().map(({ id, exchange }) => `${id} in stage ${exchange.stage}`);
    const { serving, mesh } = this.#double;
    this.#expect("exchanges left", left.join(), "");
    this.#expect("active", serving.active, 0);
    for (const client of this.#clients)
      if (client.exchange !== null) this.problems.push(`an attempt at ${client.id} is left`);
    for (const [name, { endpoints, state }] of mesh.snapshot.clusters) {
      this.#expect(
        `inflight of ${name}`,
        endpoints.map(({ inflight }) => inflight).join(),
        endpoints.map(() => 0).join(),
      );
      this.#expect(`turns of ${name}`, [state.turns.active, state.turns.waiting].join(), "0,0");
    }
    this.#expect("records", this.#double.records().length, this.#asked.size);
    this.#expect("bugs", this.#double.logged.filter((line) => line.includes("bug")).join(), "");
    this.#expectClear();
  }

  #expect(what: string, found: unknown, wanted: unknown): void {
    if (found !== wanted) this.problems.push(`${what}: ${found} instead of ${wanted}`);
  }

  /** What is reused has nothing left of what it was. */
  #expectClear(): void {
    const { serving } = this.#double;
    const never = new (
      serving.handler(WAY).begin(this.#double.stream(WAY)).constructor as new (
        flow: unknown,
      ) => MeshExchange
    )(serving);
    for (const exchange of this.#exchanges) {
      if (exchange.timer.isSet) this.problems.push("a timer of an exchange that is over");
      for (const [name, value] of Object.entries(exchange)) {
        if (KEPT.has(name) || value === (never as unknown as Record<string, unknown>)[name]) continue;
        if (name === "downstream" || name === "way") continue;
        this.problems.push(`${name} of an exchange that is over is ${value}`);
      }
    }
  }
}

/** What every exchange sets before it is read, or that belongs to the exchange itself. */
const KEPT: ReadonlySet<string> = new Set([
  ...["request", "response", "flow", "timer", "generation", "requestId"],
  ...["startedAt", "movedAt", "attemptAt"],
]);

/** Now and then also behind a pause: what one event of the socket has brought is not taken back. */
function isRead({ calls }: StreamDouble, random: () => number): boolean {
  const readAt = calls.lastIndexOf("readBody");
  return readAt > calls.lastIndexOf("pauseBody") || (readAt >= 0 && random() < 0.2);
}

function isShadow({ endpoint }: Watched): boolean {
  return endpoint.address === "127.0.0.9";
}

function trailersOf(grpcStatus: number): Trailers {
  const head = Buffer.from(`HTTP/1.1 200 OK\r\ngrpc-status: ${grpcStatus}\r\n\r\n`);
  const trailers = new Trailers();
  parseResponseHead(trailers as never, head, 0, head.length, DEFAULT_HEAD_LIMITS, 1);
  return trailers;
}

/** Any mixture of what a rule can ask for. */
function ruleOf(random: () => number): Record<string, unknown> {
  const may = (share: number, what: object): object => (random() < share ? what : {});
  const mirror = { cluster: "default/shadow:80", name: "shadow", fraction: 0.7 };
  return {
    requestTimeoutMs: random() < 0.5 ? 0 : 3_000,
    ...may(0.7, {
      retry: {
        attempts: 1 + Math.floor(random() * 3),
        ...may(0.7, { statuses: [503] }),
        ...may(0.5, { grpcStatuses: [14] }),
        ...may(0.5, { perTryTimeoutMs: 200 }),
        ...may(0.2, { anyMethod: true }),
        ...may(0.5, { backoff: { baseMs: 0, maxMs: 0 } }),
      },
    }),
    ...may(0.6, { hedge: { afterMs: 50, attempts: 1 + Math.floor(random() * 2) } }),
    ...may(0.5, { mirrors: [mirror, mirror], ...may(0.5, { compareMirrors: true }) }),
    ...may(0.4, {
      faults: [{ id: "Fault/default/f", delay: { ms: 100, fraction: 0.4 }, abort: { status: 418, fraction: 0.1 } }],
    }),
    ...may(0.3, { session: { type: "Cookie", name: "s", lifetime: "Session" } }),
    ...may(0.3, {
      cors: {
        ...{ allowOrigins: ["http://a.test"], allowMethods: [], allowHeaders: [], exposeHeaders: [] },
        ...{ maxAgeSeconds: 5, allowCredentials: false },
      },
    }),
    ...may(0.2, { rewrite: { hostname: "inner.test" } }),
  };
}

/** `web`, whose endpoints come and go, and a cluster for mirrors. */
function resourcesOf(rule: object, limits: object, random: () => number): Resource[] {
  const all = ["127.0.0.1", "127.0.0.2", "127.0.0.3"];
  const version = `${random()}`;
  const resources = webResources(random() < 0.5 ? all : all.slice(0, 2), rule).map((one) => ({ ...one, version }));
  const [{ model }] = webResources(["127.0.0.9"]) as [Extract<Resource, { kind: "cluster" }>];
  const name = "default/shadow:80";
  return [
    ...resources.map((one) => (one.kind === "cluster" ? { ...one, model: { ...one.model, limits } } : one)),
    { kind: "cluster", name, version: "1", model: { ...model, name, limits: { requests: 3, pending: 2 } } },
  ] as Resource[];
}
