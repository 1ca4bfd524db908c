import { expect, test } from "bun:test";
import { servingDouble, snapshotOf, webResources } from "../../test/harness/serving.ts";
import { type Plugin, Verdict, VerdictKind } from "../plugin/mod.ts";
import { RouteEntry } from "../snapshot/mod.ts";
import { serviceWay, type Way } from "./way.ts";

const OWN = "spiffe://example.org/ns/default/sa/web";
const SHOP = "spiffe://example.org/ns/default/sa/shop";
const WEB = serviceWay("web", 80);

test("a line has every key, in one order, whatever became of the request", () => {
  const served = lineOf("outbound", WEB, null);
  const refused = lineOf("outbound", serviceWay("web", 99), null);

  expect(Object.keys(served)).toEqual(Object.keys(refused));
  expect(served).toMatchObject({
    start_time: "2026-01-01T12:00:00.000Z",
    direction: "outbound",
    listener: "web",
    method: "GET",
    path: "/a?b=c",
    protocol: "HTTP/1.1",
    response_code: 200,
    response_flags: "-",
    response_code_details: null,
    user_agent: "test",
    upstream_host: "127.0.0.1:80",
    upstream_cluster: "default/web:80",
    downstream_local_address: "127.0.0.1:8080",
    downstream_remote_address: "127.0.0.1:50000",
    route_name: "web/0",
    policy: null,
    attempts: 1,
    revision: "1-00000000",
  });
  expect(refused).toMatchObject({ response_code: 404, response_flags: "NR", upstream_host: null, route_name: null });
});

test("both identities of the hop are in the line: the peer's and ours, or ours and the endpoint's", () => {
  const inbound = lineOf("inbound", { ...WEB, direction: "inbound" }, SHOP);
  const outbound = lineOf("outbound", WEB, null);

  expect([inbound["source_principal"], inbound["destination_principal"]]).toEqual([SHOP, OWN]);
  expect([outbound["source_principal"], outbound["destination_principal"]]).toEqual([OWN, null]);
});

test("an inbound request counts for its service and its caller, also where a policy refused it", () => {
  const snapshot = snapshotOf(webResources(["127.0.0.1"]));
  const double = servingDouble(snapshot);
  const { rule } = snapshot.serviceNamed("default/web")!.ports[0]!.entries[0]!;
  const entry = new RouteEntry(rule, [{ model: { id: "key" }, onRequest: () => REFUSAL } as unknown as Plugin]);
  const way: Way = {
    direction: "inbound",
    route(exchange) {
      exchange.entry = entry;
      return true;
    },
  };

  for (let i = 0; i < 2; i++) double.stream(way, { direction: "inbound", peer: SHOP, secure: true }).begin({});

  const labels = {
    reporter: "destination",
    destination_service_name: "web",
    source_principal: SHOP,
    source_workload: "shop",
    response_code: "401",
    connection_security_policy: "mutual_tls",
  };
  expect(double.metric("istio_requests_total", labels)).toBe(2);
  expect(double.metric("mesh_refusals_total", { direction: "inbound", reason: "UAEX" })).toBe(2);
});

const REFUSAL = new Verdict(VerdictKind.Respond, { status: 401 });

/** The line of a request that is answered 200, where its way leads somewhere. */
function lineOf(direction: "inbound" | "outbound", way: Way, peer: string | null): Record<string, unknown> {
  const double = servingDouble(snapshotOf(webResources(["127.0.0.1"])));
  const exchange = double
    .stream(way, { direction, peer })
    .begin({ target: "/a?b=c", headers: [["user-agent", "test"]] });
  const [client] = double.upstream.clients;
  if (client !== undefined) {
    exchange.response.status = 200;
    double.serving.response(exchange);
    client.detach();
    double.serving.responseEnd(exchange, null);
  }
  return double.records()[0]!;
}
