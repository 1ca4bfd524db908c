import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually } from "../../test/harness/eventually.ts";
import { Aggregate, exposition, IstioMetrics, meshMetrics, Region } from "../telemetry/mod.ts";
import { type Admin, startAdmin } from "./mod.ts";

const promtool = Bun.which("promtool");
const prometheus = Bun.which("prometheus");

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "mesh-prometheus-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

test.skipIf(promtool === null)(
  "promtool finds nothing wrong with our metrics but a name that Istio gave (skip: no promtool)",
  async () => {
    const check = Bun.spawn([promtool!, "check", "metrics"], { stdin: "pipe", stdout: "pipe", stderr: "pipe" });
    check.stdin.write(await exposition(countedAggregate()));
    await check.stdin.end();

    const complaints = (await check.stdout.text()) + (await check.stderr.text());

    expect(complaints.trim().split("\n")).toEqual([
      'istio_request_duration_milliseconds use base unit "seconds" instead of "milliseconds"',
    ]);
    expect(await check.exited).toBe(3);
  },
);

test.skipIf(prometheus === null)(
  "a real Prometheus scrapes the metrics door and answers queries from it (skip: no prometheus)",
  async () => {
    await using admin = startMetrics(countedAggregate());
    await using server = await startPrometheus(admin.addresses.metrics!.port);

    const up = await eventually(async () => (await server.query("up")) ?? false, PATIENCE_MS);
    expect(up).toBe("1");

    const label = '{source_workload="cart-v1",destination_service="pay.shop.svc.cluster.local",response_code="200"}';
    expect(await server.query(`istio_requests_total${label}`)).toBe("3");
    expect(await server.query(`istio_request_duration_milliseconds_sum${label}`)).toBe("36");
    expect(await server.query('istio_request_duration_milliseconds_bucket{le="25",response_code="200"}')).toBe("3");
    expect(await server.query('istio_requests_total{response_flags="UH"}')).toBe("1");
    expect(await server.query("mesh_config_info")).toBe("1");
    expect(
      await server.query(
        `mesh_refusals_total{reason="${ODD.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n")}"}`,
      ),
    ).toBe("2");
  },
  30_000,
);

/** Prometheus looks at its targets for the first time 5 s after its start. */
const PATIENCE_MS = 25_000;
/** Everything that must be escaped in a label value. */
const ODD = 'a "quoted"\\ back\nslash é';

function countedAggregate(): Aggregate {
  const aggregate = new Aggregate();
  const region = new Region((message) => aggregate.receive(1, message));
  const peer = (name: string, version: string) => ({ name, namespace: "shop", app: name, version });
  const edge = new IstioMetrics(region).edge({
    reporter: "source",
    source: peer("cart-v1", "v1"),
    sourcePrincipal: "spiffe://cluster.local/ns/shop/sa/cart",
    destination: peer("pay", ""),
    destinationPrincipal: null,
    service: { host: "pay.shop.svc.cluster.local", name: "pay", namespace: "shop" },
    protocol: "http",
    security: "mutual_tls",
  });
  for (let i = 0; i < 3; i++) edge.request(200, 0, 12, 0, 100);
  edge.request(503, 9, 0.1, 0, 20);
  edge.tcpOpened();
  const metrics = meshMetrics(region);
  metrics.refusals.with("inbound", ODD).add(2);
  metrics.policySeconds.with("shop/limit").observe(0.000002);
  aggregate.gauge("mesh_config_info", "Revision that requests read.", ["revision"], () => [
    { labels: { revision: "7-abcdef01" }, value: 1 },
  ]);
  return aggregate;
}

function startMetrics(aggregate: Aggregate): Admin & AsyncDisposable {
  const never = (): never => {
    throw new Error("not asked for here");
  };
  const admin = startAdmin({
    metrics: { host: "127.0.0.1", port: 0 },
    sources: {
      config: never,
      clusters: never,
      certificates: never,
      notReady: never,
      isDraining: never,
      drain: never,
      log: { level: "off" },
      metrics: () => exposition(aggregate),
    },
  });
  return { ...admin, [Symbol.asyncDispose]: () => admin.close() };
}

/** Prometheus with one target, on a port of its own choice. */
async function startPrometheus(target: number) {
  const config = join(folder, "prometheus.yml");
  writeFileSync(
    config,
    `scrape_configs:
  - job_name: mesh
    scrape_interval: 200ms
    scrape_timeout: 200ms
    static_configs: [{ targets: ["127.0.0.1:${target}"] }]
`,
  );
  const port = freePort();
  const child = Bun.spawn(
    [
      prometheus!,
      `--config.file=${config}`,
      `--storage.tsdb.path=${join(folder, "data")}`,
      `--web.listen-address=127.0.0.1:${port}`,
      "--log.level=error",
    ],
    { stdout: "ignore", stderr: "inherit" },
  );
  return {
    /** The value of a query's only result; null without one. */
    async query(query: string): Promise<string | null> {
      const response = await fetch(`http://127.0.0.1:${port}/api/v1/query?query=${encodeURIComponent(query)}`);
      const { data } = (await response.json()) as { data: { result: { value: [number, string] }[] } };
      return data.result.length === 1 ? data.result[0]!.value[1] : null;
    },
    async [Symbol.asyncDispose]() {
      child.kill();
      await child.exited;
    },
  };
}

/** Prometheus 2 does not tell which port it got for 0. */
function freePort(): number {
  const probe = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const { port } = probe;
  probe.stop(true);
  return port;
}
