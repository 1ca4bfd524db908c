import { connectHttp2, get } from "../harness/http2.ts";
import { type Certificates, eventually, type Folder, open, output, request, temporaryFolder } from "../harness/mod.ts";
import type { Case } from "./case.ts";
import { type Latency, pace, RATE, type Throughput, type Workload } from "./load.ts";
import { HOSTNAME, type Hop, type Peer, SPIFFE_ID } from "./peer.ts";
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
  /** CPU time of the proxies for one unit of the workload, microseconds. */
  readonly cpu: number;
  /** Cores' worth of work by others on the proxies' core. */
  readonly foreign: number;
}

/** Above this, others made the round worthless. */
const DISTURBED = 0.12;

export function isDisturbed({ load }: Round): boolean {
  return [...load.values()].some(({ foreign }) => foreign > DISTURBED);
}

/** What one fresh start of a peer gave. */
export interface Round {
  readonly startMs: number;
  readonly idle: Memory;
  readonly underLoad: Memory;
  readonly load: ReadonlyMap<Workload, Load>;
  /** Null where it was not measured. */
  readonly paced: Paced | null;
}

/** At the fixed rate. */
export interface Paced {
  readonly latency: Latency;
  /** CPU time for one request, microseconds. */
  readonly cpu: number;
}

/** The programs behind all proxies, on the load's core. */
export interface Origin {
  /** nginx: 100 bytes for every request, and large ones. */
  readonly port: number;
  /** nghttpd: a message of 100 bytes and a status, for every call. */
  readonly grpcPort: number;
  [Symbol.asyncDispose](): Promise<void>;
}

export async function startOrigin(): Promise<Origin> {
  const folder = temporaryFolder();
  const [port, grpcPort] = [freePort(), freePort()];
  for (const megabytes of [1, 16]) {
    await folder.write(`www/api/${megabytes}mb`, "x".repeat(megabytes * 1024 * 1024));
  }
  const server = `server { listen 127.0.0.1:${port} backlog=1024; location / { return 200 "${"x".repeat(100)}"; }
    location ~ mb$ { root ${folder.path}/www; } }`;
  const nginx = startPinned(LOAD_CORE, await nginxCommand(folder, server));
  await folder.write("grpc/api/Get", `\0\0\0\0d${"x".repeat(100)}`);
  const flags = ["--no-tls", "-d", `${folder.path}/grpc`, "--trailer", "grpc-status: 0", "-a", "127.0.0.1"];
  const nghttpd = startPinned(LOAD_CORE, ["nghttpd", ...flags, String(grpcPort)]);
  await eventually(() => request(port));
  return {
    port,
    grpcPort,
    async [Symbol.asyncDispose]() {
      await Promise.all([nginx.stop(), nghttpd.stop()]);
      await folder[Symbol.asyncDispose]();
    },
  };
}

/** Starts a peer, measures it from start to last byte, and stops it. */
export async function playRound(peer: Peer, kind: Case, origin: Origin, authority: Certificates, plan: Plan) {
  await using hops = await startHops(peer, kind, origin, authority);
  await Bun.sleep(plan.idle * 1000);
  return { startMs: hops.startMs, ...(await measure(hops.programs, hops.port, kind, plan)) };
}

/** The proxies of a case, serving. */
export interface Hops {
  readonly programs: readonly Pinned[];
  readonly port: number;
  /** Takes HTTP/1.1, whatever the other one does. */
  readonly plainPort: number;
  /** From the start of the last to its first answer. */
  readonly startMs: number;
  [Symbol.asyncDispose](): Promise<void>;
}

export async function startHops(peer: Peer, kind: Case, origin: Origin, authority: Certificates): Promise<Hops> {
  const folder = temporaryFolder();
  const hops = await layOut(kind, origin, authority, folder);
  const log = `${folder.path}/log`;
  const programs: Pinned[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(programs.map((program) => program.stop()));
    await folder[Symbol.asyncDispose]();
  };
  try {
    let began = 0;
    for (const hop of hops.toReversed()) {
      const command = await peer.command(hop);
      began = performance.now();
      programs.push(startPinned(PROXY_CORE, command, log));
      await listens(hop.port, log);
    }
    const { port, plainPort } = hops[0]!;
    await (kind.takes === "http1" ? answers(port, log, kind.edge) : answersHttp2(port, log));
    return { programs, port, plainPort, startMs: performance.now() - began, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Latency without a proxy. */
export async function directLatency(origin: Origin, plan: Plan): Promise<Latency> {
  await pace(origin.port, 1);
  return await pace(origin.port, plan.pace);
}

async function measure(programs: readonly Pinned[], port: number, kind: Case, plan: Plan) {
  const idle = memoryOf(programs);
  const load = new Map<Workload, Load>();
  let underLoad = idle;
  for (const workload of kind.workloads) {
    await workload.run(port, plan.warmUp);
    load.set(workload, await saturated(programs, port, workload, plan.saturate));
    underLoad = larger(underLoad, memoryOf(programs));
  }
  return { idle, underLoad, load, paced: kind.paced ? await atRate(programs, port, kind, plan) : null };
}

async function atRate(programs: readonly Pinned[], port: number, { beside }: Case, plan: Plan): Promise<Paced> {
  await pace(port, 1);
  const before = cpuMicros(programs);
  const [latency] = await Promise.all([pace(port, plan.pace), beside?.run(port, plan.pace + 1)]);
  return { latency, cpu: (cpuMicros(programs) - before) / (RATE * plan.pace) };
}

async function saturated(programs: readonly Pinned[], port: number, workload: Workload, seconds: number) {
  const began = performance.now();
  const [cpu, core] = [cpuMicros(programs), coreMicros(PROXY_CORE)];
  const seen = await workload.run(port, seconds);
  const used = cpuMicros(programs) - cpu;
  const others = coreMicros(PROXY_CORE) - core - used;
  const cpuPerUnit = used / (seen.requests * workload.units);
  return { ...seen, cpu: cpuPerUnit, foreign: Math.max(0, others / 1000 / (performance.now() - began)) };
}

async function layOut(kind: Case, origin: Origin, authority: Certificates, folder: Folder): Promise<readonly Hop[]> {
  const identity = await authority.issue(SPIFFE_ID, 3600, HOSTNAME);
  const [front, back, plainPort, admin, otherAdmin] = [freePort(), freePort(), freePort(), freePort(), freePort()];
  const { policy, takes, bytes = false, edge = false } = kind;
  const upstream = kind.origin === "http1" ? origin.port : origin.grpcPort;
  const plain = {
    accepts: "plain",
    dials: "plain",
    identity,
    policy,
    bytes,
    takes,
    plainPort,
    speaks: kind.origin,
  } as const;
  const accepts = edge ? "edge" : "plain";
  if (kind.hops === 1) return [{ ...plain, accepts, folder, port: front, upstream, admin }];
  const far: Folder = {
    ...folder,
    path: `${folder.path}/far`,
    write: (name, text) => folder.write(`far/${name}`, text),
  };
  await output(["mkdir", far.path]);
  return [
    { ...plain, folder, dials: "tls", speaks: takes, port: front, upstream: back, admin },
    { ...plain, folder: far, accepts: "tls", port: back, plainPort: freePort(), upstream, admin: otherAdmin },
  ];
}

/** Waits until somebody accepts: a hop that dials before the next one listens would wait to try again. */
function listens(port: number, log: string): Promise<unknown> {
  return orWhatItSaid(log, async () => void (await (await open(port))[Symbol.asyncDispose]()));
}

/** Waits for a 200 through all hops. */
export function answers(port: number, log: string, edge = false): Promise<unknown> {
  const target = edge ? { port, tls: { rejectUnauthorized: false } } : port;
  return orWhatItSaid(log, async () => (await request(target, { target: "/api/items" })).status === 200);
}

function answersHttp2(port: number, log: string): Promise<unknown> {
  return orWhatItSaid(log, async () => {
    await using client = await connectHttp2(port);
    return (await client.response(client.request(get("/api/Get")))).status === "200";
  });
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
