import { expect, test } from "bun:test";
import type { LogLevel } from "../base/mod.ts";
import { formatAddress } from "../config/mod.ts";
import { AdminExposed, type AdminSources, DoorUnavailable, startAdmin } from "./mod.ts";

const LOCAL = { host: "127.0.0.1", port: 0 };

test("the admin door shows the running snapshot, the clusters and the certificates", async () => {
  await using doors = open();

  expect(await doors.get("admin", "/config")).toEqual([200, { revision: "7-abcdef01" }]);
  expect(await doors.get("admin", "/clusters")).toEqual([
    200,
    [
      {
        name: "shop/web:80",
        balancer: "PeakEWMA",
        endpoints: [
          {
            address: "10.0.0.1:80",
            weight: 1,
            identity: null,
            locality: "eu/eu-1",
            isHealthy: false,
            inFlight: 2,
            ewmaMs: 1.5,
            failedCheck: null,
            ejection: { reason: "reset", detail: "5 failures in a row", until: "2026-01-01T12:00:00.000Z" },
          },
        ],
      },
    ],
  ]);
  expect(await doors.get("admin", "/certs")).toEqual([
    200,
    [
      {
        spiffeId: "spiffe://cluster.local/ns/shop/sa/web",
        notBefore: "1970-01-01T00:00:00.000Z",
        notAfter: "1970-01-01T01:00:00.000Z",
        nextRenewal: "1970-01-01T00:40:00.000Z",
      },
    ],
  ]);
});

test("a private key that slips into the certificate facts is not shown", async () => {
  const certificates = () => [{ spiffeId: "a", notBefore: 0, notAfter: 0, nextRenewalAt: null, privateKey: "SECRET" }];
  await using doors = open({ certificates });

  expect(JSON.stringify(await doors.get("admin", "/certs"))).not.toContain("SECRET");
});

test("answers are one line, and with ?pretty they are for people", async () => {
  await using doors = open();

  expect(await (await doors.fetch("admin", "/config")).text()).toBe('{"revision":"7-abcdef01"}\n');
  expect(await (await doors.fetch("admin", "/config?pretty")).text()).toBe('{\n  "revision": "7-abcdef01"\n}\n');
});

test("a drain is begun by POST alone, and takes readiness away", async () => {
  await using doors = open();

  expect((await doors.get("admin", "/drain"))[0]).toBe(405);
  expect(doors.state.draining).toBe(false);
  expect(await doors.get("health", "/ready")).toEqual([200, { ready: true }]);
  expect((await doors.get("admin", "/drain", { method: "POST" }))[0]).toBe(202);

  expect(doors.state.draining).toBe(true);
  expect(await doors.get("health", "/ready")).toEqual([503, { ready: false, reasons: ["draining"] }]);
  expect((await doors.get("health", "/live"))[0]).toBe(200);
});

test("until the proxy is ready, /ready says what is missing", async () => {
  await using doors = open({ notReady: () => ["no certificate", "no snapshot"] });

  expect(await doors.get("health", "/ready")).toEqual([
    503,
    { ready: false, reasons: ["no certificate", "no snapshot"] },
  ]);
});

test("the log level is read and set, and an unknown one is refused with those that exist", async () => {
  await using doors = open();

  expect((await doors.get("admin", "/log"))[1]).toMatchObject({ level: "info" });
  expect(await doors.get("admin", "/log?level=debug", { method: "POST" })).toEqual([200, { level: "debug" }]);
  expect(doors.state.log.level).toBe("debug");
  const [status, body] = await doors.get("admin", "/log?level=loud", { method: "POST" });

  expect(status).toBe(400);
  expect(body).toEqual({ error: 'no such level: "loud"', levels: ["debug", "info", "warn", "error", "off"] });
  expect(doors.state.log.level).toBe("debug");
});

test("the health and metrics doors show nothing of the admin door", async () => {
  await using doors = open();

  for (const door of ["health", "metrics"] as const)
    for (const path of ["/config", "/clusters", "/certs", "/drain", "/log"])
      expect((await doors.get(door, path, { method: "POST" }))[0]).toBe(404);
  expect((await doors.get("metrics", "/ready"))[0]).toBe(404);
  expect(doors.state.draining).toBe(false);
});

test("a name that DNS could point at us, and another site's page, are refused by the admin door", async () => {
  await using doors = open();
  const port = doors.addresses.admin!.port;

  for (const host of ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "10.0.0.1", "[::2]:1", ""])
    expect([host, (await doors.get("admin", "/drain", { method: "POST", headers: { host } }))[0]]).toEqual([host, 403]);
  for (const origin of ["http://evil.example", "null", `http://localhost:${port}`])
    expect((await doors.get("admin", "/drain", { method: "POST", headers: { origin } }))[0]).toBe(403);
  expect(doors.state.draining).toBe(false);

  for (const host of ["localhost", `localhost:${port}`, "127.0.0.1", "127.8.8.8:1", "[::1]:15000"])
    expect([host, (await doors.get("admin", "/config", { headers: { host } }))[0]]).toEqual([host, 200]);
  expect((await doors.get("admin", "/config", { headers: { origin: `http://127.0.0.1:${port}` } }))[0]).toBe(200);
});

test("an admin door that other machines could reach is refused unless allowed, and then wants an address as host", async () => {
  const everywhere = { host: "0.0.0.0", port: 0 };

  expect(() => startAdmin({ admin: everywhere, sources: sourcesOf() })).toThrow(AdminExposed);
  const admin = startAdmin({ admin: everywhere, allowRemote: true, sources: sourcesOf() });
  const url = `http://127.0.0.1:${admin.addresses.admin!.port}/config`;

  expect((await fetch(url, { headers: { host: "10.0.0.1:15000" } })).status).toBe(200);
  expect((await fetch(url, { headers: { host: "evil.example" } })).status).toBe(403);
  await admin.close();
});

test("a taken port is named with what to do, and the doors opened before it are closed again", async () => {
  await using doors = open();
  const taken = doors.addresses.metrics!;
  // The door that opens first: its port must be free again afterwards.
  const probe = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response() });
  const free = { host: "127.0.0.1", port: probe.port! };
  await probe.stop(true);

  const start = () => startAdmin({ admin: free, metrics: taken, sources: sourcesOf() });

  expect(start).toThrow(DoorUnavailable);
  expect(start).toThrow(
    `Cannot listen on ${formatAddress(taken)} for metrics: the address is taken; free it or choose another with --metrics`,
  );
  await expect(fetch(`http://127.0.0.1:${free.port}/config`)).rejects.toThrow();
});

test("a source that fails is a 500 without a stack, and the door goes on", async () => {
  await using doors = open({
    config() {
      throw new Error("no snapshot yet");
    },
    clusters: () => Promise.reject(new Error("worker 2 does not answer")),
  });

  expect(await doors.get("admin", "/config")).toEqual([500, { error: "no snapshot yet" }]);
  expect(await doors.get("admin", "/clusters")).toEqual([500, { error: "worker 2 does not answer" }]);
  expect((await doors.get("admin", "/certs"))[0]).toBe(200);
});

test("an unknown page names those that exist, and HEAD has no body", async () => {
  await using doors = open();

  const [status, body] = await doors.get("admin", "/constructor");
  const head = await doors.fetch("admin", "/config", { method: "HEAD" });

  expect(status).toBe(404);
  expect(body).toMatchObject({
    pages: ["/config", "/clusters", "/certs", "/drain", "/log", "/live", "/ready", "/metrics"],
  });
  expect([head.status, await head.text()]).toEqual([200, ""]);
});

test("scrapes at the same time share one text, and the next one gets a new", async () => {
  const gate = Promise.withResolvers<void>();
  let made = 0;
  await using doors = open({
    async metrics() {
      const number = ++made;
      await gate.promise;
      return `m ${number}\n`;
    },
  });

  const both = [
    doors.fetch("metrics", "/metrics"),
    doors.fetch("admin", "/metrics"),
    doors.fetch("metrics", "/metrics"),
  ];
  // An answer from the same door shows that the requests before it have arrived.
  await doors.fetch("metrics", "/other");
  await doors.fetch("admin", "/live");
  gate.resolve();
  const texts = await Promise.all((await Promise.all(both)).map((response) => response.text()));

  expect(texts[0]).toBe(texts[2]!);
  expect(made).toBe(2);
  expect(await (await doors.fetch("metrics", "/metrics")).text()).toBe("m 3\n");
});

type DoorName = "admin" | "health" | "metrics";

interface State {
  draining: boolean;
  log: { level: LogLevel };
}

function sourcesOf(changes: Partial<AdminSources> = {}, state = stateOf()): AdminSources {
  const ejection = { reason: "reset", detail: "5 failures in a row", untilMs: Date.UTC(2026, 0, 1, 12) };
  const endpoint = {
    address: "10.0.0.1:80",
    weight: 1,
    identity: null,
    locality: "eu/eu-1",
    isHealthy: false,
    inFlight: 2,
    ewmaMs: 1.5,
    failedCheck: null,
  };
  return {
    config: () => ({ revision: "7-abcdef01" }),
    clusters: () => [{ name: "shop/web:80", balancer: "PeakEWMA", endpoints: [{ ...endpoint, ejection }] }],
    certificates: () => [
      {
        spiffeId: "spiffe://cluster.local/ns/shop/sa/web",
        notBefore: 0,
        notAfter: 3_600_000,
        nextRenewalAt: 2_400_000,
      },
    ],
    notReady: () => [],
    isDraining: () => state.draining,
    drain() {
      state.draining = true;
    },
    log: state.log,
    metrics: () => Promise.resolve("mesh_workers 1\n"),
    ...changes,
  };
}

function stateOf(): State {
  return { draining: false, log: { level: "info" } };
}

function open(changes: Partial<AdminSources> = {}) {
  const state = stateOf();
  const admin = startAdmin({ admin: LOCAL, health: LOCAL, metrics: LOCAL, sources: sourcesOf(changes, state) });
  const fetchFrom = (door: DoorName, path: string, init?: RequestInit): Promise<Response> =>
    fetch(`http://${formatAddress(admin.addresses[door]!)}${path}`, init);
  return {
    state,
    addresses: admin.addresses,
    fetch: fetchFrom,
    async get(door: DoorName, path: string, init?: RequestInit) {
      const response = await fetchFrom(door, path, init);
      return [response.status, (await response.json()) as unknown];
    },
    [Symbol.asyncDispose]: () => admin.close(),
  };
}
