import { expect, test } from "bun:test";
import type { ClusterModel } from "../cluster/mod.ts";
import { parseDocuments } from "../schema/mod.ts";
import type { ServiceModel, WorkloadModel } from "../snapshot/mod.ts";
import { compile } from "./mod.ts";

const SERVICE = `
apiVersion: v1
kind: Service
metadata: { name: web }
spec: { selector: { app: web }, ports: [{ name: http, port: 80 }, { name: admin, port: 81 }] }
`;

test("a policy on a Service shapes its clusters, and that on a port wins field by field", () => {
  const mesh = compiled(
    SERVICE,
    policy(
      "wide",
      `{targetRefs: [{kind: Service, name: web}],
        loadBalancer: {type: RingHash, hashOn: [{header: X-User}, {cookie: {name: s, ttl: 1h}}], panicPercent: 20},
        limits: {requests: 100, pending: 10, pendingTimeout: 250ms}, timeouts: {connect: 1s, idle: 30s},
        retryBudget: {percent: 10, minPerSecond: 1}}`,
    ),
    policy(
      "narrow",
      `{targetRefs: [{kind: Service, name: web, sectionName: admin}],
        loadBalancer: {type: LeastRequest}, limits: {pending: 5}, timeouts: {idle: 5s}}`,
    ),
  );

  expect(mesh.problems).toEqual([]);
  expect(mesh.cluster("default/web:80")).toMatchObject({
    balancer: "RingHash",
    hash: [
      { type: "Header", name: "x-user" },
      { type: "Cookie", name: "s", ttlMs: 3_600_000 },
    ],
    panicThreshold: 0.2,
    limits: { requests: 100, pending: 10, pendingMs: 250 },
    timeouts: { connectMs: 1000, idleMs: 30_000 },
    retryBudget: { fraction: 0.1, minPerSecond: 1 },
  });
  const admin = mesh.cluster("default/web:81");
  expect(admin).toMatchObject({
    balancer: "LeastRequest",
    panicThreshold: 0.2,
    limits: { requests: 100, pending: 5 },
    timeouts: { connectMs: 1000, idleMs: 5000 },
  });
  expect(admin.hash).toBeUndefined();
});

test("what belongs together is replaced whole: ejection, health checks, slow start", () => {
  const mesh = compiled(
    SERVICE,
    policy(
      "web",
      `{targetRefs: [{kind: Service, name: web}],
        loadBalancer: {slowStart: {window: 30s}, locality: {order: [us], spillBelowPercent: 60}},
        ejection: {consecutiveErrors: 3, successRatePercent: 90, latencyFactor: 2.5, maxPercent: 30},
        healthCheck: {http: {path: /health, statuses: [204]}, interval: 1s}}`,
    ),
  );

  expect(mesh.cluster("default/web:80")).toMatchObject({
    balancer: "PeakEWMA",
    slowStart: { windowMs: 30_000, minimum: 0.1 },
    locality: { mode: "Failover", order: ["us"], spillBelow: 0.6 },
    ejection: {
      consecutiveErrors: 3,
      intervalMs: 10_000,
      minimumRequests: 20,
      successRate: 0.9,
      latencyFactor: 2.5,
      baseMs: 10_000,
      maxMs: 300_000,
      maxFraction: 0.3,
    },
    healthCheck: {
      type: "HTTP",
      path: "/health",
      statuses: [204],
      intervalMs: 1000,
      timeoutMs: 1000,
      healthyAfter: 2,
      unhealthyAfter: 3,
    },
  });
});

const ROUTE = `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: web }
spec:
  parentRefs: [{ group: "", kind: Service, name: web, port: 80 }]
  rules:
    - { name: slow, matches: [{ path: { value: /slow } }], timeouts: { request: 9s }, backendRefs: [{ name: web, port: 80 }] }
    - { backendRefs: [{ name: web, port: 80 }] }
`;

test("retries, hedging and timeouts are those of the rule itself, of its policy, its route's, its Service's", () => {
  const mesh = compiled(
    SERVICE,
    ROUTE,
    policy("service", "{targetRefs: [{kind: Service, name: web}], timeouts: {request: 1s}, hedge: {after: 50ms}}"),
    policy("route", "{targetRefs: [{kind: HTTPRoute, name: web}], retry: {attempts: 4}}"),
    policy(
      "rule",
      `{targetRefs: [{kind: HTTPRoute, name: web, sectionName: slow}], timeouts: {request: 5s, backendRequest: 2s},
        retry: {attempts: 1, statuses: [503], on: [reset], perTryTimeout: 1s, backoff: {base: 10ms}, anyMethod: true}}`,
    ),
  );

  const [first, second] = mesh.rules(80);
  expect(first).toMatchObject({
    requestTimeoutMs: 9000,
    backendTimeoutMs: 2000,
    retry: {
      attempts: 1,
      statuses: [503],
      on: ["reset"],
      perTryTimeoutMs: 1000,
      backoff: { baseMs: 10, maxMs: 100 },
      anyMethod: true,
    },
    hedge: { afterMs: 50, attempts: 1 },
  });
  expect(second).toMatchObject({ requestTimeoutMs: 1000, retry: { attempts: 4 }, hedge: { afterMs: 50 } });
  expect(mesh.rules(81)).toMatchObject([{ id: "Service/default/web", requestTimeoutMs: 1000 }]);
});

test("of two policies on one target the older counts, and the other is a warning", () => {
  const mesh = compiled(
    SERVICE,
    policy("a", "{targetRefs: [{kind: Service, name: web}], limits: {requests: 1}}", "2026-01-02T00:00:00Z"),
    policy("b", "{targetRefs: [{kind: Service, name: web}], limits: {requests: 2}}", "2026-01-01T00:00:00Z"),
  );

  expect(mesh.cluster("default/web:80").limits).toEqual({ requests: 2 });
  expect(mesh.problems).toEqual([
    "warning: spec.targetRefs[0] must be a target that no other TrafficPolicy has: an older one counts there",
  ]);
});

test("what leads nowhere, and what means nothing at a route, is a warning", () => {
  const mesh = compiled(
    SERVICE,
    ROUTE,
    policy("nowhere", "{targetRefs: [{kind: Service, name: gone}], limits: {requests: 1}}"),
    policy("route", "{targetRefs: [{kind: HTTPRoute, name: web}], limits: {requests: 1}, timeouts: {connect: 1s}}"),
  );

  expect(mesh.problems).toEqual([
    "warning: spec.targetRefs must name something there is: the TrafficPolicy is attached to nothing",
    "warning: spec.targetRefs[0].name must name a Service: there is no Service default/gone",
    "warning: spec.limits has no effect at a route: attach it to the Service",
    "warning: spec.timeouts.connect has no effect at a route: attach it to the Service",
  ]);
});

test("a subset is a cluster of its own, which a backendRef names behind its Service", () => {
  const mesh = compiled(
    SERVICE,
    workload("one", "10.0.0.1", "v1"),
    workload("two", "10.0.0.2", "v2"),
    policy(
      "web",
      "{targetRefs: [{kind: Service, name: web}], loadBalancer: {type: Random}, subsets: [{name: v2, labels: {version: v2}}]}",
    ),
    route("{group: mesh.dev, kind: Subset, name: web.v2, port: 80}"),
    route("{group: mesh.dev, kind: Subset, name: web.v3, port: 80}", "wrong"),
  );

  expect(mesh.cluster("default/web:80").endpoints.map(({ address }) => address)).toEqual(["10.0.0.1", "10.0.0.2"]);
  expect(mesh.cluster("default/web:80/v2")).toMatchObject({
    service: { name: "web" },
    balancer: "Random",
    endpoints: [{ address: "10.0.0.2" }],
  });
  expect(mesh.rules(80).map(({ backends }) => backends)).toEqual([
    [{ cluster: "default/web:80/v2", name: "web.v2", weight: 1 }],
    [{ cluster: null, name: "web.v3", weight: 1 }],
  ]);
  expect(mesh.problems.join()).toContain('must name a subset of Service default/web (v2): current value is "v3"');
});

test("the place of a workload is what its document says, else its labels; a slice tells the zone", () => {
  const mesh = compiled(
    SERVICE,
    workload("said", "10.0.0.1", "v1", "eu/eu-1a/rack-7"),
    `{apiVersion: mesh.dev/v1, kind: Workload, metadata: {name: labelled}, spec: {address: 10.0.0.2, ports: [{port: 80}],
      identity: "spiffe://cluster.local/ns/default/sa/labelled",
      labels: {app: web, topology.kubernetes.io/region: us, topology.kubernetes.io/zone: us-2}}}`,
    `{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4, ports: [{name: http, port: 80}],
      metadata: {name: web, labels: {kubernetes.io/service-name: web}}, endpoints: [{addresses: [10.0.0.3], zone: eu-1b}]}`,
  );

  expect(mesh.cluster("default/web:80").endpoints.map(({ locality }) => locality)).toEqual([
    { region: "eu", zone: "eu-1a", subZone: "rack-7" },
    { region: "us", zone: "us-2", subZone: "" },
    { region: "", zone: "eu-1b", subZone: "" },
  ]);
  expect(mesh.workload("default/labelled").locality).toEqual({ region: "us", zone: "us-2", subZone: "" });
});

test("a workload may say itself how it is checked, and datagrams are checked by nobody", () => {
  const check = "healthCheck: {tcp: {}, interval: 1s}";
  const mesh = compiled(
    `{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {selector: {app: web},
      ports: [{name: http, port: 80}, {name: dns, port: 53, protocol: UDP}]}}`,
    `{apiVersion: mesh.dev/v1, kind: Workload, metadata: {name: own}, spec: {address: 10.0.0.1, labels: {app: web},
      ports: [{port: 80, name: http}, {port: 53, name: dns}], healthCheck: {http: {path: /up}}}}`,
    policy("web", `{targetRefs: [{kind: Service, name: web}], ${check}}`),
  );

  const [http, dns] = [mesh.cluster("default/web:80"), mesh.cluster("default/web:53-udp")];
  expect(http.healthCheck).toMatchObject({ type: "TCP", intervalMs: 1000 });
  expect(http.endpoints[0]!.healthCheck).toMatchObject({ type: "HTTP", path: "/up", intervalMs: 10_000 });
  expect([dns.healthCheck, dns.endpoints[0]!.healthCheck]).toEqual([undefined, undefined]);
});

function compiled(...texts: readonly string[]) {
  const { documents, problems } = parseDocuments([{ file: "mesh.yaml", text: texts.join("\n---\n") }]);
  expect(problems).toEqual([]);
  const output = compile(documents, []);
  const find = (kind: string, name: string) =>
    output.resources.find((resource) => resource.kind === kind && resource.name === name)?.model;
  return {
    problems: output.problems.map(({ severity, message }) => `${severity}: ${message}`),
    cluster: (name: string) => find("cluster", name) as ClusterModel,
    workload: (name: string) => find("workload", name) as WorkloadModel,
    rules: (port: number) =>
      (find("service", "default/web") as ServiceModel).ports.find((own) => own.port === port)?.rules ?? [],
  };
}

function policy(name: string, spec: string, created = ""): string {
  const age = created === "" ? "" : `, creationTimestamp: "${created}"`;
  return `{apiVersion: mesh.dev/v1, kind: TrafficPolicy, metadata: {name: ${name}${age}}, spec: ${spec}}`;
}

function workload(name: string, address: string, version: string, locality = ""): string {
  const place = locality === "" ? "" : `, locality: ${locality}`;
  return `{apiVersion: mesh.dev/v1, kind: Workload, metadata: {name: ${name}},
    spec: {address: ${address}, ports: [{port: 80}], labels: {app: web, version: ${version}}${place}}}`;
}

function route(backend: string, name = "web"): string {
  return `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: ${name} }
spec: { parentRefs: [{ group: "", kind: Service, name: web }], rules: [{ matches: [{ path: { value: /${name} } }], backendRefs: [${backend}] }] }`;
}
