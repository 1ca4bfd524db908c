import { expect, test } from "bun:test";
import { type ServingDouble, servingDouble, snapshotOf, webResources } from "../../test/harness/serving.ts";
import type { MeshExchange } from "./exchange.ts";
import { serviceWay } from "./way.ts";

const WAY = serviceWay("web", 80);

test("a client that does not read the end of its response keeps nobody from their turn", () => {
  const double = limited({ requests: 1 });
  const stream = double.stream(WAY);
  stream.isSlow = true;
  const exchange = stream.begin({});
  double.stream(WAY).begin({});
  expect(double.upstream.clients).toHaveLength(1);

  answer(double, exchange);

  expect([stream.isOver, double.upstream.clients.length]).toEqual([false, 2]);
  expect(turnsOf(double)).toEqual([1, 0]);
});

test("a client whose turn did not come is given none while it reads why", () => {
  const double = limited({ requests: 1, pendingMs: 100 });
  const exchange = double.stream(WAY).begin({});
  const late = double.stream(WAY);
  late.isSlow = true;
  late.begin({});
  double.clock.advance(120);
  expect(late.status).toBe(503);
  double.stream(WAY).begin({});

  answer(double, exchange);

  expect([late.isOver, double.upstream.clients.length]).toEqual([false, 2]);
  expect(turnsOf(double)).toEqual([1, 0]);
});

function limited(limits: object): ServingDouble {
  const resources = webResources(["127.0.0.1"]).map((one) =>
    one.kind === "cluster" ? { ...one, model: { ...one.model, limits } } : one,
  );
  return servingDouble(snapshotOf(resources));
}

/** A whole answer of its upstream. */
function answer({ serving, upstream }: ServingDouble, exchange: MeshExchange): void {
  exchange.response.status = 200;
  serving.response(exchange);
  upstream.clients.find((client) => client.exchange === exchange)!.detach();
  serving.responseEnd(exchange, null);
}

function turnsOf({ mesh }: ServingDouble): number[] {
  const { active, waiting } = mesh.snapshot.clusterNamed("default/web:80")!.state.turns;
  return [active, waiting];
}
