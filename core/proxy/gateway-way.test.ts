import { describe, expect, test } from "bun:test";
import { gatewayResource, listenerModel, webRule } from "../../test/harness/gateway.ts";
import { servingDouble, snapshotOf, webResources } from "../../test/harness/serving.ts";
import type { GatewayListenerModel } from "../snapshot/mod.ts";
import { gatewayWay } from "./gateway-way.ts";
import type { Way } from "./mod.ts";

const LISTENERS = [
  listenerModel("all", "", { "": [webRule("all/0")] }),
  listenerModel("wild", "*.example.com", { "*.example.com": [webRule("wild/0")] }),
  listenerModel("exact", "a.example.com", {
    "a.example.com": [webRule("exact/0", "/a")],
    "*.example.com": [webRule("exact/1", "/w")],
    "": [webRule("exact/2", "/r")],
  }),
];

describe("a request without TLS", () => {
  test("belongs to the most specific listener that takes its host, whatever port its authority names", () => {
    expect(asked("elsewhere.org")).toMatchObject({ route_name: "all/0", listener: "default/edge/all" });
    expect(asked("b.example.com:8080")).toMatchObject({ route_name: "wild/0", listener: "default/edge/wild" });
    expect(asked("A.Example.com", "/a")).toMatchObject({ route_name: "exact/0", listener: "default/edge/exact" });
  });

  test("goes on to a less specific host of its listener where no rule of the host matches", () => {
    expect(asked("a.example.com", "/w/x")).toMatchObject({ route_name: "exact/1" });
    expect(asked("a.example.com", "/r")).toMatchObject({ route_name: "exact/2" });
  });

  test("never falls to another listener: where its own has no rule for it there is none", () => {
    expect(asked("a.example.com", "/none")).toMatchObject({
      response_code: 404,
      response_flags: "NR",
      listener: "default/edge/exact",
    });
  });

  test("that no listener takes has no route, and its sender is told no more than that", () => {
    const { stream, line } = routed(gatewayWay("default/edge", 80, null), "elsewhere.org", "/", [LISTENERS[1]!]);

    expect(stream.status).toBe(404);
    expect(stream.body).not.toContain("x-mesh");
    expect(stream.body).toEndWith("\n404\n");
    expect(line["response_code_details"]).toBe('Cannot route "elsewhere.org": no listener of port 80 takes it');
  });

  test("has no route on a port that is no more", () => {
    expect(routed(gatewayWay("default/edge", 81, null), "a").stream.status).toBe(404);
    expect(routed(gatewayWay("default/other", 80, null), "a").stream.status).toBe(404);
  });
});

describe("a request on a connection whose server name chose a listener", () => {
  const onto = (listener: string, host: string) =>
    routed(gatewayWay("default/edge", 80, `default/edge/${listener}`), host).stream.status;

  test("is served by that listener, for any of its hosts", () => {
    const { line } = routed(gatewayWay("default/edge", 80, "default/edge/wild"), "c.example.com");

    expect(line).toMatchObject({ route_name: "wild/0" });
  });

  test("is misdirected where its host belongs to another one, and without a route where it belongs to none", () => {
    expect([onto("wild", "a.example.com"), onto("exact", "b.example.com"), onto("all", "b.example.com")]).toEqual([
      421, 421, 421,
    ]);
    const way = gatewayWay("default/edge", 80, "default/edge/wild");
    expect(routed(way, "elsewhere.org", "/", [LISTENERS[1]!]).stream.status).toBe(404);
  });

  test("is misdirected once its listener is gone", () => {
    expect(onto("gone", "b.example.com")).toBe(421);
  });
});

function asked(host: string, target = "/"): Record<string, unknown> {
  return routed(gatewayWay("default/edge", 80, null), host, target).line;
}

function routed(way: Way, host: string, target = "/", listeners: readonly GatewayListenerModel[] = LISTENERS) {
  const gateway = gatewayResource([{ port: 80, transport: "http", listeners }]);
  const double = servingDouble(snapshotOf([gateway, ...webResources(["127.0.0.1"])]));
  // The parser would have found the authority; here it is the Host field.
  const found: Way = {
    direction: way.direction,
    route(exchange, mesh) {
      const { request } = exchange;
      request.authorityStart = request.bytes.indexOf(`Host: ${host}`) + 6;
      request.authorityEnd = request.authorityStart + host.length;
      request.hostEnd = request.authorityStart + host.split(":")[0]!.length;
      return way.route(exchange, mesh);
    },
  };
  const stream = double.stream(found, { direction: "gateway", listener: "default/edge:80" });
  stream.begin({ target, headers: [["Host", host]] });
  if (stream.status === 0) stream.abort();
  return { ...double, stream, line: double.records()[0] ?? {} };
}
