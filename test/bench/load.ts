import { join } from "node:path";
import { output } from "../harness/mod.ts";
import { LOAD_CORE } from "./process.ts";

export const WORKLOADS = ["varied", "identical"] as const;
export type Workload = (typeof WORKLOADS)[number];

export const CONNECTIONS = 64;
export const RATE = 1000;

/** What wrk saw. */
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

/** As many requests as go through in the time. */
export function saturate(port: number, workload: Workload, seconds: number): Promise<Throughput> {
  return load(port, workload, CONNECTIONS, seconds);
}

/** The requests of a Lua script beside this file. */
export async function load(port: number, kind: string, connections: number, seconds: number): Promise<Throughput> {
  const script = join(import.meta.dir, `${kind}.lua`);
  const wrk = ["wrk", "-t1", `-c${connections}`, `-d${seconds}s`, "-s", script, `http://127.0.0.1:${port}/`];
  const done = `BENCH_DONE=${join(import.meta.dir, "done.lua")}`;
  const said = await output(["taskset", "-c", String(LOAD_CORE), "env", done, ...wrk]);
  const { requests, micros, errors } = JSON.parse(said.slice(said.indexOf("{")));
  return { requests, perSecond: (requests * 1e6) / micros, errors };
}

/** A fixed rate of varied requests, whether answers come or not. */
export async function pace(port: number, seconds: number): Promise<Latency> {
  const client = [process.execPath, join(import.meta.dir, "latency.ts")];
  const args = [port, RATE, seconds, CONNECTIONS].map(String);
  return JSON.parse(await output(["taskset", "-c", String(LOAD_CORE), ...client, ...args]));
}
