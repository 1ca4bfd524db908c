import { expect, test } from "bun:test";
import { ok, startBackend } from "../../test/harness/backend.ts";
import { connect } from "../../test/harness/client.ts";
import { eventually } from "../../test/harness/eventually.ts";
import { silentLog, systemClock } from "../base/mod.ts";
import { SharedCounters } from "../plugin/mod.ts";
import type { Resource, SnapshotModel } from "../snapshot/mod.ts";
import { type PlaneHost, WorkerPlane } from "./worker-plane.ts";

test("a model that comes while another is loaded is applied behind it: the last one told is the one that serves", async () => {
  const [asked, blob] = [Promise.withResolvers<void>(), Promise.withResolvers<Uint8Array>()];
  const plane = planeOf({
    blob() {
      asked.resolve();
      return blob.promise;
    },
  });
  const first = plane.apply(model("1-aaaaaaaa", [plugin()]));
  await asked.promise;

  const second = plane.apply(model("2-bbbbbbbb", []));
  await new Promise((resolve) => setImmediate(resolve));
  const meanwhile = plane.snapshot.revision;
  blob.reject(new Error("gone"));

  expect(meanwhile).toBe("0-00000000");
  expect(await first.catch(() => "refused")).toBe("refused");
  await second;
  expect(plane.snapshot.revision).toBe("2-bbbbbbbb");
  plane.close();
});

test("from STRICT on, connections that came in plaintext end behind their exchange", async () => {
  await using backend = await startBackend(ok("a"));
  const plane = planeOf();
  await plane.apply(model("1-aaaaaaaa", inbound(backend.port, "PERMISSIVE")));
  const [bound] = plane.open([
    { kind: "inbound", name: "inbound", hostname: "127.0.0.1", port: 0, transport: "mesh", appPort: backend.port },
  ]);
  await using client = await connect(bound!.port);
  expect((await client.get("/")).text).toBe("a");

  await plane.apply(model("2-bbbbbbbb", inbound(backend.port, "STRICT")));

  expect((await client.connection.rest("the end")).length).toBe(0);
  await eventually(() => plane.active === 0);
  plane.close();
});

function planeOf(host: Partial<PlaneHost> = {}): WorkerPlane {
  const plan = {
    self: null,
    accessLog: null,
    seed: 1,
    counters: SharedCounters.allocate(16, 0, 1),
    maxConnections: 100,
    upstreamTls: false,
    dns: [],
    shared: false,
  };
  const nobody = {
    want: async () => {},
    blob: () => Promise.reject(new Error("Cannot load a plugin: there are none")),
    telemetry() {},
    log: silentLog,
  };
  return new WorkerPlane(plan, { ...nobody, ...host }, systemClock);
}

function model(revision: string, resources: readonly Resource[]): SnapshotModel {
  return { revision, resources };
}

function plugin(): Resource {
  const limits = { fuel: 1_000, memoryPages: 16 };
  const model = { id: "default/p", sha256: "00", config: {}, destinations: {}, order: 0, limits };
  return { kind: "plugin", name: "default/p", version: "1", model: { ...model, failureMode: "closed" } };
}

function inbound(appPort: number, mtls: "STRICT" | "PERMISSIVE"): Resource[] {
  const mesh = {
    trustDomain: "example.org",
    trustDomainAliases: [],
    egress: "ALLOW_ANY",
    requestTimeoutMs: 0,
  } as const;
  const labels = { name: "web", namespace: "default", app: "web", version: "" };
  const service = { namespace: "default", name: "web", host: "web.default.svc.cluster.local" };
  const workload = {
    name: "web",
    namespace: "default",
    identity: "spiffe://example.org/ns/default/sa/web",
    labels,
    mtls,
    ports: [{ port: appPort, protocol: "http", service, policies: [] }],
  } as const;
  return [
    { kind: "mesh", name: "", version: mtls, model: { ...mesh, mtls } },
    { kind: "workload", name: "web", version: "1", model: workload },
  ];
}
