import { type Certificates, eventually, type Folder, open, output, request, temporaryFolder } from "../harness/mod.ts";
import { type Latency, pace, saturate, type Throughput, WORKLOADS, type Workload } from "./load.ts";
import { type Case, HOSTNAME, type Hop, type Peer, SPIFFE_ID } from "./peer.ts";
import { nginxCommand } from "./peers/nginx.ts";
import {
  coreMicros,
  cpuMicros,
  LOAD_CORE,
  type Memory,
  memoryOf,
  type Pinned,
  PROXY_CORE,
  startPinned,
} from "./process.ts";

/** Seconds of each part of a round. */
export interface Plan {
  readonly idle: number;
  readonly warmUp: number;
  readonly saturate: number;
  readonly pace: number;
}

export interface Load extends Throughput {
  /** CPU time of the proxies for one request, microseconds. */
  readonly cpu: number;
  /** Cores' worth of work by others on the proxies' core. */
  readonly foreign: number;
}

/** Above this, others made the round worthless. */
const DISTURBED = 0.12;

export function isDisturbed({ load }: Round): boolean {
  return WORKLOADS.some((workload) => load[workload].foreign > DISTURBED);
}

/** What one fresh start of a peer gave. */
export interface Round {
  readonly startMs: number;
  readonly idle: Memory;
  readonly underLoad: Memory;
  readonly load: Readonly<Record<Workload, Load>>;
  readonly latency: Latency;
  /** CPU time for one request at the fixed rate, microseconds. */
  readonly pacedCpu: number;
}

/** The program behind all proxies: nginx on the load's core, 100 bytes for every request. */
export interface Origin {
  readonly port: number;
  [Symbol.asyncDispose](): Promise<void>;
}

export async function startOrigin(): Promise<Origin> {
  const folder = temporaryFolder();
  const port = freePort();
  const server = `server { listen 127.0.0.1:${port} backlog=1024; location / { return 200 "${"x".repeat(100)}"; } }`;
  const nginx = startPinned(LOAD_CORE, await nginxCommand(folder, server));
  await eventually(() => request(port));
  return {
    port,
    async [Symbol.asyncDispose]() {
      await nginx.stop();
      await folder[Symbol.asyncDispose]();
    },
  };
}

/** Starts a peer, measures it from start to last byte, and stops it. */
export async function playRound(peer: Peer, kind: Case, origin: Origin, authority: Certificates, plan: Plan) {
  await using folder = temporaryFolder();
  const hops = await layOut(kind, origin, authority, folder);
  const log = `${folder.path}/log`;
  const programs: Pinned[] = [];
  try {
    let began = 0;
    for (const hop of hops.toReversed()) {
      const command = await peer.command(hop);
      began = performance.now();
      programs.push(startPinned(PROXY_CORE, command, log));
      await listens(hop.port, log);
    }
    const { port } = hops[0]!;
    await answers(port, log);
    const startMs = performance.now() - began;
    await Bun.sleep(plan.idle * 1000);
    return { startMs, ...(await measure(programs, port, plan)) };
  } finally {
    await Promise.all(programs.map((program) => program.stop()));
  }
}

/** Latency without a proxy. */
export async function directLatency(origin: Origin, plan: Plan): Promise<Latency> {
  await pace(origin.port, 1);
  return await pace(origin.port, plan.pace);
}

async function measure(programs: readonly Pinned[], port: number, plan: Plan): Promise<Omit<Round, "startMs">> {
  const idle = memoryOf(programs);
  const load: Partial<Record<Workload, Load>> = {};
  let underLoad = idle;
  for (const workload of WORKLOADS) {
    await saturate(port, workload, plan.warmUp);
    load[workload] = await saturated(programs, port, workload, plan.saturate);
    underLoad = larger(underLoad, memoryOf(programs));
  }
  await pace(port, 1);
  const before = cpuMicros(programs);
  const latency = await pace(port, plan.pace);
  const pacedCpu = (cpuMicros(programs) - before) / (1000 * plan.pace);
  return { idle, underLoad, load: load as Record<Workload, Load>, latency, pacedCpu };
}

async function saturated(programs: readonly Pinned[], port: number, workload: Workload, seconds: number) {
  const began = performance.now();
  const [cpu, core] = [cpuMicros(programs), coreMicros(PROXY_CORE)];
  const seen = await saturate(port, workload, seconds);
  const used = cpuMicros(programs) - cpu;
  const others = coreMicros(PROXY_CORE) - core - used;
  return { ...seen, cpu: used / seen.requests, foreign: Math.max(0, others / 1000 / (performance.now() - began)) };
}

async function layOut(kind: Case, origin: Origin, authority: Certificates, folder: Folder): Promise<readonly Hop[]> {
  const identity = await authority.issue(SPIFFE_ID, 3600, HOSTNAME);
  const [front, back, admin, otherAdmin] = [freePort(), freePort(), freePort(), freePort()];
  const plain = { accepts: "plain", dials: "plain", identity, policy: kind === "one hop, one policy" } as const;
  if (kind !== "mutual TLS, two hops") return [{ ...plain, folder, port: front, upstream: origin.port, admin }];
  const far: Folder = {
    ...folder,
    path: `${folder.path}/far`,
    write: (name, text) => folder.write(`far/${name}`, text),
  };
  await output(["mkdir", far.path]);
  return [
    { ...plain, folder, dials: "tls", port: front, upstream: back, admin },
    { ...plain, folder: far, accepts: "tls", port: back, upstream: origin.port, admin: otherAdmin },
  ];
}

/** Waits until somebody accepts: a hop that dials before the next one listens would wait to try again. */
function listens(port: number, log: string): Promise<unknown> {
  return orWhatItSaid(log, async () => void (await (await open(port))[Symbol.asyncDispose]()));
}

/** Waits for a 200 through all hops. */
export function answers(port: number, log: string): Promise<unknown> {
  return orWhatItSaid(log, async () => (await request(port, { target: "/api/items" })).status === 200);
}

async function orWhatItSaid(log: string, probe: () => Promise<unknown>): Promise<unknown> {
  try {
    return await eventually(probe, 10_000);
  } catch (error) {
    const said = await Bun.file(log).text();
    throw new Error(`Cannot reach the origin through the proxy: ${said.trim().slice(-500)}`, { cause: error });
  }
}

function larger(a: Memory, b: Memory): Memory {
  return a.rss > b.rss ? a : b;
}

export function freePort(): number {
  const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  listener.stop(true);
  return listener.port;
}
