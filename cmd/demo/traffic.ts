import { systemClock } from "../../core/base/mod.ts";

/** An answer of the mesh, or of the sample app behind it. */
export interface Answer {
  /** 0 where there was none. */
  readonly status: number;
  /** Name and version of the app that answered; empty where the mesh itself did. */
  readonly app: string;
  readonly version: string;
  readonly retryAfter: string | null;
}

/** Nobody waits longer for a demo. */
const ANSWER_MS = 10_000;

/** Sends one request. */
export async function ask(url: string, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
  try {
    const response = await fetch(url, { headers: { ...headers }, signal: AbortSignal.timeout(ANSWER_MS) });
    const { name = "", version = "" } = (await response.json().catch(() => ({}))) as {
      name?: string;
      version?: string;
    };
    return { status: response.status, app: name, version, retryAfter: response.headers.get("retry-after") };
  } catch {
    return { status: 0, app: "", version: "", retryAfter: null };
  }
}

/** Sends so many requests, a few at a time. */
export async function askMany(
  count: number,
  url: string,
  headers?: Readonly<Record<string, string>>,
): Promise<readonly Answer[]> {
  const answers: Answer[] = [];
  const worker = async (): Promise<void> => {
    while (answers.length < count) answers.push(await ask(url, headers));
  };
  await Promise.all(Array.from({ length: LANES }, worker));
  return answers.slice(0, count);
}

const LANES = 4;

/** Requests that go on, one after another on a few lanes, until they are stopped. */
export class Stream {
  readonly #url: string;
  readonly #lanes: readonly Promise<void>[];
  #stopped = false;
  sent = 0;
  failed = 0;
  /** Answers by the app that gave them. */
  readonly byApp = new Map<string, number>();

  constructor(url: string) {
    this.#url = url;
    this.#lanes = Array.from({ length: LANES }, () => this.#run());
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#lanes);
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      const { status, app } = await ask(this.#url);
      this.sent++;
      if (status === 200) this.byApp.set(app, (this.byApp.get(app) ?? 0) + 1);
      else this.failed++;
      await pause(GAP_MS);
    }
  }
}

/** Between two requests of a lane: enough to see, not enough to warm the room. */
const GAP_MS = 10;

/** Waits until something is true, or says that it never became so. */
export async function until(probe: () => boolean | Promise<boolean>, withinMs: number): Promise<boolean> {
  const deadline = systemClock.monotonic() + withinMs;
  while (!(await probe())) {
    if (systemClock.monotonic() >= deadline) return false;
    await pause(20);
  }
  return true;
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => systemClock.after(ms, resolve));
}
