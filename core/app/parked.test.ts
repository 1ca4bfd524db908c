import { expect, test } from "bun:test";
import { fakeClock } from "../../test/harness/fake-clock.ts";
import { snapshotOf, webResources } from "../../test/harness/serving.ts";
import { DiscoveryUnavailable, Egress, type MeshExchange } from "../proxy/mod.ts";
import { Parked } from "./parked.ts";

test("an exchange goes on when discovery has answered, with the generation it was parked in", async () => {
  const { parked, told, answer } = setUp();
  const exchange = { generation: 7 } as MeshExchange;

  expect(parked.want(exchange, "web")).toBe(false);
  exchange.generation = 8;
  answer.resolve();

  await told.done;
  expect(told.calls).toEqual(["resume 7", "flush"]);
});

test("an exchange fails where discovery cannot say: outside the mesh would be a guess", async () => {
  const { parked, told, answer } = setUp();

  parked.want({ generation: 1 } as MeshExchange, "web");
  answer.reject(new Error("no stream"));

  await told.done;
  expect(told.calls).toEqual(["giveUp 1", "flush"]);
  expect(told.failure).toBeInstanceOf(DiscoveryUnavailable);
  expect(parked.isKnownAbsent("web")).toBe(false);
});

test("a host without a service is known to be absent, for a while: then it is asked for again", async () => {
  const { parked, told, answer, clock } = setUp();
  parked.want({ generation: 1 } as MeshExchange, "example.org");
  answer.resolve();
  await told.done;

  expect(parked.isKnownAbsent("example.org")).toBe(true);
  clock.advance(30_000);
  expect(parked.isKnownAbsent("example.org")).toBe(false);
});

test("a host that came into the mesh is not absent when its service is dropped for lack of use", async () => {
  const { parked, told, answer, state } = setUp();
  parked.want({ generation: 1 } as MeshExchange, "web");
  answer.resolve();
  await told.done;
  expect(parked.isKnownAbsent("web")).toBe(true);

  state.snapshot = snapshotOf(webResources([]));
  parked.review();
  state.snapshot = snapshotOf([]);
  parked.review();

  expect(parked.isKnownAbsent("web")).toBe(false);
});

test("a destination outside the mesh is looked up once, and then at hand", async () => {
  const { parked, told, resolved } = setUp();
  const exchange = { generation: 1, cluster: null } as MeshExchange;

  expect(parked.leave(exchange, "example.org", 443)).toBe(false);
  await told.done;
  expect(parked.leave(exchange, "example.org", 443)).toBe(true);

  expect(told.calls).toEqual(["resume 1", "flush"]);
  expect(exchange.cluster!.endpoints[0]!.authority).toBe("192.0.2.1:443");
  expect(resolved).toEqual(["example.org"]);
});

function setUp() {
  const clock = fakeClock();
  const answer = Promise.withResolvers<void>();
  const resolved: string[] = [];
  const resolve = async (host: string): Promise<readonly string[]> => {
    resolved.push(host);
    return ["192.0.2.1"];
  };
  const events = { ejected() {}, returned() {} };
  const done = Promise.withResolvers<void>();
  const told = { calls: [] as string[], failure: null as unknown, done: done.promise };
  const state = { snapshot: snapshotOf([]) };
  const parked = new Parked({
    clock,
    egress: new Egress(clock, resolve, events, () => false),
    snapshot: () => state.snapshot,
    want: () => answer.promise,
    resume: (_exchange, generation) => void told.calls.push(`resume ${generation}`),
    giveUp(_exchange, generation, failure) {
      told.calls.push(`giveUp ${generation}`);
      told.failure = failure;
    },
    flush() {
      told.calls.push("flush");
      done.resolve();
    },
  });
  return { parked, told, answer, clock, state, resolved };
}
