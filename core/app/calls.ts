import { type LogFields, type LogLevel, MeshError, messageOf } from "../base/mod.ts";
import type { RegionMessage } from "../telemetry/mod.ts";
import type { Credentials, ListenerPlan, PlanePlan } from "./plan.ts";

/** What the main thread calls in a worker; each is answered. */
export type WorkerCall =
  | { readonly call: "open"; readonly plans: readonly ListenerPlan[] }
  | { readonly call: "shut"; readonly plans: readonly ListenerPlan[] }
  | { readonly call: "apply"; readonly model: unknown }
  | { readonly call: "identify"; readonly credentials: Credentials }
  | { readonly call: "drain"; readonly deadlineMs: number }
  | { readonly call: "measure"; readonly clusters: readonly string[] }
  /** Are you there? */
  | { readonly call: "beat" }
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
