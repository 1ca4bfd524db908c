import { expect, test } from "bun:test";
import { Aggregate } from "./aggregate.ts";
import { exposition } from "./exposition.ts";
import { RESPONSE_FLAGS } from "./flag.ts";
import { type EdgeLabels, IstioMetrics } from "./istio.ts";
import type { RegionMessage } from "./message.ts";
import { Region } from "./region.ts";

/** Every label that Istio's dashboards and Kiali read. */
const REQUIRED =
  "reporter source_workload source_workload_namespace source_principal source_app source_version source_cluster source_canonical_service source_canonical_revision destination_workload destination_workload_namespace destination_principal destination_app destination_version destination_service destination_service_name destination_service_namespace destination_cluster destination_canonical_service destination_canonical_revision request_protocol response_code grpc_response_status response_flags connection_security_policy".split(
    " ",
  );

test("a request is counted once, with Istio's whole label set", async () => {
  const { aggregate, istio } = setUp();

  istio.edge(EDGE).request(200, 0, 12.5, 0, 100);

  const [series] = aggregate.totals().find((metric) => metric.definition.name === "istio_requests_total")!.series;
  expect([...series!.values]).toEqual([1]);
  expect(Object.keys(series!.labels).sort()).toEqual([...REQUIRED].sort());
  expect(series!.labels).toMatchObject({
    reporter: "source",
    source_workload: "cart-v1",
    source_principal: "spiffe://cluster.local/ns/shop/sa/cart",
    source_canonical_service: "cart",
    source_canonical_revision: "v1",
    source_cluster: "unknown",
    destination_workload: "pay",
    destination_version: "unknown",
    destination_canonical_service: "pay",
    destination_canonical_revision: "latest",
    destination_service: "pay.shop.svc.cluster.local",
    destination_service_name: "pay",
    response_code: "200",
    response_flags: "-",
    request_protocol: "http",
    connection_security_policy: "mutual_tls",
  });
});

test("duration and sizes fall into their own histograms", async () => {
  const { aggregate, istio } = setUp();

  istio.edge(EDGE).request(200, 0, 12.5, 0, 100);

  const text = await exposition(aggregate);
  expect(lineOf(text, "istio_request_duration_milliseconds_bucket", 'le="10"')).toBe(0);
  expect(lineOf(text, "istio_request_duration_milliseconds_bucket", 'le="25"')).toBe(1);
  expect(lineOf(text, "istio_request_duration_milliseconds_bucket", 'le="+Inf"')).toBe(1);
  expect(lineOf(text, "istio_request_duration_milliseconds_sum", "")).toBe(12.5);
  expect(lineOf(text, "istio_request_bytes_bucket", 'le="0.5"')).toBe(1);
  expect(lineOf(text, "istio_response_bytes_bucket", 'le="50"')).toBe(0);
  expect(lineOf(text, "istio_response_bytes_bucket", 'le="100"')).toBe(1);
  expect(lineOf(text, "istio_response_bytes_count", "")).toBe(1);
});

test("each status and flag is a series of its own, and any number is safe", () => {
  const { aggregate, istio } = setUp();
  const edge = istio.edge(EDGE);

  for (const status of [0, 101, 200, 404, 503, 999]) {
    for (let flag = 0; flag < RESPONSE_FLAGS.length; flag++)
      for (let i = 0; i <= flag; i++) edge.request(status, flag, 1, 1, 1);
  }
  edge.request(-1, 0, 1, 1, 1);
  edge.request(70_000, 0, 1, 1, 1);

  const counts = countsBy(aggregate, "istio_requests_total", ["response_code", "response_flags"]);
  expect(Object.keys(counts)).toHaveLength(6 * RESPONSE_FLAGS.length);
  expect(counts["503 UH"]).toBe(RESPONSE_FLAGS.indexOf("UH") + 1);
  expect(counts["999 OM"]).toBe(RESPONSE_FLAGS.indexOf("OM") + 1);
  expect(counts["200 -"]).toBe(1);
  expect(counts["0 -"]).toBe(3);
});

test("equal labels are one edge, and a series is registered once", () => {
  const messages: RegionMessage[] = [];
  const istio = new IstioMetrics(new Region((message) => messages.push(message)));
  const before = messages.length;

  for (let i = 0; i < 100; i++) {
    istio.edge({ ...EDGE }).request(200, 0, 1, 1, 1);
    istio.edge({ ...EDGE }).request(503, 9, 1, 1, 1);
    istio.edge({ ...EDGE }).tcpOpened();
  }

  expect(istio.edge({ ...EDGE })).toBe(istio.edge(EDGE));
  expect(istio.edge({ ...EDGE, reporter: "destination" })).not.toBe(istio.edge(EDGE));
  expect(messages).toHaveLength(before + 3);
});

test("what is not known says unknown", () => {
  const { aggregate, istio } = setUp();

  const nobody = { source: null, sourcePrincipal: null, destination: null, destinationPrincipal: null, service: null };
  istio.edge({ ...nobody, reporter: "destination", protocol: "http", security: "none" }).request(404, 4, 0.1, 0, 0);

  const [series] = aggregate.totals().find((metric) => metric.definition.name === "istio_requests_total")!.series;
  const { reporter, response_code, response_flags, grpc_response_status, ...rest } = series!.labels;
  expect([reporter, response_code, response_flags, grpc_response_status]).toEqual(["destination", "404", "NR", ""]);
  expect([...new Set(Object.values(rest))].sort()).toEqual(["http", "none", "unknown"]);
});

test("a TCP connection counts its opening, its bytes and its end", () => {
  const { aggregate, istio } = setUp();
  const edge = istio.edge({ ...EDGE, protocol: "tcp" });

  edge.tcpOpened();
  edge.tcpBytes(1000, 20);
  edge.tcpBytes(0, 5);
  edge.tcpClosed(RESPONSE_FLAGS.indexOf("UF"));
  edge.tcpClosed();

  expect(countsBy(aggregate, "istio_tcp_sent_bytes_total", ["response_flags"])).toEqual({ "-": 1000, UF: 0 });
  expect(countsBy(aggregate, "istio_tcp_received_bytes_total", ["response_flags"])).toEqual({ "-": 25, UF: 0 });
  expect(countsBy(aggregate, "istio_tcp_connections_opened_total", ["response_flags"])).toEqual({ "-": 1, UF: 0 });
  expect(countsBy(aggregate, "istio_tcp_connections_closed_total", ["response_flags"])).toEqual({ "-": 1, UF: 1 });
});

test("a full region counts further edges as other and keeps none of them", () => {
  const aggregate = new Aggregate();
  const istio = new IstioMetrics(new Region((message) => aggregate.receive(1, message), 4));

  for (let i = 0; i < 50; i++) istio.edge({ ...EDGE, sourcePrincipal: `spiffe://x/${i}` }).request(200, 0, 1, 1, 1);

  expect(countsBy(aggregate, "istio_requests_total", ["source_principal"])).toEqual({ "spiffe://x/0": 1, other: 49 });
});

const EDGE: EdgeLabels = {
  reporter: "source",
  source: { name: "cart-v1", namespace: "shop", app: "cart", version: "v1" },
  sourcePrincipal: "spiffe://cluster.local/ns/shop/sa/cart",
  destination: { name: "pay", namespace: "shop", app: "", version: "" },
  destinationPrincipal: "spiffe://cluster.local/ns/shop/sa/pay",
  service: { host: "pay.shop.svc.cluster.local", name: "pay", namespace: "shop" },
  protocol: "http",
  security: "mutual_tls",
};

function setUp(): { aggregate: Aggregate; istio: IstioMetrics } {
  const aggregate = new Aggregate();
  return { aggregate, istio: new IstioMetrics(new Region((message) => aggregate.receive(1, message))) };
}

function countsBy(aggregate: Aggregate, name: string, labels: readonly string[]): Record<string, number> {
  const total = aggregate.totals().find((metric) => metric.definition.name === name)!;
  return Object.fromEntries(
    total.series.map((series) => [labels.map((label) => series.labels[label]).join(" "), series.values[0]!]),
  );
}

function lineOf(text: string, name: string, label: string): number {
  const lines = text.split("\n").filter((line) => line.startsWith(`${name}{`) && line.includes(label));
  expect(lines).toHaveLength(1);
  return Number(lines[0]!.slice(lines[0]!.lastIndexOf(" ") + 1));
}
