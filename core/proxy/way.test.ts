import { describe, expect, test } from "bun:test";
import { servingDouble, snapshotOf, webResources } from "../../test/harness/serving.ts";
import { type Mesh, serviceWay } from "./mod.ts";
import { forwardWay, inboundWay, type Way } from "./way.ts";

describe("an explicit listener", () => {
  test("sends everything to its service, whatever the host", () => {
    const { upstream, line } = routed(serviceWay("web", 0), { headers: [["Host", "elsewhere"]] });

    expect(upstream.clients[0]!.endpoint.authority).toBe("127.0.0.1:80");
    expect(line).toEqual({});
  });

  test("asks for a service that it does not know, and says 404 once that is absent", () => {
    const asked: string[] = [];
    const want = (_: unknown, host: string): boolean => asked.push(host) < 0;

    expect(routed(serviceWay("api", 0), {}, { want }).stream.calls).toEqual([]);
    expect(routed(serviceWay("api", 0), {}, { want, isKnownAbsent: () => true }).stream.status).toBe(404);
    expect(asked).toEqual(["api"]);
  });

  test("has no other port and no CONNECT", () => {
    expect(routed(serviceWay("web", 81)).stream.status).toBe(404);
    expect(routed(serviceWay("web", 80), { method: "CONNECT" }).stream.status).toBe(405);
  });

  test("counts its service as used", () => {
    expect([...routed(serviceWay("web", 80)).mesh.used]).toEqual(["default/web"]);
  });
});

describe("the forward proxy", () => {
  const to = (host: string) => ({ host });

  test("knows a service by its host, in any case", () => {
    expect(routed(forwardWay(), to("WEB")).upstream.clients).toHaveLength(1);
  });

  test("asks about a host that it does not know before it lets it out", () => {
    const left: string[] = [];
    const mesh = {
      want: () => false,
      leave: (_: unknown, host: string, port: number) => left.push(`${host}:${port}`) < 0,
    };

    routed(forwardWay(), to("Example.org"), mesh, "ALLOW_ANY");
    expect(left).toEqual([]);
    routed(forwardWay(), to("Example.org"), { ...mesh, isKnownAbsent: () => true }, "ALLOW_ANY");
    expect(left).toEqual(["example.org:80"]);
  });

  test("lets nothing out where the mesh allows no other destination", () => {
    const { stream, line } = routed(forwardWay(), to("example.org"), { isKnownAbsent: () => true });

    expect([stream.status, line["response_flags"]]).toEqual([502, "NR"]);
  });

  test("goes straight to an endpoint without a sidecar only where everything may be called", () => {
    const straight = (egress?: "ALLOW_ANY") =>
      routed(forwardWay(), to("127.0.0.1"), { isKnownAbsent: () => true }, egress);

    expect(straight("ALLOW_ANY").upstream.clients).toHaveLength(1);
    expect(straight().stream.status).toBe(502);
  });

  test("has no route for a request that names no host", () => {
    expect(routed(forwardWay()).stream.status).toBe(404);
  });
});

describe("the inbound side", () => {
  test("has no route to a port that the workload does not have", () => {
    expect(routed(inboundWay(8080)).stream.status).toBe(404);
  });

  test("takes no CONNECT", () => {
    expect(routed(inboundWay(8080), { method: "CONNECT" }).stream.status).toBe(405);
  });
});

interface Asked {
  readonly method?: string;
  readonly headers?: readonly (readonly [string, string])[];
  /** Authority of the request. */
  readonly host?: string;
}

function routed(way: Way, { host = "", ...text }: Asked = {}, mesh: Partial<Mesh> = {}, egress?: "ALLOW_ANY") {
  const model = { trustDomain: "a", trustDomainAliases: [], mtls: "STRICT", requestTimeoutMs: 0 } as const;
  const meshResource = {
    kind: "mesh",
    name: "",
    version: "1",
    model: { ...model, egress: egress ?? "REGISTRY_ONLY" },
  } as const;
  const double = servingDouble(snapshotOf([meshResource, ...webResources(["127.0.0.1"])]));
  Object.assign(double.mesh, mesh);
  // The parser would have found the authority; here it is the Host field.
  const found: Way = {
    direction: way.direction,
    route(exchange, at) {
      const { request } = exchange;
      const value = request.bytes.indexOf(`Host: ${host}`);
      if (host !== "") request.authorityStart = value + 6;
      if (host !== "") request.authorityEnd = request.hostEnd = value + 6 + host.length;
      return way.route(exchange, at);
    },
  };
  const stream = double.stream(found);
  stream.begin({ ...text, headers: host === "" ? (text.headers ?? []) : [["Host", host]] });
  return { ...double, stream, line: double.records()[0] ?? {} };
}
