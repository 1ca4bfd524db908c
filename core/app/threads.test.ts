import { describe, expect, test } from "bun:test";
import { type FakeClock, fakeClock } from "../../test/harness/fake-clock.ts";
import { jsonLog } from "../base/mod.ts";
import type { Message, WorkerCall } from "./calls.ts";
import type { PlanePlan } from "./plan.ts";
import type { WorkerPort } from "./thread.ts";
import { Threads } from "./threads.ts";

const REPLACE_MS = 100;

describe("a worker that dies", () => {
  test("is replaced by one that is told identity and model, and only then opens the same ports", async () => {
    const { threads, ports, clock } = setUp(2);
    threads.identify(CREDENTIALS);
    await threads.apply("m1");
    await threads.open([PLAN]);

    ports[1]!.die();
    clock.advance(REPLACE_MS);
    await settled();

    expect(ports).toHaveLength(3);
    expect(ports[2]!.calls.map((call) => call.call)).toEqual(["identify", "apply", "open"]);
    expect(ports[2]!.calls.at(-1)).toMatchObject({ plans: [{ ...PLAN, port: 4321 }] });
  });

  test("does not come back to ports that have been shut meanwhile", async () => {
    const { threads, ports, clock } = setUp(2);
    await threads.open([PLAN]);
    const other = { ...PLAN, name: "other", hostname: "127.0.0.2" };
    await threads.open([other]);
    await threads.shut([{ ...PLAN, port: 4321 }]);

    ports[1]!.die();
    clock.advance(REPLACE_MS);
    await settled();

    expect(ports[0]!.calls.at(-1)).toMatchObject({ call: "shut", plans: [{ name: PLAN.name }] });
    expect(ports[2]!.calls.at(-1)).toMatchObject({ call: "open", plans: [{ name: "other" }] });
    expect(ports[2]!.calls.flatMap((call) => (call.call === "open" ? call.plans : []))).toHaveLength(1);
  });

  test("while a model is applied is no refusal, and its replacement ends up with that model", async () => {
    const { threads, ports, clock } = setUp(2);
    await threads.apply("m1");
    ports[0]!.holds = ports[1]!.holds = true;
    const applied = threads.apply("m2");

    ports[1]!.die();
    clock.advance(REPLACE_MS);
    await settled();
    ports[0]!.release();
    await applied;

    expect(ports[2]!.models).toEqual(["m1", "m2"]);
  });

  test("before a newer model comes gets that one last", async () => {
    const { threads, ports, clock } = setUp(2);
    threads.identify(CREDENTIALS);
    await threads.apply("m1");
    ports[1]!.die();
    clock.advance(REPLACE_MS);

    await threads.apply("m2");

    expect(ports[2]!.models).toEqual(["m1", "m2"]);
  });

  test("has its ports bound again by a worker that has the model, not before", async () => {
    const { threads, ports, clock, fresh } = setUp(2);
    await threads.apply("m1");
    fresh.holds = true;

    ports[1]!.die();
    clock.advance(REPLACE_MS);
    await settled();

    expect(ports[2]!.calls.map((call) => call.call)).toEqual(["apply"]);
    ports[2]!.release();
    await settled();
    expect(ports[2]!.calls.map((call) => call.call)).toEqual(["apply", "open"]);
  });

  test("with questions open costs none of them more than its answer", async () => {
    const { threads, ports, log } = setUp(2);
    for (const port of ports) port.holds = true;
    threads.identify(CREDENTIALS);
    threads.reopenLogs();
    const drained = threads.drain(1_000);

    ports[1]!.die();
    ports[0]!.release(3);

    expect(await drained).toBe(3);
    await settled();
    expect(log.filter((line) => line.includes("cannot"))).toEqual([]);
  });

  test("at once, again and again, is started again no more than ten times a second", () => {
    const { ports, clock } = setUp(1);

    for (let ms = 0; ms < 1_000; ms += 10) {
      ports.at(-1)!.die();
      clock.advance(10);
    }

    expect(ports.length).toBeLessThanOrEqual(11);
  });

  test("by an error that nobody caught is ended, so that it takes no more connections", () => {
    const { ports } = setUp(1);

    ports[0]!.onerror!({ message: "boom" } as ErrorEvent);

    expect(ports[0]!.isTerminated).toBe(true);
  });
});

describe("a worker that stalls", () => {
  test("is ended and replaced once it has not answered for ten seconds", async () => {
    const { ports, clock, log } = setUp(2);
    ports[1]!.holds = true;

    await seconds(clock, 10);
    expect(ports.map(({ isTerminated }) => isTerminated)).toEqual([false, false]);
    await seconds(clock, 1);

    expect(ports.map(({ isTerminated }) => isTerminated)).toEqual([false, true]);
    clock.advance(REPLACE_MS);
    expect(ports).toHaveLength(3);
    expect(log.join()).toContain("it has not answered for 10 seconds");
  });

  test("is left alone where it answers in the end", async () => {
    const { ports, clock } = setUp(1);
    ports[0]!.holds = true;
    await seconds(clock, 9);

    ports[0]!.release();
    await seconds(clock, 9);

    expect(ports).toHaveLength(1);
    expect(ports[0]!.isTerminated).toBe(false);
  });
});

test("a model that a worker refuses is refused, with its reasons, and replacements get the one before", async () => {
  const { threads, ports, clock } = setUp(2);
  await threads.apply("m1");
  ports[0]!.refuses = ["no such cluster"];

  const failure = await threads.apply("m2").catch((error) => error);

  expect(failure.reasons).toEqual(["no such cluster"]);
  ports[0]!.die();
  clock.advance(REPLACE_MS);
  await settled();
  expect(ports[2]!.models).toEqual(["m1"]);
});

test("the port that the first worker was given is the one that all others bind", async () => {
  const { threads, ports } = setUp(3);

  expect(await threads.open([PLAN])).toEqual([{ name: "web", hostname: "127.0.0.1", port: 4321 }]);

  const opened = ports.map(({ calls }) => calls.find((call) => call.call === "open")!.plans[0]!.port);
  expect(opened).toEqual([0, 4321, 4321]);
});

test("a worker that does not answer is closed all the same", async () => {
  const { threads, ports, clock } = setUp(1);
  ports[0]!.holds = true;
  const closed = threads.close();

  clock.advance(1_000);

  await closed;
  expect(ports[0]!.isTerminated).toBe(true);
  clock.advance(REPLACE_MS);
  expect(ports).toHaveLength(1);
});

const CREDENTIALS = { spiffeId: null, certificate: "c", privateKey: "k", bundle: null };
const PLAN = {
  kind: "service",
  name: "web",
  hostname: "127.0.0.1",
  port: 0,
  transport: "plain",
  host: "web",
  servicePort: 0,
} as const;

/** The far side of a worker: answers calls at once, or when it is told to. */
class PortDouble implements WorkerPort {
  onmessage: WorkerPort["onmessage"] = null;
  onerror: WorkerPort["onerror"] = null;
  readonly calls: WorkerCall[] = [];
  holds = false;
  refuses: readonly string[] | null = null;
  isTerminated = false;
  readonly #held: number[] = [];
  #closed = (): void => {};

  get models(): unknown[] {
    return this.calls.filter((call) => call.call === "apply").map((call) => call.model);
  }
  addEventListener(_: "close", listener: () => void): void {
    this.#closed = listener;
  }
  postMessage(message: Message): void {
    if (message.type !== "call") return;
    const body = message.body as WorkerCall;
    this.calls.push(body);
    if (this.holds) this.#held.push(message.id);
    else queueMicrotask(() => this.#answer(message.id, body));
  }
  #answer(id: number, body: WorkerCall): void {
    const ports =
      body.call === "open" ? body.plans.map(({ name, hostname }) => ({ name, hostname, port: 4321 })) : null;
    if (body.call === "apply" && this.refuses !== null)
      this.#say({ type: "failed", id, problem: "refused", reasons: this.refuses });
    else this.#say({ type: "done", id, value: ports });
  }
  #say(data: Message): void {
    this.onmessage!({ data } as MessageEvent<Message>);
  }
  release(value: unknown = null): void {
    this.holds = false;
    for (const id of this.#held.splice(0)) this.#say({ type: "done", id, value });
  }
  die(): void {
    this.#closed();
  }
  terminate(): void {
    this.isTerminated = true;
  }
}

function setUp(workers: number) {
  const clock = fakeClock();
  const ports: PortDouble[] = [];
  const log: string[] = [];
  const fresh = { holds: false };
  const spawn = (): PortDouble => {
    ports.push(Object.assign(new PortDouble(), fresh));
    return ports.at(-1)!;
  };
  const host = {
    want: async () => {},
    blob: async () => new Uint8Array(),
    telemetry() {},
    retire() {},
    log: jsonLog(clock, (line) => log.push(line)),
  };
  return { threads: new Threads({} as PlanePlan, workers, host, clock, spawn), ports, clock, log, fresh };
}

/** Lets time pass, with room for answers. */
async function seconds(clock: FakeClock, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    clock.advance(1_000);
    await settled();
  }
}

/** Whatever microtasks there are have run. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
