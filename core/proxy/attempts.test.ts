import { describe, expect, test } from "bun:test";
import { type ServingDouble, servingDouble, snapshotOf, webResources } from "../../test/harness/serving.ts";
import { DEFAULT_HEAD_LIMITS, parseResponseHead, Trailers, UpstreamFailure } from "../http/mod.ts";
import { DialFailure } from "../upstream/mod.ts";
import type { MeshExchange } from "./exchange.ts";
import { serviceWay } from "./way.ts";

const WAY = serviceWay("web", 80);
const NOW = { backoff: { baseMs: 0, maxMs: 0 } };
const GRPC = { method: "POST", headers: [["content-type", "application/grpc"]] } as const;

describe("a status that its rule names", () => {
  const retry = { attempts: 1, statuses: [503], ...NOW };

  test("is tried again elsewhere, and the client sees the second answer", () => {
    const double = served({ retry });
    const stream = double.stream(WAY);
    const exchange = stream.begin({});

    answer(double, exchange, "503 Busy");
    answer(double, exchange, "200 OK");
    end(double, exchange);

    const [first, second] = double.upstream.clients;
    expect(first!.calls).toContain("abort");
    expect(second!.endpoint).not.toBe(first!.endpoint);
    expect([stream.status, inflight(double)]).toEqual([200, [0, 0]]);
    expect(double.records()).toMatchObject([{ attempts: 2, response_flags: "-" }]);
    expect(double.metric("mesh_retries_total", { outcome: "made", reason: "status" })).toBe(1);
  });

  test("is passed on when the attempts are used up, with a flag that says so", () => {
    const double = served({ retry });
    const stream = double.stream(WAY);
    const exchange = stream.begin({});
    double.clock.advance(5);

    answer(double, exchange, "503 Busy");
    answer(double, exchange, "503 Busy");
    end(double, exchange);

    expect([stream.status, double.upstream.clients.length]).toEqual([503, 2]);
    expect(double.records()).toMatchObject([
      { response_code: 503, response_flags: "URX", response_code_details: "not tried again: 2 attempts have failed" },
    ]);
    // Nobody refused it: the last word is the upstream's.
    expect(double.metric("mesh_refusals_total")).toBe(0);
  });

  test("of a POST is passed on, unless its rule vouches for it", () => {
    const [careful, sure] = [served({ retry }), served({ retry: { ...retry, anyMethod: true } })];
    for (const double of [careful, sure]) {
      const exchange = double.stream(WAY).begin({ method: "POST", length: 3 });
      double.serving.requestBody(exchange, Buffer.from("abc"), 0, 3);
      double.serving.requestEnd(exchange, null);
      answer(double, exchange, "503 Busy");
    }

    expect(careful.upstream.clients).toHaveLength(1);
    expect(sure.upstream.clients.map(({ body }) => body)).toEqual(["abc", "abc"]);
  });

  test("that it does not name is an answer like any other", () => {
    const double = served({ retry });
    const stream = double.stream(WAY);

    answer(double, stream.begin({}), "502 Bad Gateway");

    expect([stream.status, double.upstream.clients.length]).toEqual([502, 1]);
  });
});

describe("the pause before another attempt", () => {
  test("is a random part of what doubles from one to the next", () => {
    const double = served({ retry: { attempts: 3, statuses: [503], backoff: { baseMs: 100, maxMs: 150 } } });
    const exchange = double.stream(WAY).begin({});

    for (const ms of [50, 75, 75]) {
      const made = double.upstream.clients.length;
      answer(double, exchange, "503 Busy");
      double.clock.advance(ms - 11);
      expect(double.upstream.clients).toHaveLength(made);
      double.clock.advance(30);
      expect(double.upstream.clients).toHaveLength(made + 1);
    }
  });

  test("is no shorter than the upstream asks for", () => {
    const double = served({ retry: { attempts: 1, statuses: [503], ...NOW } });
    const exchange = double.stream(WAY).begin({});

    answer(double, exchange, "503 Busy", ["Retry-After: 1"]);
    double.clock.advance(980);
    expect(double.upstream.clients).toHaveLength(1);
    double.clock.advance(40);

    expect(double.upstream.clients).toHaveLength(2);
  });

  test("is no part of an attempt, whatever one may take", () => {
    const retry = { attempts: 1, statuses: [503], perTryTimeoutMs: 100, backoff: { baseMs: 400, maxMs: 400 } };
    const double = served({ retry });
    const stream = double.stream(WAY);
    answer(double, stream.begin({}), "503 Busy");

    double.clock.advance(220);

    expect([stream.status, double.upstream.clients.length]).toEqual([0, 2]);
    expect(double.metric("mesh_retries_total", { reason: "timeout" })).toBe(0);
  });

  test("never outlasts the request's deadline: then the answer goes to the client, who may wait", () => {
    const double = served({ retry: { attempts: 1, statuses: [503], ...NOW }, requestTimeoutMs: 900 });
    const stream = double.stream(WAY);

    answer(double, stream.begin({}), "503 Busy", ["Retry-After: 1"]);

    expect([stream.status, double.upstream.clients.length]).toEqual([503, 1]);
  });

  test("ends with the client that left", () => {
    const double = served({ retry: { attempts: 1, backoff: { baseMs: 100, maxMs: 100 } } });
    const stream = double.stream(WAY);
    const exchange = stream.begin({});
    broken(double, exchange, UpstreamFailure.Closed);

    stream.handler.gone(exchange, "gone");
    double.clock.advance(1_000);

    expect(double.upstream.clients).toHaveLength(1);
    expect(double.records()).toMatchObject([{ response_flags: "DC" }]);
    expect(inflight(double)).toEqual([0, 0]);
  });
});

describe("what its rule names as a reason", () => {
  test("is the only one", () => {
    const double = served({ retry: { attempts: 1, on: ["reset"], ...NOW } });
    double.upstream.answers.push("wait");
    double.stream(WAY).begin({}).connectFailed(DialFailure.Refused, "ECONNREFUSED");
    broken(double, double.stream(WAY).begin({}), UpstreamFailure.Closed);

    expect(double.upstream.clients).toHaveLength(2);
    expect(double.metric("mesh_retries_total", { outcome: "refused", reason: "connect-failure" })).toBe(1);
    expect(double.metric("mesh_retries_total", { outcome: "made", reason: "reset" })).toBe(1);
  });

  test("may be an attempt that takes too long, within the request's deadline", () => {
    const double = served({ retry: { attempts: 5, perTryTimeoutMs: 100, ...NOW }, requestTimeoutMs: 250 });
    const stream = double.stream(WAY);
    stream.begin({});

    double.clock.advance(120);
    expect(double.upstream.clients.map(({ calls }) => calls.includes("abort"))).toEqual([true, false]);
    double.clock.advance(200);

    expect([stream.status, double.upstream.clients.length]).toEqual([504, 3]);
    expect(double.records()).toMatchObject([{ response_flags: "UT", attempts: 3, duration: expect.any(Number) }]);
    expect(Number(double.records()[0]!["duration"])).toBeLessThanOrEqual(270);
  });

  test("is not a POST that took too long: it may have been acted upon", () => {
    const double = served({ retry: { attempts: 5, perTryTimeoutMs: 100, ...NOW } });
    const stream = double.stream(WAY);
    stream.begin({ method: "POST" });

    double.clock.advance(120);

    expect([stream.status, double.upstream.clients.length]).toEqual([504, 1]);
  });
});

describe("an app that broke off behind its proxy", () => {
  const told = ["x-mesh-reset: 1", "Content-Length: 0"];

  test("is as good as one that broke off here, where its rule retries that", () => {
    const double = meshed({ retry: { attempts: 1, ...NOW } });
    answer(double, double.stream(WAY).begin({}), "502 Bad Gateway", told);

    expect(double.upstream.clients).toHaveLength(2);
    expect(double.metric("mesh_retries_total", { outcome: "made", reason: "reset" })).toBe(1);
  });

  test("is an answer for a POST, for a rule without retries, and where no proxy says it", () => {
    const retry = { attempts: 1, ...NOW };
    const [post, plain, stranger] = [meshed({ retry }), meshed({}), served({ retry })];
    const streams = [post, plain, stranger].map((double) => double.stream(WAY));

    answer(post, streams[0]!.begin({ method: "POST" }), "502 Bad Gateway", told);
    answer(plain, streams[1]!.begin({}), "502 Bad Gateway", told);
    answer(stranger, streams[2]!.begin({}), "502 Bad Gateway", told);

    expect(streams.map(({ status }) => status)).toEqual([502, 502, 502]);
  });

  /** Endpoints that prove who they are: proxies of the mesh. */
  function meshed(rule: object): ServingDouble {
    const identity = "spiffe://cluster.local/ns/default/sa/web";
    const resources = webResources(["127.0.0.1", "127.0.0.2"], { requestTimeoutMs: 0, ...rule }).map((one) =>
      one.kind === "cluster"
        ? { ...one, model: { ...one.model, endpoints: one.model.endpoints.map((each) => ({ ...each, identity })) } }
        : one,
    );
    return servingDouble(snapshotOf(resources));
  }
});

describe("a call of gRPC", () => {
  const retry = { attempts: 1, grpcStatuses: [14], ...NOW };

  test("that is refused by a head alone is tried again", () => {
    const double = served({ retry });
    const exchange = double.stream(WAY).begin(GRPC);

    answer(double, exchange, "200 OK", ["grpc-status: 14"]);

    expect(double.upstream.clients).toHaveLength(2);
    expect(double.metric("mesh_retries_total", { outcome: "made", reason: "grpc-status" })).toBe(1);
  });

  test("that ends without a message is tried again, and nobody saw its head", () => {
    const double = served({ retry });
    const stream = double.stream(WAY);
    const exchange = stream.begin(GRPC);

    answer(double, exchange, "200 OK");
    expect(stream.status).toBe(0);
    end(double, exchange, 14);
    answer(double, exchange, "200 OK");
    end(double, exchange, 0);

    expect([stream.status, double.upstream.clients.length]).toEqual([200, 2]);
    expect(double.records()).toMatchObject([{ grpc_status: 0, attempts: 2 }]);
  });

  test("is tried again when its server says, and not where that wants no other", () => {
    const [later, never] = [served({ retry }), served({ retry })];
    const stream = never.stream(WAY);
    answer(later, later.stream(WAY).begin(GRPC), "200 OK", ["grpc-status: 14", "grpc-retry-pushback-ms: 500"]);
    answer(never, stream.begin(GRPC), "200 OK", ["grpc-status: 14", "grpc-retry-pushback-ms: -1"]);

    later.clock.advance(480);
    expect(later.upstream.clients).toHaveLength(1);
    later.clock.advance(40);

    expect([later.upstream.clients.length, never.upstream.clients.length, stream.status]).toEqual([2, 1, 200]);
  });

  test("that has sent a message is passed on from there", () => {
    const double = served({ retry });
    const stream = double.stream(WAY);
    const exchange = stream.begin(GRPC);

    answer(double, exchange, "200 OK");
    double.serving.responseBody(exchange, Buffer.from("message"), 0, 7);
    end(double, exchange, 14);

    expect([stream.status, stream.body, double.upstream.clients.length]).toEqual([200, "message", 1]);
    expect(double.records()).toMatchObject([{ grpc_status: 14, attempts: 1 }]);
  });

  test("whose caller still talks gets its head at once", () => {
    const double = served({ retry });
    const stream = double.stream(WAY);

    answer(double, stream.begin({ ...GRPC, length: -2 }), "200 OK");

    expect(stream.status).toBe(200);
  });
});

function served(rule: object): ServingDouble {
  return servingDouble(snapshotOf(webResources(["127.0.0.1", "127.0.0.2"], { requestTimeoutMs: 0, ...rule })));
}

function inflight({ mesh }: ServingDouble): number[] {
  return mesh.snapshot.clusterNamed("default/web:80")!.endpoints.map((endpoint) => endpoint.inflight);
}

/** The upstream's head. */
function answer(
  { serving }: ServingDouble,
  exchange: MeshExchange,
  status: string,
  fields: readonly string[] = [],
): void {
  const bytes = Buffer.from(`HTTP/1.1 ${[status, ...fields].join("\r\n")}\r\n\r\n`);
  parseResponseHead(exchange.response, bytes, 0, bytes.length, DEFAULT_HEAD_LIMITS, exchange.request.method);
  serving.response(exchange);
}

function end({ serving, upstream }: ServingDouble, exchange: MeshExchange, grpcStatus?: number): void {
  upstream.clients.at(-1)!.detach();
  serving.responseEnd(exchange, grpcStatus === undefined ? null : trailersOf(grpcStatus));
}

function trailersOf(grpcStatus: number): Trailers {
  const head = Buffer.from(`HTTP/1.1 200 OK\r\ngrpc-status: ${grpcStatus}\r\n\r\n`);
  const trailers = new Trailers();
  parseResponseHead(trailers as never, head, 0, head.length, DEFAULT_HEAD_LIMITS, 1);
  return trailers;
}

function broken({ serving }: ServingDouble, exchange: MeshExchange, failure: UpstreamFailure): void {
  exchange.upstream = null;
  serving.failed(exchange, failure, "closed");
}
