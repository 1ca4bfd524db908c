import { expect, test } from "bun:test";
import { type FakeClock, fakeClock } from "../../test/harness/fake-clock.ts";
import { gatewayResource } from "../../test/harness/gateway.ts";
import { jsonLog } from "../base/mod.ts";
import type { Resource, SnapshotModel } from "../snapshot/mod.ts";
import { type GatewayChoice, GatewayPorts, type GatewayState } from "./gateways.ts";
import type { ListenerPlan } from "./plan.ts";

const RETRY_MS = 5_000;

test("the gateways that are chosen are served, by name or all of them, and no others", async () => {
  const resources = [gateway("default/a", [80]), gateway("shop/b", [81]), gateway("shop/c", [82])];
  const bound = async (...names: string[]): Promise<string[]> => {
    const { ports, calls, follow } = setUp({ names });
    await follow(resources);
    expect(ports.bound).toHaveLength(calls.length);
    return calls;
  };

  expect(await bound("shop/b")).toEqual(["open 0.0.0.0:81 shop/b:81"]);
  expect(await bound("*")).toHaveLength(3);
  expect(await bound("shop/none")).toEqual([]);
});

test("a gateway that is chosen and not there is told, once until it has been there", async () => {
  const { follow, log } = setUp({ names: ["default/a", "default/b"] });
  const told = (): string[] => log.filter((line) => line.includes("there is no such gateway"));

  await follow([gateway("default/a", [80])]);
  await follow([gateway("default/a", [80, 81])]);

  expect(told().map((line) => JSON.parse(line))).toMatchObject([{ level: "warn", gateway: "default/b" }]);
  await follow([gateway("default/a", [80]), gateway("default/b", [81])]);
  await follow([gateway("default/a", [80])]);
  expect(told()).toHaveLength(2);
});

test("what is bound already is left alone; what is no more is shut before anything new is opened", async () => {
  const { calls, follow } = setUp();
  await follow([gateway("default/a", [80, 81])]);
  calls.length = 0;

  await follow([gateway("default/a", [80]), gateway("default/b", [81])]);

  expect(calls).toEqual(["shut default/a:81", "open 0.0.0.0:81 default/b:81"]);
});

test("a gateway that comes later does not take the place of one that serves, wherever its name stands", async () => {
  const { ports, calls, follow } = setUp();
  await follow([gateway("default/b", [80])]);
  calls.length = 0;

  await follow([gateway("default/a", [80, 81]), gateway("default/b", [80])]);

  expect(calls).toEqual(["open 0.0.0.0:81 default/a:81"]);
  expect(ports.problems).toMatchObject([
    { gateway: "default/a", port: 80, problem: 'gateway "default/b" has 0.0.0.0:80 already' },
  ]);
});

test("a port of TCP and one of UDP share a number", async () => {
  const { ports, follow } = setUp();
  const model = gatewayResource([
    { port: 53, transport: "tcp", listeners: [] },
    { port: 53, transport: "udp", listeners: [] },
  ]);

  await follow([model]);

  expect(ports.bound).toHaveLength(2);
  expect(ports.problems).toEqual([]);
});

test("a port that cannot be bound is told once and tried again until it can, and the others serve", async () => {
  const { ports, calls, follow, clock, log, taken } = setUp();
  taken.add(80);
  await follow([gateway("default/a", [80, 81])]);
  expect(ports.bound.map(({ port }) => port)).toEqual([81]);

  await later(clock);
  expect(log.filter((line) => line.includes("is not served"))).toHaveLength(1);
  expect(ports.problems).toMatchObject([{ gateway: "default/a", port: 80, problem: "it is taken" }]);
  taken.clear();
  await later(clock);

  expect(ports.bound.map(({ port }) => port)).toEqual([81, 80]);
  expect(ports.problems).toEqual([]);
  await later(clock);
  expect([calls.length, clock.pending]).toEqual([4, 0]);
});

test("whoever wants to know is told what is bound of each gateway, when it is another than before", async () => {
  const { follow, told, taken } = setUp();
  taken.add(81);

  await follow([gateway("default/a", [80, 81])]);
  await follow([gateway("default/a", [80, 81])]);
  await follow([gateway("default/a", [80])]);
  await follow([]);

  const problem = { port: 81, address: "0.0.0.0", problem: "it is taken" };
  expect(told).toEqual([
    [{ name: "default/a", addresses: ["0.0.0.0"], problems: [problem] }],
    [{ name: "default/a", addresses: ["0.0.0.0"], problems: [] }],
    [],
  ]);
});

test("models are followed one after the other, also behind one that failed", async () => {
  const { ports, follow, log, broken } = setUp();
  await follow([gateway("default/a", [80])]);
  broken.shut = true;

  const [first, second] = [follow([]), follow([gateway("default/a", [82])])];
  await first;
  broken.shut = false;
  await second;

  expect(log.some((line) => line.includes("cannot be followed"))).toBe(true);
  expect(ports.bound.map(({ port }) => port)).toEqual([82]);
});

test("nothing is tried any more when the proxy ends", async () => {
  const { ports, follow, clock, taken, calls } = setUp();
  taken.add(80);
  await follow([gateway("default/a", [80])]);

  ports.close();
  await later(clock);
  await follow([gateway("default/a", [81])]);

  expect(calls).toHaveLength(1);
});

function gateway(name: string, ports: readonly number[]): Resource {
  const model = ports.map((port) => ({ port, transport: "http" as const, listeners: [] }));
  return gatewayResource(model, { name });
}

function setUp(choice: Partial<GatewayChoice> = {}) {
  const clock = fakeClock();
  const [calls, log, told]: [string[], string[], (readonly GatewayState[])[]] = [[], [], []];
  const taken = new Set<number>();
  const broken = { shut: false };
  const planes = {
    open: async ([plan]: readonly ListenerPlan[]) => {
      const { name, hostname, port } = plan!;
      calls.push(`open ${hostname}:${port} ${name}`);
      if (taken.has(port)) throw new Error("it is taken");
      return [{ name, hostname, port }];
    },
    shut: async (plans: readonly ListenerPlan[]) => {
      if (broken.shut) throw new Error("a worker is lost");
      calls.push(`shut ${plans.map(({ name }) => name).join()}`);
    },
  };
  const ports = new GatewayPorts({
    choice: { names: ["*"], bind: "0.0.0.0", portOffset: 0, trusted: [], ...choice },
    ...{ planes, clock, log: jsonLog(clock, (line) => log.push(line)) },
    changed: (state) => told.push(state),
  });
  let revision = 0;
  const follow = (resources: readonly Resource[]): Promise<void> =>
    ports.follow({ revision: `${++revision}-00000000`, resources } as SnapshotModel);
  return { ports, clock, calls, log, told, taken, broken, follow };
}

/** Lets the time of another try come, with room for it. */
async function later(clock: FakeClock): Promise<void> {
  clock.advance(RETRY_MS);
  await new Promise((resolve) => setImmediate(resolve));
}
