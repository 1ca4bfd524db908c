import { describe, expect, test } from "bun:test";
import {
  type ClientDouble,
  type ServingDouble,
  type StreamDouble,
  servingDouble,
  snapshotOf,
  webResources,
} from "../../test/harness/serving.ts";
import { UpstreamFailure } from "../http/mod.ts";
import type { Resource } from "../snapshot/mod.ts";
import { DialFailure } from "../upstream/mod.ts";
import type { MeshExchange } from "./exchange.ts";
import { serviceWay } from "./way.ts";

const WAY = serviceWay("web", 80);

describe("a mirror", () => {
  const mirror = { cluster: "default/shadow:80", name: "shadow", fraction: 1 };

  test("gets the request as it went on, and its answer goes nowhere", () => {
    const double = mirrored([mirror], { rewrite: { hostname: "inner.test" } });
    const stream = double.stream(WAY);
    const exchange = stream.begin({ target: "/a?b", headers: [["x-a", "1"]] });
    const [first, copy] = double.upstream.clients;

    expect(copy!.endpoint.authority).toBe("127.0.0.9:80");
    const seen = copy!.exchange as MeshExchange;
    expect([seen.request.pathText(), seen.request.get("x-a"), seen.target?.authority.toString()]).toEqual([
      "/a",
      "1",
      "inner.test",
    ]);
    expect(seen.requestId.equals(exchange.requestId)).toBe(true);

    answer(double, copy!, 500);
    expect([stream.status, stream.calls]).toEqual([0, []]);
    answer(double, first!, 200);

    expect(stream.status).toBe(200);
    expect(double.records()).toHaveLength(1);
    expect(double.metric("mesh_mirrored_requests_total", { outcome: "answered" })).toBe(1);
    expect(double.serving.active).toBe(0);
  });

  test("gets the body when it is whole, and holds up nobody before", () => {
    const double = mirrored([mirror, mirror]);
    const exchange = double.stream(WAY).begin({ method: "POST", length: 6 });
    body(double, exchange, "abc");
    expect(double.upstream.clients).toHaveLength(1);
    body(double, exchange, "def");

    double.serving.requestEnd(exchange, null);

    expect(double.upstream.clients.map((client) => [client.body, client.calls.includes("finish")])).toEqual([
      ["abcdef", true],
      ["abcdef", true],
      ["abcdef", true],
    ]);
  });

  test("is spared a body that is too large, and one that never became whole", () => {
    const double = mirrored([mirror]);
    const large = double.stream(WAY).begin({ method: "POST", length: -2 });
    const stream = double.stream(WAY);
    const cut = stream.begin({ method: "POST", length: 6 });
    double.stream(WAY).begin({ method: "POST", length: 1 << 20 });

    body(double, large, "x".repeat(65_537));
    body(double, cut, "abc");
    stream.handler.gone(cut, "gone");

    expect(double.upstream.clients).toHaveLength(3);
    expect(double.metric("mesh_mirrored_requests_total", { outcome: "too_large" })).toBe(2);
    expect(double.metric("mesh_mirrored_requests_total", { outcome: "cut" })).toBe(1);
  });

  test("that cannot be reached, or never answers, costs the client nothing and is not tried again", () => {
    const double = mirrored([mirror, mirror]);
    const stream = double.stream(WAY);
    double.upstream.answers.push(undefined as never, "wait");
    const exchange = stream.begin({});
    const [{ waiter }] = double.upstream.waiting as never as [{ waiter: MeshExchange }];
    waiter.connectFailed(DialFailure.Refused, "ECONNREFUSED");
    double.clock.advance(61_000);

    expect(double.metric("mesh_mirrored_requests_total", { outcome: "failed" })).toBe(2);
    expect(double.metric("mesh_retries_total")).toBe(0);
    expect(stream.status).toBe(504);
    expect(double.records()).toHaveLength(1);
    expect(exchange.generation).toBe(1);
  });

  test("whose answer never ends is given up", () => {
    const double = mirrored([mirror]);
    double.stream(WAY).begin({});
    const [first, copy] = double.upstream.clients as [ClientDouble, ClientDouble];
    answer(double, first, 200);
    head(double, copy, 200);

    for (let i = 0; i < 4 && copy.exchange !== null && !copy.calls.includes("abort"); i++) {
      double.serving.responseBody(copy.exchange as MeshExchange, Buffer.from("more"), 0, 4);
      double.clock.advance(100_000);
    }

    expect(copy.calls).toContain("abort");
    expect(double.metric("mesh_mirrored_requests_total", { outcome: "failed" })).toBe(1);
  });

  test("takes its share only, and each request once, however often it is tried", () => {
    const double = mirrored([{ ...mirror, fraction: 0.5 }], {}, ["127.0.0.1", "127.0.0.2"]);
    double.mesh.random = () => 0.5;
    const spared = double.stream(WAY).begin({});
    double.mesh.random = () => 0.49;
    const exchange = double.stream(WAY).begin({});

    for (const one of [spared, exchange]) {
      one.upstream = null;
      double.serving.failed(one, UpstreamFailure.Closed, "closed");
    }

    expect(double.upstream.clients.filter(({ endpoint }) => endpoint.authority === "127.0.0.9:80")).toHaveLength(1);
  });

  test("has a thousand copies under way at most, and takes more when they are done", () => {
    const double = mirrored([mirror]);
    const begin = () => double.stream(WAY).begin({});
    for (let i = 0; i < 1_001; i++) begin();
    expect(double.metric("mesh_mirrored_requests_total", { outcome: "busy" })).toBe(1);
    const copies = double.upstream.clients.filter(({ endpoint }) => endpoint.authority === "127.0.0.9:80");
    expect(copies).toHaveLength(1_000);

    answer(double, copies[0]!, 200);
    begin();
    begin();

    expect(double.metric("mesh_mirrored_requests_total", { outcome: "busy" })).toBe(2);
  });

  test("is not shown a connection that becomes something else", () => {
    const double = mirrored([mirror]);

    double.stream(WAY).begin({ upgrade: true });

    expect(double.upstream.clients).toHaveLength(1);
  });

  test("that is compared is counted and told where it differs", () => {
    const double = mirrored([mirror], { compareMirrors: true });
    const differences: number[] = [];
    for (const [status, text] of [
      [200, "same"],
      [500, "same"],
      [200, "other"],
    ] as const) {
      const exchange = double.stream(WAY).begin({ target: "/a" });
      const [first, copy] = double.upstream.clients.slice(-2) as [ClientDouble, ClientDouble];
      expect(first.exchange).toBe(exchange);
      answer(double, copy, status, text);
      answer(double, first, 200, "same");
      differences.push(double.logged.length);
    }

    expect(differences).toEqual([0, 1, 2]);
    expect(double.logged[0]).toContain('"difference":"status"');
    expect(double.logged[1]).toContain('"difference":"body"');
    for (const difference of ["none", "status", "body"])
      expect(double.metric("mesh_mirror_comparisons_total", { difference })).toBe(1);
  });
});

describe("an attempt beside a slow one", () => {
  const hedge = { afterMs: 100, attempts: 1 };

  test("is made elsewhere, and its answer wins; the slower is given up and not blamed", () => {
    const double = hedged();
    const stream = double.stream(WAY);
    stream.begin({});
    double.clock.advance(90);
    expect(double.upstream.clients).toHaveLength(1);
    double.clock.advance(30);
    const [slow, quick] = double.upstream.clients as [ClientDouble, ClientDouble];
    expect(quick.endpoint).not.toBe(slow.endpoint);

    answer(double, quick, 200, "quick");

    expect([stream.status, stream.body]).toEqual([200, "quick"]);
    expect(slow.calls).toContain("abort");
    expect(slow.endpoint.failures).toBe(0);
    expect(inflight(double)).toEqual([0, 0]);
    expect(double.records()).toMatchObject([{ attempts: 2, upstream_host: quick.endpoint.authority }]);
    expect(double.metric("mesh_hedges_total", { outcome: "won" })).toBe(1);
    expect(double.serving.active).toBe(0);
  });

  test("is given up where the first answers after all", () => {
    const double = hedged();
    const stream = double.stream(WAY);
    stream.begin({});
    double.clock.advance(120);
    const [slow, quick] = double.upstream.clients as [ClientDouble, ClientDouble];

    answer(double, slow, 200, "slow");

    expect([stream.status, stream.body, quick.calls.includes("abort")]).toEqual([200, "slow", true]);
    expect(inflight(double)).toEqual([0, 0]);
    expect(double.records()).toMatchObject([{ upstream_host: slow.endpoint.authority }]);
  });

  test("carries the body too, but is not made while it is not whole", () => {
    const double = hedged();
    const exchange = double.stream(WAY).begin({ method: "PUT", length: 3 });
    double.clock.advance(300);
    expect(double.upstream.clients).toHaveLength(1);
    body(double, exchange, "abc");
    double.serving.requestEnd(exchange, null);

    double.clock.advance(300);

    expect(double.upstream.clients.map((client) => client.body)).toEqual(["abc", "abc"]);
  });

  test("is not made of what may not be repeated", () => {
    const double = hedged();
    double.stream(WAY).begin({ method: "POST" });

    double.clock.advance(1_000);

    expect(double.upstream.clients).toHaveLength(1);
    expect(double.metric("mesh_hedges_total", { outcome: "refused" })).toBe(1);
  });

  test("that only says that it cannot does not win, and one that fails is nobody's failure", () => {
    for (const lose of [
      (double: ServingDouble, copy: ClientDouble) => answer(double, copy, 503),
      (double: ServingDouble, copy: ClientDouble) => broken(double, copy),
    ]) {
      const double = hedged();
      const stream = double.stream(WAY);
      stream.begin({});
      double.clock.advance(120);
      const [slow, quick] = double.upstream.clients as [ClientDouble, ClientDouble];

      lose(double, quick);
      expect(stream.status).toBe(0);
      answer(double, slow, 200);

      expect([stream.status, quick.endpoint.failures, inflight(double)]).toEqual([200, 1, [0, 0]]);
    }
  });

  test("is waited for where the first fails, and where both have failed the client is told", () => {
    const [saved, lost] = [hedged(), hedged({ retry: { attempts: 0 } })];
    const streams = [saved, lost].map((double): StreamDouble => {
      const stream = double.stream(WAY);
      stream.begin({});
      double.clock.advance(120);
      broken(double, double.upstream.clients[0]!);
      return stream;
    });
    expect(streams.map(({ status }) => status)).toEqual([0, 0]);

    answer(saved, saved.upstream.clients[1]!, 200);
    broken(lost, lost.upstream.clients[1]!);

    expect(streams.map(({ status }) => status)).toEqual([200, 502]);
    expect([...inflight(saved), ...inflight(lost)]).toEqual([0, 0, 0, 0]);
    expect([saved.serving.active, lost.serving.active]).toEqual([0, 0]);
  });

  test("that wins behind one that took too long, and then stalls, has a deadline too", () => {
    const double = hedged({ backendTimeoutMs: 150, retry: { attempts: 1 } });
    const stream = double.stream(WAY);
    stream.begin({});
    double.clock.advance(120);
    const [slow, quick] = double.upstream.clients as [ClientDouble, ClientDouble];
    double.clock.advance(60);
    expect(slow.calls).toContain("abort");

    head(double, quick, 200);
    double.clock.advance(1_000);

    expect([stream.status, stream.calls.at(-1), quick.calls.at(-1)]).toEqual([200, "abort", "abort"]);
    expect(double.records()).toMatchObject([{ response_flags: "UT" }]);
    expect([double.serving.active, ...inflight(double)]).toEqual([0, 0, 0]);
  });

  test("does not wait for a turn: where its cluster has none to give, there is none", () => {
    const double = hedged({}, { requests: 1 });
    const stream = double.stream(WAY);
    stream.begin({});
    double.clock.advance(120);
    const [slow] = double.upstream.clients as [ClientDouble];

    broken(double, slow);

    expect(double.upstream.clients).toHaveLength(2);
    expect(double.metric("mesh_hedges_total", { outcome: "refused" })).toBe(1);
  });

  test("ends with the client that leaves, and with the request's deadline", () => {
    const [left, late] = [hedged(), hedged({ requestTimeoutMs: 500 })];
    const streams = [left, late].map((double) => {
      const stream = double.stream(WAY);
      const exchange = stream.begin({});
      double.clock.advance(120);
      return { stream, exchange };
    });

    streams[0]!.stream.handler.gone(streams[0]!.exchange, "gone");
    late.clock.advance(500);

    for (const double of [left, late]) {
      expect(double.upstream.clients.map(({ calls }) => calls.includes("abort"))).toEqual([true, true]);
      expect(inflight(double)).toEqual([0, 0]);
      expect(double.records()).toHaveLength(1);
    }
    expect(streams[1]!.stream.status).toBe(504);
  });

  function hedged(rule: object = {}, limits: object = {}): ServingDouble {
    const resources = webResources(["127.0.0.1", "127.0.0.2"], { requestTimeoutMs: 0, hedge, ...rule }).map((one) =>
      one.kind === "cluster" ? { ...one, model: { ...one.model, limits } } : one,
    );
    return servingDouble(snapshotOf(resources));
  }
});

/** `web` whose requests another cluster sees too. */
function mirrored(mirrors: readonly object[], rule: object = {}, endpoints = ["127.0.0.1"]): ServingDouble {
  const resources = webResources(endpoints, { requestTimeoutMs: 0, mirrors, ...rule });
  const [{ model }] = webResources(["127.0.0.9"]) as [Extract<Resource, { kind: "cluster" }>];
  const name = "default/shadow:80";
  return servingDouble(snapshotOf([...resources, { kind: "cluster", name, version: "1", model: { ...model, name } }]));
}

function inflight({ mesh }: ServingDouble): number[] {
  return mesh.snapshot.clusterNamed("default/web:80")!.endpoints.map((endpoint) => endpoint.inflight);
}

function head({ serving }: ServingDouble, client: ClientDouble, status: number): void {
  const exchange = client.exchange as MeshExchange;
  exchange.response.status = status;
  serving.response(exchange);
}

/** A whole answer of one upstream, as the codec tells it. */
function answer(double: ServingDouble, client: ClientDouble, status: number, text = ""): void {
  const { serving } = double;
  head(double, client, status);
  const exchange = client.exchange as MeshExchange;
  if (exchange.upstream !== (client as never)) return;
  if (text !== "") serving.responseBody(exchange, Buffer.from(text), 0, text.length);
  client.detach();
  serving.responseEnd(exchange, null);
}

function broken({ serving }: ServingDouble, client: ClientDouble): void {
  const exchange = client.exchange as MeshExchange;
  exchange.upstream = null;
  serving.failed(exchange, UpstreamFailure.Closed, "closed");
}

function body({ serving }: ServingDouble, exchange: MeshExchange, text: string): void {
  serving.requestBody(exchange, Buffer.from(text), 0, text.length);
}
