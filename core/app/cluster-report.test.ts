import { expect, test } from "bun:test";
import { snapshotOf, webResources } from "../../test/harness/serving.ts";
import { begin, finish, Outcome } from "../cluster/mod.ts";
import { reportOf } from "./cluster-report.ts";

test("an ejected endpoint is shown with the reason, and with the wall time of its return", () => {
  const cluster = snapshotOf(webResources(["127.0.0.1", "127.0.0.2"])).clusterNamed("default/web:80")!;
  const [endpoint] = cluster.endpoints;
  for (let i = 0; i < 5; i++) {
    begin(endpoint!);
    finish(endpoint!, 1, 1_000, Outcome.Reset);
  }

  const report = reportOf(cluster, 2_000, 1_700_000_002_000);

  expect(report.endpoints.map(({ address, isHealthy, ejection }) => ({ address, isHealthy, ejection }))).toEqual([
    {
      address: "127.0.0.1:80",
      isHealthy: false,
      ejection: { reason: "reset", detail: "5 failures in a row", untilMs: 1_700_000_011_000 },
    },
    { address: "127.0.0.2:80", isHealthy: true, ejection: null },
  ]);
});
