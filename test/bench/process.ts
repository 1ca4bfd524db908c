import { readdirSync, readFileSync } from "node:fs";

/** Cores of the two sides: what is measured has one for itself. */
export const PROXY_CORE = 0;
export const LOAD_CORE = 1;

/** A program that was asked to stop is killed after this. */
const PATIENCE_MS = 1_000;

/** A program pinned to one core. */
export interface Pinned {
  readonly pid: number;
  stop(): Promise<void>;
}

/** Private memory in use and all that is resident, MB. */
export interface Memory {
  readonly rss: number;
  readonly anonymous: number;
}

/** Starts a program on one core; what it says goes nowhere, or to a file. */
export function startPinned(core: number, command: readonly string[], log?: string): Pinned {
  const out = log === undefined ? "ignore" : Bun.file(log);
  const child = Bun.spawn(["taskset", "-c", String(core), ...command], { stdin: "ignore", stdout: out, stderr: out });
  return {
    pid: child.pid,
    async stop() {
      const tree = treeOf(child.pid);
      child.kill("SIGTERM");
      await Promise.race([child.exited, Bun.sleep(PATIENCE_MS)]);
      for (const pid of tree) kill(pid);
      await child.exited;
    },
  };
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {} // it has ended in peace
}

/** Time on a core of all threads of the programs and their children so far, in microseconds. */
export function cpuMicros(programs: readonly Pinned[]): number {
  let nanos = 0;
  for (const pid of programs.flatMap((program) => treeOf(program.pid))) {
    for (const thread of list(`/proc/${pid}/task`)) {
      nanos += Number(read(`/proc/${pid}/task/${thread}/schedstat`).split(" ")[0]);
    }
  }
  return nanos / 1000;
}

/** Memory of the programs and their children. */
export function memoryOf(programs: readonly Pinned[]): Memory {
  let rss = 0;
  let anonymous = 0;
  for (const pid of programs.flatMap((program) => treeOf(program.pid))) {
    const rollup = read(`/proc/${pid}/smaps_rollup`);
    rss += kilobytes(rollup, "Rss");
    anonymous += kilobytes(rollup, "Anonymous");
  }
  return { rss: rss / 1024, anonymous: anonymous / 1024 };
}

/** Time in which a core did anything so far, in microseconds; good to 10 ms. */
export function coreMicros(core: number): number {
  const line = read("/proc/stat")
    .split("\n")
    .find((each) => each.startsWith(`cpu${core} `))!;
  const [user, nice, system, , , irq, softirq, steal] = line.split(" ").slice(1).map(Number);
  return (user! + nice! + system! + irq! + softirq! + steal!) * 10_000;
}

/** A process and all below it; those that end meanwhile are missing. */
function treeOf(root: number): number[] {
  const children = new Map<number, number[]>();
  for (const pid of list("/proc").filter((name) => /^\d+$/.test(name))) {
    const parent = Number(
      read(`/proc/${pid}/stat`)
        .replace(/^.*\) /, "")
        .split(" ")[1],
    );
    children.set(parent, [...(children.get(parent) ?? []), Number(pid)]);
  }
  const found = [root];
  for (let i = 0; i < found.length; i++) found.push(...(children.get(found[i]!) ?? []));
  return found;
}

function kilobytes(rollup: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(rollup)?.[1] ?? 0);
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "0";
  }
}
