import { expect, test } from "bun:test";
import { fakeClock } from "../../test/harness/fake-clock.ts";
import { silentLog } from "../base/mod.ts";
import { type Registered, Registry } from "./registry.ts";

test("a registration stays while its stream does, and for one lease after", async () => {
  const { registry, clock, changes } = await registryOf();
  const stream = {};

  await registry.register(web("one"), stream);
  clock.advance(100_000);
  expect(registry.size).toBe(1);

  registry.release("shop/web/one", stream);
  clock.advance(9_999);
  expect(registry.size).toBe(1);
  clock.advance(1);
  await settled();
  expect(registry.size).toBe(0);
  expect(changes.count).toBe(2);
});

test("a proxy that returns within its lease changes nothing for anybody", async () => {
  const { registry, clock, changes, records } = await registryOf();
  const [first, second] = [{}, {}];
  await registry.register(web("one"), first);
  registry.release("shop/web/one", first);

  await registry.register(web("one"), second);
  clock.advance(100_000);
  await settled();

  expect(registry.size).toBe(1);
  expect(changes.count).toBe(1);
  expect(records.writes).toBe(1);
});

test("the end of a stream that was taken over starts no lease", async () => {
  const { registry, clock } = await registryOf();
  const [first, second] = [{}, {}];
  await registry.register(web("one"), first);
  await registry.register(web("one"), second);

  registry.release("shop/web/one", first);
  clock.advance(100_000);
  await settled();

  expect(registry.size).toBe(1);
});

test("a withdrawn workload is gone at once, and from the records", async () => {
  const { registry, records } = await registryOf();
  await registry.register(web("one"), {});

  await registry.withdraw("shop/web/one");

  expect(registry.size).toBe(0);
  expect(records.kept.size).toBe(0);
});

test("a workload that drains is not called any more, and goes with its stream", async () => {
  const { registry, clock, changes } = await registryOf();
  const stream = {};
  await registry.register(web("one"), stream);

  await registry.silence("shop/web/one");
  clock.advance(100_000);
  expect(registry.list().map(({ weight }) => weight)).toEqual([0]);

  registry.release("shop/web/one", stream);
  await settled();
  expect(registry.size).toBe(0);
  expect(changes.count).toBe(3);
});

test("after a restart every workload has a whole lease to come back", async () => {
  const { registry, records } = await registryOf();
  await registry.register(web("one"), {});
  await registry.register(web("two", 15007), {});

  const next = await registryOf(records);
  await next.registry.register(web("one"), {});
  next.clock.advance(9_999);
  await settled();
  expect(next.registry.size).toBe(2);
  next.clock.advance(1);
  await settled();

  expect(next.registry.list().map((r) => r.ports[0]!.inboundPort)).toEqual([15006]);
});

test("a proxy that lost its name replaces what it left at its address", async () => {
  const { registry } = await registryOf();
  const stream = {};
  await registry.register(web("one"), stream);
  registry.release("shop/web/one", stream);

  await registry.register(web("other"), {});

  expect(registry.rows().map((row) => row.key)).toEqual(["shop/web/other"]);
});

function web(proxy: string, inboundPort = 15006): Registered {
  return {
    key: `shop/web/${proxy}`,
    identity: "spiffe://mesh.local/ns/shop/sa/web",
    claim: {
      name: "web",
      namespace: "shop",
      service: "web",
      address: "10.0.0.1",
      ports: [{ port: 8080, name: "", protocol: "http", inboundPort }],
      labels: {},
      weight: 1,
    },
  };
}

async function registryOf(records = recordsOf()) {
  const clock = fakeClock();
  const changes = { count: 0 };
  const registry = await Registry.load({
    clock,
    log: silentLog,
    leaseMs: 10_000,
    records,
    changed: () => changes.count++,
  });
  return { registry, clock, changes, records };
}

function recordsOf() {
  const kept = new Map<string, Registered>();
  const records = {
    kept,
    writes: 0,
    list: async () => [...kept.values()],
    put: async (key: string, registered: Registered) => {
      records.writes++;
      kept.set(key, registered);
    },
    delete: async (key: string) => kept.delete(key),
  };
  return records;
}

async function settled(): Promise<void> {
  for (let i = 0; i < 10; i++) await Promise.resolve();
}
