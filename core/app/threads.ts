import { type Clock, type Log, type LogFields, type LogLevel, MeshError, messageOf } from "../base/mod.ts";
import { assertFree } from "../listener/mod.ts";
import type { RegionMessage } from "../telemetry/mod.ts";
import type { ClusterReport } from "./cluster-report.ts";
import type { Bound, Credentials, ListenerPlan, PlanePlan } from "./plan.ts";
import type { Planes } from "./planes.ts";

/** What the main thread calls in a worker; each is answered. */
export type WorkerCall =
  | { readonly call: "open"; readonly plans: readonly ListenerPlan[] }
  | { readonly call: "apply"; readonly model: unknown }
  | { readonly call: "identify"; readonly credentials: Credentials }
  | { readonly call: "drain"; readonly deadlineMs: number }
  | { readonly call: "close" }
  | { readonly call: "reopen" }
  | { readonly call: "clusters" };

/** What a worker asks of the main thread; each is answered. */
export type HostCall =
  | { readonly call: "want"; readonly host: string }
  | { readonly call: "blob"; readonly sha256: string };

export type Message =
  | { readonly type: "start"; readonly plan: PlanePlan; readonly level: LogLevel }
  | { readonly type: "call"; readonly id: number; readonly body: WorkerCall | HostCall }
  | { readonly type: "done"; readonly id: number; readonly value: unknown }
  | {
      readonly type: "failed";
      readonly id: number;
      readonly problem: string;
      readonly reasons: readonly string[] | null;
    }
  | { readonly type: "used"; readonly names: readonly string[] }
  | { readonly type: "telemetry"; readonly message: RegionMessage }
  | {
      readonly type: "log";
      readonly level: "debug" | "info" | "warn" | "error";
      readonly text: string;
      readonly fields: LogFields;
    };

/** A worker has ended that nobody told to. */
export class WorkerLost extends MeshError {
  override readonly name = "WorkerLost";
  readonly code = "MESH_WORKER_LOST";
  readonly source = "mesh";
}

/** What another thread threw, with the reasons it gave. */
export class RemoteFailure extends MeshError {
  override readonly name = "RemoteFailure";
  readonly code = "MESH_REMOTE_FAILURE";
  readonly source = "mesh";
  readonly reasons: readonly string[];

  constructor(problem: string, reasons: readonly string[] | null) {
    super(problem);
    this.reasons = reasons ?? [problem];
  }
}

/** Calls across a port: each side answers what the other asks. */
export class Calls {
  readonly #post: (message: Message) => void;
  readonly #answer: (body: never) => Promise<unknown>;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  #next = 1;

  constructor(post: (message: Message) => void, answer: (body: never) => Promise<unknown>) {
    this.#post = post;
    this.#answer = answer;
  }

  call(body: WorkerCall | HostCall): Promise<unknown> {
    const id = this.#next++;
    const waiting = Promise.withResolvers<unknown>();
    this.#waiting.set(id, waiting);
    this.#post({ type: "call", id, body });
    return waiting.promise;
  }

  take(message: Message): void {
    if (message.type === "call") {
      this.#answer(message.body as never).then(
        (value) => this.#post({ type: "done", id: message.id, value }),
        (error) => this.#post({ type: "failed", id: message.id, problem: messageOf(error), reasons: reasonsOf(error) }),
      );
      return;
    }
    if (message.type !== "done" && message.type !== "failed") return;
    const waiting = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    if (message.type === "done") waiting?.resolve(message.value);
    else waiting?.reject(new RemoteFailure(message.problem, message.reasons));
  }

  fail(error: Error): void {
    for (const waiting of this.#waiting.values()) waiting.reject(error);
    this.#waiting.clear();
  }
}

function reasonsOf(error: unknown): readonly string[] | null {
  const reasons = (error as { reasons?: unknown }).reasons;
  return Array.isArray(reasons) ? (reasons as string[]) : null;
}

/** What the main thread gives to its workers. */
export interface ThreadsHost {
  want(host: string): Promise<void>;
  blob(sha256: string): Promise<Uint8Array>;
  telemetry(worker: number, message: RegionMessage): void;
  /** The numbers of a worker that has ended stay, its gauges go. */
  retire(worker: number): void;
  readonly log: Log;
}

/** What every worker must be told, and a replacement too. */
interface Told {
  plans: ListenerPlan[];
  model: unknown;
  credentials: Credentials | null;
}

/**
 * The data plane in worker threads that share their ports. A worker that dies
 * is replaced by one that is told the same; the others go on meanwhile.
 */
export class Threads implements Planes {
  readonly workers: number;
  readonly #plan: PlanePlan;
  readonly #host: ThreadsHost;
  readonly #clock: Clock;
  readonly #threads: (Thread | null)[] = [];
  readonly #told: Told = { plans: [], model: null, credentials: null };
  readonly #used = new Set<string>();
  #closing = false;
  #number = 0;

  constructor(plan: PlanePlan, workers: number, host: ThreadsHost, clock: Clock) {
    this.#plan = plan;
    this.workers = workers;
    this.#host = host;
    this.#clock = clock;
    for (let i = 0; i < workers; i++) this.#threads.push(this.#start(i));
  }

  #start(slot: number): Thread {
    const host = { ...this.#host, used: (names: readonly string[]) => this.#note(names) };
    return new Thread(this.#plan, this.#number++, host, (reason) => this.#lost(slot, reason));
  }

  #note(names: readonly string[]): void {
    for (const name of names) this.#used.add(name);
  }

  #live(): readonly Thread[] {
    return this.#threads.filter((thread) => thread !== null);
  }

  #lost(slot: number, reason: string): void {
    if (this.#closing) return;
    this.#host.log.error("a worker has ended and is replaced", { reason });
    this.#threads[slot] = null;
    this.#clock.after(REPLACE_MS, () => this.#replace(slot));
  }

  #replace(slot: number): void {
    if (this.#closing) return;
    const thread = this.#start(slot);
    this.#threads[slot] = thread;
    const { plans, model, credentials } = this.#told;
    const told = async (): Promise<void> => {
      if (credentials !== null) await thread.calls.call({ call: "identify", credentials });
      if (model !== null) await thread.calls.call({ call: "apply", model });
      await thread.calls.call({ call: "open", plans });
    };
    told().catch((error) => this.#host.log.error("a replaced worker cannot serve", { reason: messageOf(error) }));
  }

  async open(plans: readonly ListenerPlan[]): Promise<readonly Bound[]> {
    plans.forEach(assertFree);
    const [first, ...rest] = this.#live();
    const bound = (await first!.calls.call({ call: "open", plans })) as readonly Bound[];
    const settled = plans.map((plan, i) => ({ ...plan, port: bound[i]!.port }));
    await Promise.all(rest.map((thread) => thread.calls.call({ call: "open", plans: settled })));
    this.#told.plans.push(...settled);
    return bound;
  }

  async apply(model: unknown): Promise<void> {
    await Promise.all(this.#live().map((thread) => thread.calls.call({ call: "apply", model })));
    this.#told.model = model;
  }

  identify(credentials: Credentials): void {
    this.#told.credentials = credentials;
    for (const thread of this.#live()) void thread.calls.call({ call: "identify", credentials });
  }

  async drain(deadlineMs: number): Promise<number> {
    const left = await Promise.all(this.#live().map((thread) => thread.calls.call({ call: "drain", deadlineMs })));
    return (left as number[]).reduce((sum, count) => sum + count, 0);
  }

  async close(): Promise<void> {
    this.#closing = true;
    await Promise.all(this.#live().map((thread) => thread.close()));
  }

  used(): Iterable<string> {
    const names = [...this.#used];
    this.#used.clear();
    return names;
  }

  reopenLogs(): void {
    for (const thread of this.#live()) void thread.calls.call({ call: "reopen" });
  }

  /** As the first worker sees them: each has its own counts. */
  async clusters(): Promise<readonly ClusterReport[]> {
    return (await this.#live()[0]?.calls.call({ call: "clusters" })) as readonly ClusterReport[];
  }
}

/** A worker that dies at once must not spin. */
const REPLACE_MS = 100;

interface ThreadHost extends ThreadsHost {
  used(names: readonly string[]): void;
}

class Thread {
  readonly calls: Calls;
  readonly #worker: Worker;
  #closed = false;

  constructor(plan: PlanePlan, number: number, host: ThreadHost, lost: (reason: string) => void) {
    this.#worker = new Worker(new URL("./worker.ts", import.meta.url), { smol: true } as WorkerOptions);
    this.calls = new Calls(
      (message) => this.#worker.postMessage(message),
      (body: HostCall) => answer(body, host),
    );
    const end = (reason: string): void => {
      if (this.#closed) return;
      this.#closed = true;
      this.calls.fail(new WorkerLost(`Cannot go on with a worker: ${reason}`));
      host.retire(number);
      lost(reason);
    };
    this.#worker.onmessage = ({ data }: MessageEvent<Message>) => {
      if (data.type === "used") host.used(data.names);
      else if (data.type === "telemetry") host.telemetry(number, data.message);
      else if (data.type === "log") host.log[data.level](data.text, data.fields);
      else this.calls.take(data);
    };
    this.#worker.onerror = (event) => end(event.message);
    this.#worker.addEventListener("close", () => end("it has exited"));
    this.#worker.postMessage({ type: "start", plan, level: host.log.level } satisfies Message);
  }

  async close(): Promise<void> {
    await this.calls.call({ call: "close" }).catch(() => {});
    this.#closed = true;
    this.#worker.terminate();
  }
}

async function answer(body: HostCall, host: ThreadsHost): Promise<unknown> {
  return body.call === "want" ? await host.want(body.host) : await host.blob(body.sha256);
}
