import { systemClock } from "../../core/base/mod.ts";
import { ownCommand } from "../self.ts";

/** A `mesh` that goes on until it is ended. */
export interface Child {
  readonly name: string;
  readonly pid: number;
  /** The line it printed when it served. */
  readonly ready: Readonly<Record<string, unknown>>;
  readonly exited: Promise<number>;
  kill(signal: NodeJS.Signals): void;
}

/** What a role is started with beside its flags. */
interface More {
  /** What it runs itself: the words after "--". */
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

/** Time for a process to serve, on a machine that is busy. */
const READY_MS = 60_000;
/** Time to end in order; then it is killed. */
const END_MS = 5_000;

/** Starts `mesh` as children of this process, and ends all of them. */
export class Children {
  readonly #cwd: string;
  readonly #environment: Record<string, string | undefined>;
  readonly #all = new Set<Bun.Subprocess>();
  readonly #ended = Promise.withResolvers<never>();

  constructor(cwd: string, environment: Readonly<Record<string, string>>) {
    this.#cwd = cwd;
    this.#environment = { ...process.env, ...environment };
    this.#ended.promise.catch(() => {});
  }

  /** Starts a role, and resolves when it serves. */
  async start(name: string, args: readonly string[], { command = [], environment = {} }: More = {}): Promise<Child> {
    const words = [...args, "-o", "json", ...(command.length === 0 ? [] : ["--", ...command])];
    const child = this.#spawn(words, environment);
    const complaint = new LastLine(child.stderr);
    const message = await Promise.race([
      firstReady(child.stdout),
      after(READY_MS).then(() => {
        throw new Error(`Cannot start ${name}: it does not serve, and said last: ${complaint.text}`);
      }),
      child.exited.then(async (code) => {
        await complaint.whole;
        throw new Error(`Cannot start ${name}: it ended with ${code}, and said last: ${complaint.text}`);
      }),
      this.#ended.promise,
    ]);
    return { name, pid: child.pid, ready: message, exited: child.exited, kill: (signal) => child.kill(signal) };
  }

  /** Runs a verb to its end; its standard output. */
  async run(args: readonly string[]): Promise<string> {
    const child = this.#spawn(args);
    const complaint = new LastLine(child.stderr);
    const [stdout, code] = await Promise.all([new Response(child.stdout).text(), child.exited, complaint.whole]);
    if (code !== 0) throw new Error(`Cannot go on: "mesh ${args.join(" ")}" ended with ${code}: ${complaint.text}`);
    return stdout.trim();
  }

  /** Ends every child: asks, and kills those that do not listen. */
  async end(): Promise<void> {
    this.#ended.reject(new Error("Cannot go on: the demo was ended"));
    for (const child of this.#all) child.kill("SIGTERM");
    const all = Promise.all([...this.#all].map((child) => child.exited));
    await Promise.race([all, after(END_MS)]);
    for (const child of this.#all) child.kill("SIGKILL");
    await all;
  }

  #spawn(args: readonly string[], environment: Readonly<Record<string, string>> = {}) {
    const child = Bun.spawn([...ownCommand(), ...args], {
      cwd: this.#cwd,
      env: { ...this.#environment, ...environment },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    this.#all.add(child);
    void child.exited.then(() => this.#all.delete(child));
    return child;
  }
}

/** The first line that says it serves; what follows is read and dropped, so that the pipe never fills. */
function firstReady(stream: ReadableStream<Uint8Array>): Promise<Readonly<Record<string, unknown>>> {
  return new Promise((resolve) => {
    void (async () => {
      const decoder = new TextDecoder();
      let text = "";
      let found = false;
      for await (const bytes of stream) {
        if (found) continue;
        text += decoder.decode(bytes, { stream: true });
        const message = text
          .split("\n")
          .slice(0, -1)
          .map(readyOf)
          .find((each) => each !== null);
        if (message === undefined) continue;
        found = true;
        resolve(message!);
      }
    })();
  });
}

/** An app of a sidecar prints lines too, and may be ready itself. */
function readyOf(line: string): Readonly<Record<string, unknown>> | null {
  if (!line.startsWith('{"ready":true')) return null;
  const message = JSON.parse(line) as Record<string, unknown>;
  return message["role"] === "sample-app" ? null : message;
}

function after(ms: number): Promise<void> {
  return new Promise((resolve) => systemClock.after(ms, resolve));
}

/** What a stream said last; the rest is read, so that the pipe never fills, and forgotten. */
class LastLine {
  readonly whole: Promise<void>;
  #tail = "";

  constructor(stream: ReadableStream<Uint8Array>) {
    this.whole = this.#read(stream);
  }

  get text(): string {
    return this.#tail.trim().split("\n").at(-1) || "nothing";
  }

  async #read(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    for await (const bytes of stream) this.#tail = (this.#tail + decoder.decode(bytes, { stream: true })).slice(-TAIL);
  }
}

/** Longer than a line that matters. */
const TAIL = 4096;
