import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { BINARY, build, isStale } from "../../scripts/build.ts";
import { eventually, within } from "./eventually.ts";

const LOCK = join(BINARY, "..", ".lock");

/** Path of the compiled `mesh`, built when its sources are newer; test processes at the same time build once. */
export async function binaryPath(): Promise<string> {
  if (!isStale()) return BINARY;
  mkdirSync(join(LOCK, ".."), { recursive: true });
  await eventually(() => takeLock(), 60_000);
  try {
    if (isStale()) await build();
  } finally {
    rmSync(LOCK, { recursive: true, force: true });
  }
  return BINARY;
}

/** A folder can be made only once: the kernel's own test-and-set. */
function takeLock(): boolean {
  try {
    mkdirSync(LOCK);
    return true;
  } catch {
    return !isStale();
  }
}

/** A running `mesh`. */
export interface Program {
  readonly pid: number;
  /** Everything it has said so far. */
  readonly stdout: string;
  readonly stderr: string;
  /** Lines of its standard output. */
  readonly lines: readonly string[];
  /** The line that says it serves, of `-o json`. Rejects when the process ends before. */
  ready(): Promise<Readonly<Record<string, unknown>>>;
  kill(signal: NodeJS.Signals): void;
  /** Exit code, or 128 + the signal's number. */
  readonly exited: Promise<number>;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface ProgramOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Words before the binary: `ip netns exec …`, `taskset …`. */
  readonly prefix?: readonly string[];
  /** Instead of the compiled `mesh`. */
  readonly command?: readonly string[];
}

/** Starts the compiled `mesh` with these words. */
export async function startBinary(args: readonly string[], options: ProgramOptions = {}): Promise<Program> {
  const command = options.command ?? [await binaryPath()];
  const child = Bun.spawn([...(options.prefix ?? []), ...command, ...args], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    env: { ...process.env, ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  const said = { stdout: "", stderr: "" };
  const drained = Promise.all([
    collect(child.stdout, (text) => (said.stdout += text)),
    collect(child.stderr, (text) => (said.stderr += text)),
  ]);
  const exited = child.exited.then(async (code) => {
    await drained;
    return code;
  });
  const lines = (): string[] => said.stdout.split("\n").slice(0, -1);
  return {
    pid: child.pid,
    get stdout() {
      return said.stdout;
    },
    get stderr() {
      return said.stderr;
    },
    get lines() {
      return lines();
    },
    ready: () => firstJson(lines, exited, () => said.stderr),
    kill: (signal) => child.kill(signal),
    exited,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await exited;
    },
  };
}

/** What a verb says and how it ends, for verbs that end by themselves. */
export async function runBinary(
  args: readonly string[],
  options: ProgramOptions = {},
): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> {
  await using program = await startBinary(args, options);
  const code = await within(`mesh ${args[0] ?? ""} to end`, program.exited, 20_000);
  return { code, stdout: program.stdout, stderr: program.stderr };
}

async function firstJson(
  lines: () => string[],
  exited: Promise<number>,
  complaint: () => string,
): Promise<Record<string, unknown>> {
  let code: number | null = null;
  void exited.then((ended) => (code = ended));
  const line = await eventually(() => lines().find((each) => each.startsWith("{")) ?? code !== null, 20_000);
  if (typeof line === "string") return JSON.parse(line);
  throw new Error(`Cannot await the ready message: the process ended with ${code}: ${complaint()}`);
}

async function collect(stream: ReadableStream<Uint8Array>, add: (text: string) => void): Promise<void> {
  const decoder = new TextDecoder();
  for await (const bytes of stream) add(decoder.decode(bytes, { stream: true }));
}
