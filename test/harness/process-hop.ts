import { join } from "node:path";
import { type Program, startBinary } from "./binary.ts";
import { temporaryFolder } from "./folder.ts";
import { type Hop, logReader, webYaml } from "./hop.ts";
import { ROOT } from "./sources.ts";

/** `mesh proxy` without a control plane, from the sources, in a process of its own. */
export interface ProcessHop extends Hop {
  readonly program: Program;
  /** Memory that is only this process's: its anonymous pages, in bytes. */
  memory(): Promise<number>;
}

export interface ProcessHopOptions {
  /** Most files and sockets it may have open at once. */
  readonly descriptors?: number;
}

/** Starts a proxy with the backend's port as the one endpoint of `web`. */
export async function startProcessHop(
  backendPort: number,
  { descriptors }: ProcessHopOptions = {},
): Promise<ProcessHop> {
  const folder = temporaryFolder();
  const log = await folder.write("access.log", "");
  await folder.write("config/web.yaml", webYaml(backendPort));
  const words = ["proxy", "--config", join(folder.path, "config"), "--listen", "127.0.0.1:0=web", "--access-log", log];
  const doors = ["--admin", "127.0.0.1:0", "--metrics", "127.0.0.1:0", "--health", "127.0.0.1:0", "-o", "json"];
  const command = [process.execPath, join(ROOT, "cmd/mesh.ts")];
  const prefix = descriptors === undefined ? [] : ["sh", "-c", `ulimit -n ${descriptors}; exec "$0" "$@"`];
  const program = await startBinary([...words, ...doors, "--concurrency", "1"], { command, prefix, cwd: folder.path });
  const ready = await program.ready();
  const [listener] = ready["listeners"] as readonly { readonly address: string }[];
  return {
    port: Number(listener!.address.split(":")[1]),
    program,
    ...logReader(log),
    metric: (name, labels = {}) => scraped(String(ready["metrics"]), name, labels),
    memory: () => anonymousBytes(program.pid),
    async [Symbol.asyncDispose]() {
      await program[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

async function scraped(address: string, name: string, labels: Readonly<Record<string, string>>): Promise<number> {
  const text = await (await fetch(`http://${address}/metrics`)).text();
  const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
  let sum = 0;
  for (const line of text.split("\n")) {
    if (!line.startsWith(`${name}{`) || !wanted.every((pair) => line.includes(pair))) continue;
    sum += Number(line.slice(line.lastIndexOf(" ") + 1));
  }
  return sum;
}

async function anonymousBytes(pid: number): Promise<number> {
  const rollup = await Bun.file(`/proc/${pid}/smaps_rollup`).text();
  return Number(/^Anonymous:\s+(\d+) kB$/m.exec(rollup)![1]) * 1024;
}
