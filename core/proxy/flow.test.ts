import { describe, expect, test } from "bun:test";
import {
  type ServingDouble,
  type StreamDouble,
  servingDouble,
  snapshotOf,
  webResources,
} from "../../test/harness/serving.ts";
import { DEFAULT_HEAD_LIMITS, parseResponseHead, UpstreamFailure } from "../http/mod.ts";
import type { Resource } from "../snapshot/mod.ts";
import { DialFailure } from "../upstream/mod.ts";
import { type MeshExchange, Stage } from "./exchange.ts";
import { serviceWay } from "./way.ts";

describe("however an exchange ends, it is recorded once, its attempt is finished, and nothing goes on for it", () => {
  interface Ending {
    readonly name: string;
    readonly status: number;
    readonly flag: string;
    readonly length?: number;
    readonly method?: string;
    readonly answers?: ("wait" | "overflow")[];
    end(serving: ServingDouble, exchange: MeshExchange, stream: StreamDouble): void;
  }
  const endings: readonly Ending[] = [
    { name: "a whole response", status: 200, flag: "-", end: (serving, exchange) => respond(serving, exchange) },
    {
      name: "a response that is read to its end later",
      status: 200,
      flag: "-",
      end(serving, exchange, stream) {
        stream.isSlow = true;
        respond(serving, exchange);
        stream.flush();
      },
    },
    {
      name: "a client that leaves while its response is on the way",
      status: 200,
      flag: "DC",
      end({ serving }, exchange, stream) {
        begin(serving, exchange);
        gone(stream, exchange);
      },
    },
    {
      name: "a client that leaves before there is a response",
      status: 0,
      flag: "DC",
      end: (_, exchange, stream) => gone(stream, exchange),
    },
    {
      name: "a client that leaves while its connection is dialled",
      status: 0,
      flag: "DC",
      answers: ["wait"],
      end: (_, exchange, stream) => gone(stream, exchange),
    },
    {
      name: "an upstream that breaks off in the middle",
      status: 200,
      flag: "UC",
      end({ serving }, exchange) {
        begin(serving, exchange);
        fail(serving, exchange, UpstreamFailure.Truncated);
      },
    },
    {
      name: "an upstream that speaks no HTTP",
      status: 502,
      flag: "UPE",
      end: ({ serving }, exchange) => fail(serving, exchange, UpstreamFailure.Malformed),
    },
    {
      name: "an upstream that closes before it answers POST",
      status: 502,
      flag: "UC",
      method: "POST",
      end: ({ serving }, exchange) => fail(serving, exchange, UpstreamFailure.Closed),
    },
    {
      name: "a dial that fails three times",
      status: 503,
      flag: "UF",
      answers: ["wait", "wait", "wait"],
      end({ upstream }, exchange) {
        for (let i = 0; i < 3; i++) {
          upstream.waiting.shift();
          exchange.connectFailed(DialFailure.Refused, "ECONNREFUSED");
        }
      },
    },
    {
      name: "a peer that is somebody else, three times",
      status: 503,
      flag: "DN",
      answers: ["wait", "wait", "wait"],
      end(_, exchange) {
        for (let i = 0; i < 3; i++) exchange.connectFailed(DialFailure.Untrusted, "it is a stranger");
      },
    },
    { name: "a queue that is full", status: 503, flag: "UO", answers: ["overflow"], end() {} },
    {
      name: "a body that is malformed",
      status: 400,
      flag: "DPE",
      length: 10,
      end: ({ serving }, exchange) => serving.malformed(exchange, 400, "chunk size is not a number"),
    },
    {
      name: "a deadline before the response",
      status: 504,
      flag: "UT",
      end: ({ clock }) => clock.advance(61_000),
    },
    {
      name: "a deadline in the middle of the response",
      status: 200,
      flag: "SI",
      end({ serving, clock }, exchange) {
        begin(serving, exchange);
        clock.advance(400_000);
      },
    },
    {
      name: "a body that stops coming",
      status: 408,
      flag: "SI",
      length: 10,
      end: ({ clock }) => clock.advance(400_000),
    },
    {
      name: "a deadline while a connection is waited for",
      status: 504,
      flag: "UT",
      answers: ["wait"],
      end: ({ clock }) => clock.advance(61_000),
    },
  ];

  test.each(endings)("$name", ({ status, flag, length = 0, method = "GET", answers = [], end }) => {
    const double = served();
    double.upstream.answers.push(...answers);
    const stream = double.stream(WAY);
    const exchange = stream.begin({ method, length });
    const { generation } = exchange;

    end(double, exchange, stream);

    expect(double.records().map((line) => [line["response_code"], line["response_flags"]])).toEqual([[status, flag]]);
    expect(double.metric("istio_requests_total")).toBe(1);
    expect(inflight(double)).toEqual([0]);
    expect(double.serving.active).toBe(0);
    expect([stream.isOver, exchange.stage, exchange.generation > generation || flag === "UO"]).toEqual([
      true,
      Stage.Free,
      true,
    ]);
    // Its timers are gone: nothing fires at whoever has the exchange next.
    double.clock.advance(4_000_000);
    expect(double.records()).toHaveLength(1);
    expect(double.logged).toEqual([]);
  });
});

test("an exchange whose client has left is taken out of the queue for connections", () => {
  const double = served();
  double.upstream.answers.push("wait");
  const stream = double.stream(WAY);
  const exchange = stream.begin({});

  gone(stream, exchange);

  expect(double.upstream.cancelled).toEqual([exchange]);
});

describe("an exchange that was parked", () => {
  test("is not served again once it was answered, though the answer is still on its way out", () => {
    const double = served(snapshotOf([]));
    const stream = double.stream(WAY);
    const exchange = stream.begin({});
    const { generation } = exchange;
    stream.isSlow = true;
    double.clock.advance(400_000);
    expect(stream.status).toBe(504);
    double.mesh.snapshot = snapshotOf(webResources(["127.0.0.1"]));

    double.serving.resume(exchange, generation);
    double.serving.giveUp(exchange, generation, new Error("too late"));

    expect(double.upstream.clients).toEqual([]);
    expect(stream.calls).toEqual(["answer"]);
    expect(double.logged).toEqual([]);
  });

  test("is not served again where another has taken its place", () => {
    const double = served(snapshotOf([]));
    const stream = double.stream(WAY);
    const exchange = stream.begin({});
    const { generation } = exchange;
    gone(stream, exchange);
    expect(double.stream(WAY).begin({})).toBe(exchange);
    double.mesh.snapshot = snapshotOf(webResources(["127.0.0.1"]));

    double.serving.resume(exchange, generation);

    expect(double.upstream.clients).toEqual([]);
  });

  test("goes on with the snapshot that has come meanwhile, and its deadlines", () => {
    const double = served(snapshotOf([]));
    const exchange = double.stream(WAY).begin({});
    double.mesh.snapshot = snapshotOf(webResources(["127.0.0.1"], { requestTimeoutMs: 1_000 }));

    double.serving.resume(exchange, exchange.generation);

    expect(exchange.stage).toBe(Stage.Forwarding);
    double.clock.advance(1_010);
    expect(double.records()[0]).toMatchObject({ response_code: 504, response_flags: "UT" });
  });
});

describe("another attempt", () => {
  test("goes to another endpoint, and both are in the record of one request", () => {
    const double = served(snapshotOf(webResources(["127.0.0.1", "127.0.0.2"])));
    const exchange = double.stream(WAY).begin({});
    const [first] = double.upstream.clients;

    fail(double.serving, exchange, UpstreamFailure.Closed);

    const second = double.upstream.clients[1]!;
    expect(second.endpoint).not.toBe(first!.endpoint);
    respond(double, exchange);
    expect(double.records()).toMatchObject([{ attempts: 2, upstream_host: second.endpoint.authority }]);
    expect(double.metric("mesh_retries_total", { outcome: "made" })).toBe(1);
    expect(inflight(double)).toEqual([0, 0]);
  });

  test("carries what was read of the body so far, and what comes behind it", () => {
    const double = served();
    double.upstream.answers.push("wait");
    const stream = double.stream(WAY);
    const exchange = stream.begin({ method: "PUT", length: 6 });
    exchange.connectFailed(DialFailure.Refused, "ECONNREFUSED");
    body(double.serving, exchange, "abc");

    fail(double.serving, exchange, UpstreamFailure.Closed);

    expect(double.upstream.clients.map((client) => client.body)).toEqual(["abc", "abc"]);
    body(double.serving, exchange, "def");
    double.serving.requestEnd(exchange, null);
    expect(double.upstream.clients[1]).toMatchObject({ body: "abcdef", calls: ["send", "finish"] });
  });

  test("that waits for its connection keeps the body waiting too", () => {
    const double = served();
    double.upstream.answers.push("wait", "wait");
    const stream = double.stream(WAY);
    const exchange = stream.begin({ method: "PUT", length: 6 });

    exchange.connectFailed(DialFailure.Refused, "ECONNREFUSED");

    expect(stream.calls).toEqual(["pauseBody"]);
  });

  test("is not made where the body had trailers, even if nothing else: they are not kept", () => {
    const double = served();
    const exchange = double.stream(WAY).begin({ method: "PUT", length: -2 });
    double.serving.requestEnd(exchange, {} as never);

    fail(double.serving, exchange, UpstreamFailure.Closed);

    expect(double.upstream.clients).toHaveLength(1);
    expect(String(double.records()[0]!["response_code_details"])).toContain("its body is no longer at hand");
  });

  test.each([
    ["POST", 0, "spiffe://cluster.local/ns/default/sa/web", 2],
    ["PUT", 3, "spiffe://cluster.local/ns/default/sa/web", 2],
    ["POST", 3, "spiffe://cluster.local/ns/default/sa/web", 1],
    ["GET", 0, null, 1],
  ])(
    "of %s with %i bytes, where the proxy of %p says that its app is away: %i",
    (method, length, identity, attempts) => {
      const double = served(snapshotOf(webResources(["127.0.0.1", "127.0.0.2"]).map((one) => proving(one, identity))));
      const exchange = double.stream(WAY).begin({ method, length });
      if (length > 0) body(double.serving, exchange, "abc");
      if (length > 0) double.serving.requestEnd(exchange, null);

      const away = Buffer.from("HTTP/1.1 503 Service Unavailable\r\nx-mesh-unsent: 1\r\nContent-Length: 0\r\n\r\n");
      parseResponseHead(exchange.response, away, 0, away.length, DEFAULT_HEAD_LIMITS, exchange.request.method);
      double.serving.response(exchange);

      expect(double.upstream.clients).toHaveLength(attempts);
      if (identity !== null) expect(double.upstream.clients[0]!.calls).toContain("abort");
    },
  );

  test("that is not made is explained in the record", () => {
    const double = served();
    const exchange = double.stream(WAY).begin({ method: "POST" });

    fail(double.serving, exchange, UpstreamFailure.Closed);

    expect(double.records()[0]!["response_code_details"]).toBe(
      "Cannot get a response from 127.0.0.1:80: closed (not tried again: the request was sent and may not be repeated)",
    );
    expect(double.metric("mesh_retries_total", { outcome: "refused" })).toBe(1);
  });
});

describe("a deadline", () => {
  test("counts from the end of the request's body for the response", () => {
    const double = served(snapshotOf(webResources(["127.0.0.1"], { requestTimeoutMs: 0 })));
    const stream = double.stream(WAY);
    const exchange = stream.begin({ method: "POST", length: 3 });
    double.clock.advance(10_000);
    body(double.serving, exchange, "abc");
    double.serving.requestEnd(exchange, null);

    double.clock.advance(60_500);

    expect(stream.status).toBe(504);
  });

  test("that a slow reader or a slow sender lets pass is not held against the endpoint", () => {
    const double = served();
    for (let i = 0; i < 5; i++) {
      const reader = double.stream(WAY);
      begin(double.serving, reader.begin({}));
      reader.blocked = true;
      double.stream(WAY).begin({ method: "POST", length: 5 });
    }

    double.clock.advance(400_000);

    expect(endpoints(double).map(({ failures }) => failures)).toEqual([0]);
  });

  test("that the endpoint lets pass is held against it", () => {
    const double = served();
    double.stream(WAY).begin({});

    double.clock.advance(61_000);

    expect(endpoints(double).map(({ failures }) => failures)).toEqual([1]);
  });
});

describe("backpressure", () => {
  test("of a downstream stops the upstream, and is over when it drains", () => {
    const double = served();
    const stream = double.stream(WAY);
    const exchange = stream.begin({});
    const client = double.upstream.clients[0]!;
    begin(double.serving, exchange);
    stream.blocked = true;

    double.serving.responseBody(exchange, Buffer.from("abc"), 0, 3);
    double.serving.handler(WAY).drained(exchange);

    expect(client.calls).toEqual(["send", "pauseBody", "readBody"]);
  });

  test("of an upstream stops the downstream, and is over when it drains", () => {
    const double = served();
    const stream = double.stream(WAY);
    const exchange = stream.begin({ method: "POST", length: 6 });
    double.upstream.clients[0]!.blocked = true;

    body(double.serving, exchange, "abc");
    double.serving.drained(exchange);

    expect(stream.calls).toEqual(["readBody", "pauseBody", "readBody"]);
  });
});

test("a record that cannot be written costs neither the connection nor the count of what is under way", () => {
  const double = served();
  double.mesh.recorder = {
    record() {
      throw new Error("no room");
    },
  } as never;
  const stream = double.stream(WAY);

  respond(double, stream.begin({}));

  expect([stream.isOver, double.serving.active]).toEqual([true, 0]);
  expect(double.logged[0]).toContain("no room");
});

const WAY = serviceWay("web", 80);

function served(snapshot = snapshotOf(webResources(["127.0.0.1"], { requestTimeoutMs: 0 }))): ServingDouble {
  return servingDouble(snapshot);
}

function endpoints({ mesh }: ServingDouble) {
  return mesh.snapshot.clusterNamed("default/web:80")?.endpoints ?? [];
}

function inflight(double: ServingDouble): number[] {
  return endpoints(double).map((endpoint) => endpoint.inflight);
}

/** The same, with endpoints that have an identity. */
function proving(one: Resource, identity: string | null): Resource {
  if (one.kind !== "cluster" || identity === null) return one;
  return { ...one, model: { ...one.model, endpoints: one.model.endpoints.map((each) => ({ ...each, identity })) } };
}

/** The upstream's head. */
function begin(serving: ServingDouble["serving"], exchange: MeshExchange): void {
  exchange.response.status = 200;
  serving.response(exchange);
}

function respond({ serving, upstream }: ServingDouble, exchange: MeshExchange): void {
  begin(serving, exchange);
  upstream.clients.at(-1)!.detach();
  serving.responseEnd(exchange, null);
}

/** The upstream breaks; the codec has let go of it before it says so. */
function fail(serving: ServingDouble["serving"], exchange: MeshExchange, failure: UpstreamFailure): void {
  exchange.upstream = null;
  serving.failed(exchange, failure, "closed");
}

function gone({ handler }: StreamDouble, exchange: MeshExchange): void {
  handler.gone(exchange, "downstream closed the connection");
}

function body(serving: ServingDouble["serving"], exchange: MeshExchange, text: string): void {
  serving.requestBody(exchange, Buffer.from(text), 0, text.length);
}
