import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { certificates } from "../../test/harness/certificates.ts";
import { startDeafPort } from "../../test/harness/deaf.ts";
import { eventually } from "../../test/harness/eventually.ts";
import { type FakeClock, fakeClock } from "../../test/harness/fake-clock.ts";
import { requestHead } from "../../test/harness/head.ts";
import { Deadlines, NO_BYTES } from "../base/mod.ts";
import { ClusterState, Endpoint } from "../cluster/mod.ts";
import {
  type ClientConnection,
  DEFAULT_HEAD_LIMITS,
  Exchange,
  Http2Kit,
  type ResponseHandler,
  Stage,
} from "../http/mod.ts";
import { anonymousTls, edgeTls } from "../identity/mod.ts";
import type { Permitted } from "../policy/mod.ts";
import { DialFailure } from "./dial.ts";
import type { PoolSettings, Waiter } from "./pool.ts";
import { Upstream } from "./upstream.ts";

const IDLE_MS = 60_000;
const CONNECT_MS = 5_000;

const DEAF_HANDLER = { response() {}, responseEnd() {}, failed() {} } as unknown as ResponseHandler;

const setUp = {} as { server: Server; clock: FakeClock; bugs: unknown[] };

beforeEach(() => {
  setUp.server = startServer();
  setUp.clock = fakeClock();
  setUp.bugs = [];
});

afterEach(() => {
  setUp.server.close();
  expect(setUp.bugs).toEqual([]);
});

describe("a pool", () => {
  test("dials for the first who asks, and gives the next one the same connection once it is free", async () => {
    const upstream = upstreamOf();
    const endpoint = endpointOf(setUp.server.port);
    const connection = await connected(upstream, endpoint);

    exchangeOver(connection);

    expect(take(upstream, endpoint, waiter())).toBe(connection);
    expect(setUp.server.accepted).toBe(1);
  });

  test("gives a free connection to who waits longest", async () => {
    const upstream = upstreamOf({ maxConnections: 1 });
    const endpoint = endpointOf(setUp.server.port);
    const connection = await connected(upstream, endpoint);
    const [first, second] = [waiter(), waiter()];
    take(upstream, endpoint, first);
    take(upstream, endpoint, second);

    exchangeOver(connection);

    expect(first.connection).toBe(connection);
    expect(second.connection).toBeNull();
    exchangeOver(connection);
    expect(second.connection).toBe(connection);
    expect(setUp.server.accepted).toBe(1);
  });

  test("gives nothing to who has cancelled: the connection serves the next, or nobody", async () => {
    const upstream = upstreamOf({ maxConnections: 1 });
    const endpoint = endpointOf(setUp.server.port);
    const [gone, next] = [waiter(), waiter()];
    take(upstream, endpoint, gone);
    take(upstream, endpoint, next);

    upstream.cancel(endpoint, gone);

    await eventually(() => next.connection !== null);
    expect(gone.connection).toBeNull();
  });

  test("refuses whom it cannot let wait", () => {
    const upstream = upstreamOf({ maxConnections: 1, maxWaiting: 2 });
    const endpoint = endpointOf(setUp.server.port);

    expect([1, 2, 3].map(() => take(upstream, endpoint, waiter()))).toEqual([null, null, "overflow"]);
  });

  test("tells everyone who waits when the endpoint refuses, also those beyond the limit of connections", async () => {
    const endpoint = endpointOf(setUp.server.port);
    setUp.server.close();
    const upstream = upstreamOf({ maxConnections: 1 });
    const waiters = [waiter(), waiter(), waiter()];
    for (const one of waiters) take(upstream, endpoint, one);

    await eventually(() => waiters.every(({ failures }) => failures.length === 1));

    expect(waiters.map(({ failures }) => failures[0])).toEqual([0, 0, 0].map(() => DialFailure.Refused));
  });

  test("replaces a connection that broke, for who still waits", async () => {
    const upstream = upstreamOf({ maxConnections: 1 });
    const endpoint = endpointOf(setUp.server.port);
    const connection = await connected(upstream, endpoint);
    const next = waiter();
    take(upstream, endpoint, next);

    connection.abort();

    await eventually(() => next.connection !== null);
    expect(next.connection).not.toBe(connection);
  });

  test("closes what has been idle for long, and keeps what was used since", async () => {
    const upstream = upstreamOf();
    const endpoint = endpointOf(setUp.server.port);
    const [old, young] = await Promise.all([connected(upstream, endpoint), connected(upstream, endpoint)]);
    exchangeOver(old);
    setUp.clock.advance(IDLE_MS * 0.9);
    exchangeOver(young);

    setUp.clock.advance(IDLE_MS * 0.2);

    expect([old.dropped, young.dropped]).toEqual([true, false]);
    await eventually(() => setUp.server.open === 1);
  });

  test("keeps to the limits of its cluster: connections, and those who wait beyond them", async () => {
    const upstream = upstreamOf();
    const endpoint = endpointOf(setUp.server.port);
    endpoint.home.limits = { connectionsPerEndpoint: 2, pending: 1 };

    const taken = [1, 2, 3, 4].map(() => take(upstream, endpoint, waiter()));

    expect(taken).toEqual([null, null, null, "overflow"]);
    await eventually(() => setUp.server.accepted === 2);
  });

  test("closes a connection that has carried as many requests as the cluster allows", async () => {
    const upstream = upstreamOf();
    const endpoint = endpointOf(setUp.server.port);
    endpoint.home.limits = { requestsPerConnection: 2 };
    const connection = await connected(upstream, endpoint);

    exchangeOver(connection);
    expect(take(upstream, endpoint, waiter())).toBe(connection);
    exchangeOver(connection);

    expect(connection.dropped).toBe(true);
    expect(await connected(upstream, endpoint)).not.toBe(connection);
  });

  test("uses no connection that is older than the cluster allows", async () => {
    const upstream = upstreamOf();
    const endpoint = endpointOf(setUp.server.port);
    endpoint.home.timeouts = { connectionAgeMs: 1_000 };
    const connection = await connected(upstream, endpoint);
    exchangeOver(connection);
    expect(take(upstream, endpoint, waiter())).toBe(connection);

    setUp.clock.advance(1_001);
    exchangeOver(connection);

    expect(connection.dropped).toBe(true);
  });

  test("closes what has been idle as long as the cluster says", async () => {
    const upstream = upstreamOf();
    const endpoint = endpointOf(setUp.server.port);
    endpoint.home.timeouts = { idleMs: 1_000 };
    const connection = await connected(upstream, endpoint);
    exchangeOver(connection);

    setUp.clock.advance(2_000);

    expect(connection.dropped).toBe(true);
  });

  test("uses no connection again that has proved an older certificate", async () => {
    const upstream = upstreamOf();
    const endpoint = endpointOf(setUp.server.port, "spiffe://cluster.local/ns/default/sa/web");
    const [idle, busy] = [await passage(upstream, endpoint), await passage(upstream, endpoint)];
    exchangeOver(idle);

    setUp.clock.advance(1);
    upstream.renew();

    expect([idle.dropped, busy.dropped]).toEqual([true, false]);
    exchangeOver(busy);
    expect(busy.dropped).toBe(true);
  });

  test("without connections is forgotten, and no timer goes on for it", async () => {
    const upstream = upstreamOf();
    exchangeOver(await connected(upstream, endpointOf(setUp.server.port)));

    setUp.clock.advance(IDLE_MS * 4);

    expect(setUp.clock.pending).toBe(0);
  });
});

describe("an endpoint that no snapshot names any more", () => {
  test("has its idle connections closed, and its busy ones behind their exchange", async () => {
    const upstream = upstreamOf();
    const endpoint = endpointOf(setUp.server.port);
    const [idle, busy] = await Promise.all([connected(upstream, endpoint), connected(upstream, endpoint)]);
    exchangeOver(idle);

    upstream.retain(new Set());

    expect([idle.dropped, busy.dropped]).toEqual([true, false]);
    exchangeOver(busy);
    expect(busy.dropped).toBe(true);
  });

  test("still connects those who wait for it", async () => {
    const upstream = upstreamOf();
    const waiting = waiter();
    take(upstream, endpointOf(setUp.server.port), waiting);

    upstream.retain(new Set());

    await eventually(() => waiting.connection !== null);
  });

  test("gives nothing to who waited for it and has cancelled", async () => {
    const upstream = upstreamOf();
    const endpoint = endpointOf(setUp.server.port);
    const waiting = waiter();
    take(upstream, endpoint, waiting);
    upstream.retain(new Set());

    upstream.cancel(endpoint, waiting);

    // Nobody wants the connection: it is closed as soon as it is there.
    await eventually(() => setUp.server.accepted === 1 && setUp.server.open === 0);
    expect(waiting.connection).toBeNull();
    expect(waiting.failures).toEqual([]);
  });

  test("keeps its pool where the next snapshot names it too", async () => {
    const upstream = upstreamOf();
    const endpoint = endpointOf(setUp.server.port);
    const connection = await connected(upstream, endpoint);
    exchangeOver(connection);

    upstream.retain(new Set([endpoint]));

    expect(take(upstream, endpoint, waiter())).toBe(connection);
  });
});

describe("a connection that is to carry nothing but a tunnel", () => {
  test("is dialled, though another is idle, and goes to nobody else", async () => {
    const upstream = upstreamOf();
    const endpoint = endpointOf(setUp.server.port);
    const used = await connected(upstream, endpoint);
    exchangeOver(used);

    const tunnel = waiter();
    expect(take(upstream, endpoint, tunnel, true)).toBeNull();

    await eventually(() => tunnel.connection !== null);
    expect(tunnel.connection).not.toBe(used);
    expect(take(upstream, endpoint, waiter())).toBe(used);
  });
});

describe("an endpoint that does not answer", () => {
  test("fails the dial at its deadline", async () => {
    await using deaf = await startDeafPort();
    const upstream = upstreamOf();
    const waiting = waiter();
    take(upstream, endpointOf(deaf.port), waiting);

    setUp.clock.advance(CONNECT_MS + 250);
    await Promise.resolve();

    expect(waiting.failures).toEqual([DialFailure.Timeout]);
  });

  test("costs no more descriptors than it may have connections: the kernel keeps trying for minutes", async () => {
    await using deaf = await startDeafPort();
    const dialled: number[] = [];
    const tls = (endpoint: Endpoint): null => {
      dialled.push(endpoint.port);
      return null;
    };
    const upstream = upstreamOf({ maxConnections: 2, tls });
    const endpoint = endpointOf(deaf.port);

    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 2; i++) take(upstream, endpoint, waiter());
      setUp.clock.advance(CONNECT_MS + 250);
      await Promise.resolve();
    }

    expect(dialled).toHaveLength(2);
  });
});

test("an address that cannot even be dialled is a failure of the dial, not of the caller", async () => {
  const upstream = upstreamOf();
  const waiting = waiter();

  expect(take(upstream, endpointOf(70_000), waiting)).toBeNull();

  await eventually(() => waiting.failures.length === 1);
});

test("without a certificate nothing is dialled where TLS is asked for", async () => {
  const upstream = upstreamOf({
    tls: () => ({ options: () => null, lacking: () => "there is none", verify: () => null }),
  });
  const waiting = waiter();

  take(upstream, endpointOf(setUp.server.port), waiting);

  await eventually(() => waiting.failures.length === 1);
  expect(waiting.failures).toEqual([DialFailure.Untrusted]);
  expect(setUp.server.accepted).toBe(0);
});

interface Server {
  readonly port: number;
  accepted: number;
  open: number;
  close(): void;
}

test("everyone who waited for HTTP/2 gets a connection where the peer knows HTTP/1.1 only, also one of an earlier time", async () => {
  await using ca = await certificates();
  const identity = await ca.issue("spiffe://cluster.local/ns/default/sa/web");
  const server = startServer(edgeTls(identity, ["http/1.1"]));
  const options = () => anonymousTls(null, ["mesh/h2", "http/1.1"], "mesh");
  const upstream = upstreamOf({
    idleTimeoutMs: 10 * IDLE_MS,
    tls: () => ({ options, lacking: () => "", verify: () => null }),
  });
  const endpoint = endpointOf(server.port);
  const [before, first, second] = [waiter(true), waiter(true), waiter(true)];
  take(upstream, endpoint, before);
  await eventually(() => before.connection !== null);
  exchangeOver(before.connection!);
  setUp.clock.advance(60_001);

  take(upstream, endpoint, first);
  take(upstream, endpoint, second);

  await eventually(() => first.connection !== null && second.connection !== null);
  expect(second.connection).toBe(before.connection);
  expect(first.connection).not.toBe(before.connection);
  expect(server.accepted).toBe(2);
  server.close();
});

function startServer(tls: object | null = null): Server {
  const socket = {
    open() {
      server.accepted++;
      server.open++;
    },
    close() {
      server.open--;
    },
    data() {},
  };
  const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket, ...(tls === null ? {} : { tls }) });
  const server = { port: listener.port, accepted: 0, open: 0, close: () => listener.stop(true) };
  return server;
}

function upstreamOf(options: Partial<PoolSettings> = {}): Upstream {
  const deadlines = new Deadlines(setUp.clock);
  return new Upstream({
    http2: new Http2Kit({ deadlines, schedule: queueMicrotask }),
    client: { handler: DEAF_HANDLER, stage: new Stage(), headLimits: DEFAULT_HEAD_LIMITS },
    deadlines,
    connectTimeoutMs: CONNECT_MS,
    idleTimeoutMs: IDLE_MS,
    maxConnections: 8,
    maxWaiting: 8,
    tls: () => null,
    bug: (error) => setUp.bugs.push(error),
    ...options,
  });
}

function endpointOf(port: number, identity?: string): Endpoint {
  const workload = { name: "web", namespace: "default", app: "web", version: "" };
  const state = new ClusterState("default/web:80", { ejected() {}, returned() {} });
  return new Endpoint(state, { address: "127.0.0.1", port, weight: 1, workload, ...(identity ? { identity } : {}) });
}

interface RecordingWaiter extends Waiter {
  connection: ClientConnection | null;
  readonly failures: DialFailure[];
}

function waiter(needsHttp2 = false): RecordingWaiter {
  return {
    needsHttp2,
    connection: null,
    failures: [],
    connected(connection) {
      this.connection = connection as ClientConnection;
    },
    connectFailed(failure) {
      this.failures.push(failure);
    },
  };
}

function take(upstream: Upstream, endpoint: Endpoint, waiting: Waiter, fresh = false) {
  return upstream.connect({} as Permitted, endpoint, waiting, fresh);
}

async function connected(upstream: Upstream, endpoint: Endpoint): Promise<ClientConnection> {
  const waiting = waiter();
  const found = take(upstream, endpoint, waiting);
  if (found !== null && found !== "overflow") return found as ClientConnection;
  await eventually(() => waiting.connection !== null);
  return waiting.connection!;
}

/** A connection of its own, in plain HTTP/1.1 whoever the endpoint is. */
async function passage(upstream: Upstream, endpoint: Endpoint): Promise<ClientConnection> {
  const waiting = waiter();
  take(upstream, endpoint, waiting, true);
  await eventually(() => waiting.connection !== null);
  return waiting.connection!;
}

/** One request and its response, over the connection. */
function exchangeOver(connection: ClientConnection): void {
  const exchange = new (class extends Exchange {})();
  Object.assign(exchange.request, requestHead({}));
  connection.send(exchange, NO_BYTES, null, null, { bytes: NO_BYTES, length: 0 });
  connection.received(Buffer.from("HTTP/1.1 204 No Content\r\n\r\n"));
}
