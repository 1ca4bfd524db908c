import { join } from "node:path";
import { output } from "../harness/mod.ts";
import { LOAD_CORE } from "./process.ts";

export const CONNECTIONS = 64;
export const RATE = 1000;
/** Of HTTP/2: connections, and streams of each at once. */
export const MUXES = 8;
export const STREAMS = 16;
/** Downloads at once. */
export const DOWNLOADS = 8;
/** Different requests of the multiplexed load: more than any table or cache of heads holds. */
const URIS = 5_000;

/** A kind of request, sent as often as goes through. */
export interface Workload {
  readonly name: string;
  /** What the CPU time is divided by, and how many of it a request is worth. */
  readonly unit: "request" | "MB";
  readonly units: number;
  run(port: number, seconds: number): Promise<Throughput>;
}

/** What the load saw. */
export interface Throughput {
  readonly requests: number;
  readonly perSecond: number;
  readonly errors: number;
}

/** Milliseconds at a fixed rate, from the moment a request was due. */
export interface Latency {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly errors: number;
}

export const VARIED = small("varied");
export const IDENTICAL = small("identical");
/** By TLS. */
export const SECURED_VARIED = small("varied", "https");
export const SECURED_IDENTICAL = small("identical", "https");
export const MULTIPLEXED_VARIED = multiplexed("varied", async (port) => {
  const uris = Array.from(
    { length: URIS },
    (_, i) => `http://127.0.0.1:${port}/api/items/${i}?page=${i % 97}&q=${i ** 3}`,
  );
  const file = `/tmp/bench-uris-${process.pid}`;
  await Bun.write(file, uris.join("\n"));
  return ["-i", file];
});
export const MULTIPLEXED_IDENTICAL = multiplexed("identical", async (port) => [
  `http://127.0.0.1:${port}/api/items?page=1`,
]);

/** A message of 20 bytes, and one of 100 in answer. */
export const GRPC: Workload = multiplexed("unary", async (port) => {
  const file = `/tmp/bench-message-${process.pid}`;
  await Bun.write(file, Buffer.concat([Buffer.of(0, 0, 0, 0, 20), Buffer.alloc(20, "x")]));
  return ["-d", file, "-H", "content-type: application/grpc", "-H", "te: trailers", `http://127.0.0.1:${port}/api/Get`];
});

/** Bodies of so many MB. */
export function download(megabytes: number): Workload {
  const env = { BENCH_PATH: `/api/${megabytes}mb` };
  return {
    name: `${megabytes} MB`,
    unit: "MB",
    units: megabytes,
    run: (port, seconds) => load(port, "download", DOWNLOADS, seconds, env),
  };
}

function small(name: string, scheme: "http" | "https" = "http"): Workload {
  const run = (port: number, seconds: number) => load(port, name, CONNECTIONS, seconds, {}, scheme);
  return { name, unit: "request", units: 1, run };
}

function multiplexed(name: string, request: (port: number) => Promise<readonly string[]>): Workload {
  const run = async (port: number, seconds: number): Promise<Throughput> => {
    const size = ["-c", String(MUXES), "-m", String(STREAMS), "-D", String(seconds)];
    return h2load([...size, "-H", "cookie: session=0000000000000000", ...(await request(port))]);
  };
  return { name, unit: "request", units: 1, run };
}

async function h2load(args: readonly string[]): Promise<Throughput> {
  const said = await output(["taskset", "-c", String(LOAD_CORE), "h2load", ...args]);
  const seen = /(\d+) done, (\d+) succeeded/.exec(said);
  const rate = /finished in [\d.]+m?s, ([\d.]+) req\/s/.exec(said);
  if (seen === null || rate === null) throw new Error(`Cannot read what h2load says: ${said.slice(-300)}`);
  const [done, succeeded] = seen.slice(1).map(Number) as [number, number];
  return { requests: done, perSecond: Number(rate[1]), errors: done - succeeded };
}

/** The requests of a Lua script beside this file. */
export async function load(
  port: number,
  kind: string,
  connections: number,
  seconds: number,
  env: Readonly<Record<string, string>> = {},
  scheme: "http" | "https" = "http",
): Promise<Throughput> {
  const script = join(import.meta.dir, `${kind}.lua`);
  const wrk = ["wrk", "-t1", `-c${connections}`, `-d${seconds}s`, "-s", script, `${scheme}://127.0.0.1:${port}/`];
  const more = Object.entries({ ...env, BENCH_DONE: join(import.meta.dir, "done.lua") });
  const words = more.map(([name, value]) => `${name}=${value}`);
  const said = await output(["taskset", "-c", String(LOAD_CORE), "env", ...words, ...wrk]);
  const { requests, micros, errors } = JSON.parse(said.slice(said.indexOf("{")));
  return { requests, perSecond: (requests * 1e6) / micros, errors };
}

/** A fixed rate of varied requests, whether answers come or not. */
export async function pace(port: number, seconds: number): Promise<Latency> {
  const client = [process.execPath, join(import.meta.dir, "latency.ts")];
  const args = [port, RATE, seconds, CONNECTIONS].map(String);
  return JSON.parse(await output(["taskset", "-c", String(LOAD_CORE), ...client, ...args]));
}
