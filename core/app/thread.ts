import type { Clock, Log, Timer } from "../base/mod.ts";
import type { RegionMessage } from "../telemetry/mod.ts";
import { Calls, type HostCall, type Message, WorkerLost } from "./calls.ts";
import type { PlanePlan } from "./plan.ts";

/** What the main thread gives to its workers. */
export interface ThreadsHost {
  want(host: string): Promise<void>;
  blob(sha256: string): Promise<Uint8Array>;
  telemetry(worker: number, message: RegionMessage): void;
  /** The numbers of a worker that has ended stay, its gauges go. */
  retire(worker: number): void;
  readonly log: Log;
}

export interface ThreadHost extends ThreadsHost {
  /** Names of services that its requests were routed to. */
  used(names: readonly string[]): void;
}

/** The part of a `Worker` that is used: a test has a double. */
export interface WorkerPort {
  onmessage: ((event: MessageEvent<Message>) => void) | null;
  onerror: ((event: ErrorEvent) => void) | null;
  addEventListener(type: "close", listener: () => void): void;
  postMessage(message: Message): void;
  terminate(): void;
}

/** Starts the thread itself; it waits for its `start` message. */
export function spawnWorker(): WorkerPort {
  return new Worker(new URL("./worker.ts", import.meta.url), { smol: true } as WorkerOptions) as unknown as WorkerPort;
}

/** A worker that does not answer `close` is ended without. */
const CLOSE_MS = 1_000;
/** How often a worker is asked whether it is there. */
const BEAT_MS = 1_000;
/** So many questions in a row without an answer, and it has stalled. Asked by this thread: where all had no processor, none is blamed. */
const MISSED_BEATS = 10;

/** One worker, as the main thread sees it. */
export class Thread {
  readonly calls: Calls;
  readonly #port: WorkerPort;
  readonly #clock: Clock;
  readonly #beats: Timer;
  #missed = 0;
  #isOver = false;

  constructor(
    plan: PlanePlan,
    number: number,
    host: ThreadHost,
    clock: Clock,
    port: WorkerPort,
    lost: (reason: string) => void,
  ) {
    this.#port = port;
    this.#clock = clock;
    this.calls = new Calls(
      (message) => port.postMessage(message),
      (body: HostCall) => answer(body, host),
    );
    const end = (reason: string): void => {
      if (this.#isOver) return;
      this.#end(reason);
      host.retire(number);
      lost(reason);
    };
    port.onmessage = ({ data }) => {
      if (data.type === "used") host.used(data.names);
      else if (data.type === "telemetry") host.telemetry(number, data.message);
      else if (data.type === "log") host.log[data.level](data.text, data.fields);
      else this.calls.take(data);
    };
    port.onerror = (event) => end(event.message);
    port.addEventListener("close", () => end("it has exited"));
    port.postMessage({ type: "start", plan, level: host.log.level });
    this.#beats = clock.every(BEAT_MS, () => this.#beat(end));
  }

  #beat(end: (reason: string) => void): void {
    if (this.#missed === MISSED_BEATS) {
      end(`it has not answered for ${MISSED_BEATS} seconds`);
      return;
    }
    if (this.#missed++ === 0)
      this.calls.call({ call: "beat" }).then(
        () => {
          this.#missed = 0;
        },
        () => {},
      );
  }

  /** Once: what it was asked fails, and its sockets go with it. */
  #end(reason: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#beats.cancel();
    this.calls.fail(new WorkerLost(`Cannot go on with a worker: ${reason}`));
    this.#port.terminate();
  }

  async close(): Promise<void> {
    const timer = this.#clock.after(CLOSE_MS, () => this.#end("it does not answer"));
    await this.calls.call({ call: "close" }).catch(() => {});
    timer.cancel();
    this.#end("it was closed");
  }
}

async function answer(body: HostCall, host: ThreadsHost): Promise<unknown> {
  return body.call === "want" ? await host.want(body.host) : await host.blob(body.sha256);
}
