import { describe, expect, test } from "bun:test";
import { servingDouble, snapshotOf, webResources } from "../../test/harness/serving.ts";
import { CONTINUE, fault, type Plugin, Verdict, VerdictKind } from "../plugin/mod.ts";
import { RouteEntry } from "../snapshot/mod.ts";
import { Stage } from "./exchange.ts";
import type { Way } from "./way.ts";

describe("serve()", () => {
  test("dials no endpoint for a request that a policy refuses", () => {
    const refusal = new Verdict(VerdictKind.Respond, { status: 401, body: Buffer.from("who are you?") });

    const { stream, line, upstream, logged } = served([
      policy("auth", CONTINUE),
      policy("key", refusal),
      policy("late", CONTINUE),
    ]);

    expect([stream.status, stream.body]).toEqual([401, "\nwho are you?"]);
    expect(upstream.clients).toEqual([]);
    expect([upstream.waiting, logged]).toEqual([[], []]);
    expect(line).toMatchObject({ response_flags: "UAEX", policy: "key", route_name: "web/0", attempts: 0 });
  });

  test("flags an answer of 429 as a limit, and one below 400 as served", () => {
    const limited = new Verdict(VerdictKind.Respond, { status: 429 });
    const redirect = new Verdict(VerdictKind.Respond, { status: 302 });

    expect(served([policy("limit", limited)]).line["response_flags"]).toBe("RL");
    expect(served([policy("login", redirect)]).line["response_flags"]).toBe("-");
  });

  test("dials no endpoint where a policy that must decide faults, and is not stopped by one that need not", () => {
    const closed = served([policy("auth", fault("fuel", "it ran too long"))]);
    const open = served([policy("score", fault("fuel", "it ran too long"), "open")]);

    expect([closed.stream.status, closed.line["response_flags"], closed.upstream.clients]).toEqual([500, "PF", []]);
    expect(open.upstream.clients).toHaveLength(1);
    expect(open.exchange.stage).toBe(Stage.Forwarding);
  });

  test("sends a request where a routing policy says, and none where it names what does not exist", () => {
    const to = (destination: string) => new Verdict(VerdictKind.Route, { destination });

    expect(served([policy("canary", to("web"))]).upstream.clients).toHaveLength(1);
    const lost = served([policy("canary", to("nowhere"))]);
    expect([lost.stream.status, lost.line["response_flags"], lost.upstream.clients]).toEqual([500, "NC", []]);
    expect(String(lost.line["response_code_details"])).toContain('policy "canary" chose "nowhere"');
  });

  test("names the cluster of which no endpoint can be picked", () => {
    const { stream, line } = served([], []);

    expect(stream.status).toBe(503);
    expect(line).toMatchObject({ response_flags: "UH", upstream_cluster: "default/web:80", upstream_host: null });
  });

  test("parks a request whose way has to wait, and dials nothing for it", () => {
    const { upstream, stream, exchange } = served([], ["127.0.0.1"], () => false);

    expect([upstream.clients, stream.calls, exchange.stage]).toEqual([[], [], Stage.Routing]);
  });

  test("keeps the snapshot it has begun with, whatever comes behind it", () => {
    const { mesh, exchange } = served([]);
    const before = mesh.snapshot;

    mesh.snapshot = snapshotOf([]);

    expect(exchange.snapshot).toBe(before);
  });
});

function served(policies: readonly Plugin[], endpoints = ["127.0.0.1"], route?: Way["route"]) {
  const snapshot = snapshotOf(webResources(endpoints));
  const double = servingDouble(snapshot);
  const { rule } = snapshot.serviceNamed("default/web")!.ports[0]!.entries[0]!;
  const entry = new RouteEntry(rule, policies);
  const way: Way = {
    direction: "outbound",
    route:
      route ??
      ((exchange) => {
        exchange.entry = entry;
        return true;
      }),
  };
  const stream = double.stream(way);
  const exchange = stream.begin({});
  return { ...double, stream, exchange, line: double.records()[0] ?? {} };
}

function policy(id: string, verdict: Verdict, failureMode: "open" | "closed" = "closed"): Plugin {
  const limits = { fuel: 1, memoryPages: 1 };
  const model = { id, sha256: "", config: {}, destinations: {}, failureMode, order: 0, limits };
  return { model, onRequest: () => verdict };
}
