import { type Clock, messageOf } from "../base/mod.ts";
import { assertFree } from "../listener/mod.ts";
import { type WorkerCall, WorkerLost } from "./calls.ts";
import type { ClusterReport } from "./cluster-report.ts";
import { type Bound, type Credentials, isSamePlace, type ListenerPlan, type PlanePlan } from "./plan.ts";
import type { Planes } from "./planes.ts";
import { spawnWorker, Thread, type ThreadsHost, type WorkerPort } from "./thread.ts";

/** What every worker must be told, and a replacement too. */
interface Told {
  readonly plans: ListenerPlan[];
  model: unknown;
  credentials: Credentials | null;
  /** Clusters that are measured. */
  clusters: readonly string[];
}

/** A worker that dies at once must not spin. */
const REPLACE_MS = 100;

/**
 * The data plane in worker threads that share their ports. A worker that dies
 * is replaced by one that is told the same; the others go on meanwhile.
 */
export class Threads implements Planes {
  readonly workers: number;
  readonly #plan: PlanePlan;
  readonly #host: ThreadsHost;
  readonly #clock: Clock;
  readonly #spawn: () => WorkerPort;
  readonly #threads: (Thread | null)[] = [];
  readonly #told: Told = { plans: [], model: null, credentials: null, clusters: [] };
  readonly #used = new Set<string>();
  #closing = false;
  #number = 0;

  constructor(plan: PlanePlan, workers: number, host: ThreadsHost, clock: Clock, spawn = spawnWorker) {
    this.#plan = plan;
    this.workers = workers;
    this.#host = host;
    this.#clock = clock;
    this.#spawn = spawn;
    for (let i = 0; i < workers; i++) this.#threads.push(this.#start(i));
  }

  #start(slot: number): Thread {
    const host = { ...this.#host, used: (names: readonly string[]) => this.#note(names) };
    const lost = (reason: string): void => this.#lost(slot, reason);
    return new Thread(this.#plan, this.#number++, host, this.#clock, this.#spawn(), lost);
  }

  #note(names: readonly string[]): void {
    for (const name of names) this.#used.add(name);
  }

  #live(): readonly Thread[] {
    return this.#threads.filter((thread) => thread !== null);
  }

  // ---- a worker that is lost ----

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
    this.#tell(thread).catch((error) =>
      this.#host.log.error("a replaced worker cannot serve", { reason: messageOf(error) }),
    );
  }

  /** Identity and model are posted at once, so that what comes next comes behind them; listeners open last. */
  async #tell(thread: Thread): Promise<void> {
    const { plans, model, credentials, clusters } = this.#told;
    const told: Promise<unknown>[] = [];
    if (credentials !== null) told.push(thread.calls.call({ call: "identify", credentials }));
    if (model !== null) told.push(thread.calls.call({ call: "apply", model }));
    if (clusters.length > 0) told.push(thread.calls.call({ call: "measure", clusters }));
    await Promise.all(told);
    await thread.calls.call({ call: "open", plans });
  }

  // ---- what all of them are told ----

  async open(plans: readonly ListenerPlan[]): Promise<readonly Bound[]> {
    plans.forEach(assertFree);
    const [first, ...rest] = this.#live();
    if (first === undefined) throw new WorkerLost("Cannot listen: no worker is alive");
    const bound = (await first.calls.call({ call: "open", plans })) as readonly Bound[];
    const settled = plans.map((plan, i) => ({ ...plan, port: bound[i]!.port }));
    await Promise.all(rest.map((thread) => thread.calls.call({ call: "open", plans: settled })));
    this.#told.plans.push(...settled);
    return bound;
  }

  async shut(plans: readonly ListenerPlan[]): Promise<void> {
    const isShut = (told: ListenerPlan): boolean => plans.some((plan) => isSamePlace(plan, told));
    this.#told.plans.splice(0, this.#told.plans.length, ...this.#told.plans.filter((told) => !isShut(told)));
    await this.#ask(this.#live(), { call: "shut", plans });
  }

  /** A worker that replaced another meanwhile has been told the model before: it gets this one behind it. */
  async apply(model: unknown): Promise<void> {
    const told = new Set<Thread>();
    const untold = (): readonly Thread[] => this.#live().filter((thread) => !told.has(thread));
    for (let threads = untold(); threads.length > 0; threads = untold()) {
      for (const thread of threads) told.add(thread);
      await this.#ask(threads, { call: "apply", model });
    }
    this.#told.model = model;
  }

  identify(credentials: Credentials): void {
    this.#told.credentials = credentials;
    this.#say({ call: "identify", credentials });
  }

  async drain(deadlineMs: number): Promise<number> {
    const left = await this.#ask(this.#live(), { call: "drain", deadlineMs });
    return (left as (number | undefined)[]).reduce<number>((sum, count) => sum + (count ?? 0), 0);
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

  measure(clusters: readonly string[]): void {
    this.#told.clusters = clusters;
    this.#say({ call: "measure", clusters });
  }

  reopenLogs(): void {
    this.#say({ call: "reopen" });
  }

  /** As the first worker sees them: each has its own counts. */
  async clusters(): Promise<readonly ClusterReport[]> {
    const [first] = await this.#ask(this.#live().slice(0, 1), { call: "clusters" });
    return (first ?? []) as readonly ClusterReport[];
  }

  /** The answers of these; a worker that is lost answers nothing, and the one after it is told anew. */
  #ask(threads: readonly Thread[], body: WorkerCall): Promise<unknown[]> {
    return Promise.all(
      threads.map((thread) =>
        thread.calls.call(body).catch((error) => {
          if (!(error instanceof WorkerLost)) throw error;
        }),
      ),
    );
  }

  #say(body: WorkerCall): void {
    this.#ask(this.#live(), body).catch((error) =>
      this.#host.log.error("a worker cannot do as it is told", { call: body.call, reason: messageOf(error) }),
    );
  }
}
