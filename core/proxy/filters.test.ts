import { describe, expect, test } from "bun:test";
import { type ServingDouble, servingDouble, snapshotOf, webResources } from "../../test/harness/serving.ts";
import { type Plugin, Verdict, VerdictKind } from "../plugin/mod.ts";
import { RouteEntry } from "../snapshot/mod.ts";
import type { MeshExchange } from "./exchange.ts";
import { serviceWay, type Way } from "./way.ts";

const WAY = serviceWay("web", 80);
const PAGE = "https://page.test";
const CORS = {
  allowOrigins: [PAGE],
  allowMethods: ["PUT"],
  allowHeaders: [],
  exposeHeaders: [],
  maxAgeSeconds: 5,
  allowCredentials: false,
};

describe("a redirect", () => {
  test("answers without an attempt, and is recorded with its rule", () => {
    const double = served({ redirect: { scheme: "https", hostname: "new.test", status: 301 } });
    const stream = double.stream(WAY);

    stream.begin({ target: "/a?b=1" });

    expect([stream.status, stream.fields]).toEqual([301, "Location: https://new.test/a?b=1\r\n"]);
    expect(double.upstream.clients).toEqual([]);
    expect(double.records()).toMatchObject([{ response_code: 301, response_flags: "-", route_name: "web/0" }]);
  });

  test("of a backend is for its share of the requests", () => {
    const away = { cluster: null, name: "away", weight: 1, redirect: { hostname: "new.test", status: 302 } };
    const backends = [{ cluster: "default/web:80", name: "web", weight: 1 }, away];
    const double = served({ backends });
    const streams = [0.1, 0.9].map((chance) => {
      double.mesh.random = () => chance;
      const stream = double.stream(WAY);
      stream.begin({});
      return stream;
    });

    expect(streams.map(({ status }) => status)).toEqual([0, 302]);
    expect(double.upstream.clients).toHaveLength(1);
  });
});

test("a rewrite changes what goes on, by the prefix that was matched, and not what is logged", () => {
  const double = served({
    matches: [{ path: { type: "PathPrefix", value: "/old" } }],
    rewrite: { hostname: "inner.test", path: { type: "ReplacePrefixMatch", value: "/new" } },
  });

  const exchange = double.stream(WAY).begin({ target: "/old/x?y=1" });

  expect([exchange.target!.authority.toString(), exchange.target!.path.toString()]).toEqual([
    "inner.test",
    "/new/x?y=1",
  ]);
  respond(double, exchange);
  expect(double.records()).toMatchObject([{ path: "/old/x?y=1" }]);
  expect(double.stream(WAY).begin({ target: "/old" }).target!.path.toString()).toBe("/new");
});

test("a backend's rewrite has the last word", () => {
  const rewrite = { path: { type: "ReplaceFullPath", value: "/own" } };
  const backends = [{ cluster: "default/web:80", name: "web", weight: 1, rewrite }];
  const double = served({
    backends,
    rewrite: { hostname: "inner.test", path: { type: "ReplaceFullPath", value: "/" } },
  });

  const { target } = double.stream(WAY).begin({ target: "/a" });

  expect([target!.authority.toString(), target!.path.toString()]).toEqual(["inner.test", "/own"]);
});

describe("CORS", () => {
  test("a preflight is answered before the policies: it has no credentials", () => {
    const refusal = new Verdict(VerdictKind.Respond, { status: 401 });
    const way = guarded({ cors: CORS }, { model: { id: "key" }, onRequest: () => refusal } as unknown as Plugin);
    const double = way.double;
    const preflight = double.stream(way);
    const request = double.stream(way);

    preflight.begin({ method: "OPTIONS", headers: [...asPage, ["access-control-request-method", "PUT"]] });
    request.begin({ method: "PUT", headers: asPage });

    expect([preflight.status, request.status]).toEqual([204, 401]);
    expect(preflight.fields).toContain("Access-Control-Allow-Methods: PUT\r\n");
    expect(request.fields).toContain(`Access-Control-Allow-Origin: ${PAGE}\r\n`);
    expect(double.upstream.clients).toEqual([]);
  });

  test("an answer of the upstream, and one of the mesh, may be read by the page", () => {
    const double = served({ cors: CORS });
    const [stream, lost] = [double.stream(WAY), double.stream(WAY)];
    respond(double, stream.begin({ headers: asPage }));
    double.upstream.answers.push("overflow");

    lost.begin({ headers: asPage });

    expect(stream.fields).toContain(`Access-Control-Allow-Origin: ${PAGE}\r\n`);
    expect([lost.status, lost.fields.includes(`Access-Control-Allow-Origin: ${PAGE}\r\n`)]).toEqual([503, true]);
  });
});

describe("a fault on purpose", () => {
  const abort = { id: "Fault/default/f", abort: { status: 418, grpcStatus: 8, fraction: 1 } };

  test("aborts before any attempt, with its flag and its name in the record", () => {
    const double = served({ faults: [abort] });
    const stream = double.stream(WAY);

    stream.begin({});

    expect(stream.status).toBe(418);
    expect(double.upstream.clients).toEqual([]);
    expect(double.records()).toMatchObject([
      { response_code: 418, response_flags: "FI", response_code_details: 'fault "Fault/default/f"', attempts: 0 },
    ]);
    expect(double.metric("mesh_refusals_total", { reason: "FI" })).toBe(1);
  });

  test("aborts a call of gRPC in its own words", () => {
    const double = served({ faults: [abort] });
    const stream = double.stream(WAY);

    stream.begin({ method: "POST", headers: [["content-type", "application/grpc"]], isHttp2: true });

    expect([stream.status, stream.fields.includes("grpc-status: 8\r\n")]).toEqual([200, true]);
    expect(double.records()).toMatchObject([{ grpc_status: 8, response_flags: "FI" }]);
  });

  test("delays, then lets the request go on", () => {
    const double = served({ faults: [{ id: "f", delay: { ms: 300, fraction: 1 } }] });
    const stream = double.stream(WAY);
    const exchange = stream.begin({});

    double.clock.advance(290);
    expect(double.upstream.clients).toEqual([]);
    double.clock.advance(30);
    respond(double, exchange);

    expect([stream.status, double.upstream.clients.length]).toEqual([200, 1]);
    expect(double.records()).toMatchObject([{ response_flags: "DI", response_code: 200 }]);
    expect(double.metric("mesh_refusals_total")).toBe(0);
  });

  test("delays, then aborts, but never beyond the request's deadline", () => {
    const double = served({ faults: [{ ...abort, delay: { ms: 300, fraction: 1 } }] });
    const short = served({ faults: [{ id: "f", delay: { ms: 5_000, fraction: 1 } }], requestTimeoutMs: 1_000 });
    const [aborted, late] = [double.stream(WAY), short.stream(WAY)];
    aborted.begin({});
    late.begin({});

    double.clock.advance(320);
    short.clock.advance(1_020);

    expect([aborted.status, late.status]).toEqual([418, 504]);
    expect(short.upstream.clients).toEqual([]);
  });

  test("spares what its chance or its match spares, and the next one has its turn", () => {
    const never = { ...abort, abort: { status: 500, fraction: 0.5 } };
    const other = { ...abort, matches: [{ path: { type: "Exact", value: "/other" } }] };
    const double = served({ faults: [never, other] });
    const [spared, hit] = [double.stream(WAY), double.stream(WAY)];

    spared.begin({ target: "/a" });
    hit.begin({ target: "/other" });

    expect([spared.status, hit.status]).toEqual([0, 418]);
  });

  test("a client that leaves during a delay takes its request along", () => {
    const double = served({ faults: [{ id: "f", delay: { ms: 300, fraction: 1 } }] });
    const stream = double.stream(WAY);
    const exchange = stream.begin({});

    stream.handler.gone(exchange, "gone");
    double.clock.advance(1_000);

    expect(double.upstream.clients).toEqual([]);
    expect(double.records()).toMatchObject([{ response_flags: "DC" }]);
  });
});

describe("a session", () => {
  const session = { type: "Cookie", name: "sid", lifetime: "Session" };

  test("begins where the balancer says, and goes on there whatever it says then", () => {
    const double = served({ session }, ["127.0.0.1", "127.0.0.2", "127.0.0.3"]);
    const first = double.stream(WAY);
    respond(double, first.begin({}));
    const cookie = /^Set-Cookie: (sid=[^;]+); Path=\/; HttpOnly\r\n$/.exec(first.fields)![1]!;

    const streams = Array.from({ length: 6 }, () => {
      const stream = double.stream(WAY);
      respond(double, stream.begin({ headers: [["cookie", cookie]] }));
      return stream;
    });

    expect(new Set(double.upstream.clients.map(({ endpoint }) => endpoint)).size).toBe(1);
    expect(streams.map(({ fields }) => fields)).toEqual(Array(6).fill(""));
  });

  test("begins anew where its endpoint is gone, or is ejected", () => {
    const double = served({ session }, ["127.0.0.1", "127.0.0.2"]);
    const first = double.stream(WAY);
    respond(double, first.begin({}));
    const [, cookie] = /(sid=[^;]+)/.exec(first.fields)!;
    double.upstream.clients[0]!.endpoint.ejectedUntil = 1e9;

    const stream = double.stream(WAY);
    respond(double, stream.begin({ headers: [["cookie", cookie!]] }));

    expect(double.upstream.clients[1]!.endpoint).not.toBe(double.upstream.clients[0]!.endpoint);
    expect(stream.fields).toContain("Set-Cookie: sid=");
    expect(stream.fields).not.toContain(cookie!);
  });
});

test("a call of gRPC is an edge of its own", () => {
  const double = served({});
  for (const headers of [[["content-type", "application/grpc"]], []] as const) {
    respond(double, double.stream(WAY).begin({ method: "POST", headers }));
  }

  expect(double.metric("istio_requests_total", { request_protocol: "grpc" })).toBe(1);
  expect(double.metric("istio_requests_total", { request_protocol: "http" })).toBe(1);
});

test("a method that is refused is told which are not", () => {
  const double = served({});
  const stream = double.stream(WAY);

  stream.begin({ method: "CONNECT" });

  expect([stream.status, /Allow: (.*)\r\n/.exec(stream.fields)?.[1]]).toEqual([
    405,
    "GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH, TRACE",
  ]);
});

const asPage = [["origin", PAGE]] as const;

function served(rule: object, endpoints: readonly string[] = ["127.0.0.1"]): ServingDouble {
  return servingDouble(snapshotOf(webResources(endpoints, { requestTimeoutMs: 0, ...rule })));
}

/** A way whose rule is guarded by a policy. */
function guarded(rule: object, policy: Plugin): Way & { readonly double: ServingDouble } {
  const double = served(rule);
  const found = double.mesh.snapshot.serviceNamed("default/web")!.port(80)!.entries[0]!;
  const entry = new RouteEntry(found.rule, [policy]);
  return {
    double,
    direction: "outbound",
    route(exchange) {
      exchange.entry = entry;
      return true;
    },
  };
}

function respond({ serving, upstream }: ServingDouble, exchange: MeshExchange): void {
  exchange.response.status = 200;
  serving.response(exchange);
  upstream.clients.at(-1)!.detach();
  serving.responseEnd(exchange, null);
}
