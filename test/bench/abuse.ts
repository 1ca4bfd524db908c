/**
 * What attacks by HTTP/2 do to a proxy: to its memory, and to the latency of
 * another client.
 * @module
 */
import { join } from "node:path";
import { type Certificates, certificates, output } from "../harness/mod.ts";
import { type Attack, FRAMES, RESETS, STREAMS_HELD } from "./attacks.ts";
import type { Case } from "./case.ts";
import { type Latency, pace, RATE } from "./load.ts";
import type { Peer } from "./peer.ts";
import { LOAD_CORE, type Memory, memoryOf } from "./process.ts";
import { table } from "./report.ts";
import { type Origin, startHops, startOrigin } from "./round.ts";

const SECONDS = 4;
const SAMPLE_MS = 50;

/** What an attacker saw: frames it got rid of, the connections that took, how long it was at it. */
interface Seen {
  readonly frames: number;
  readonly connections: number;
  readonly ms: number;
}

/** Attacks each peer in each way, and prints what became of it. */
export async function abuse(peers: readonly Peer[], attacks: readonly Attack[]): Promise<void> {
  await using origin = await startOrigin();
  await using authority = await certificates();
  for (const attack of attacks) {
    const rows: string[][] = [];
    for (const peer of peers) rows.push([peer.name, ...(await attacked(peer, attack, origin, authority))]);
    console.log(table(HEAD.with(0, attack), rows));
  }
  console.log(`${RESETS} resets, ${STREAMS_HELD} streams of 16 MB that open no window, ${FRAMES} frames of the other kinds
with unread answers; a connection that is ended is followed by another. p50 and p99 are those of another client at
${RATE} requests/s, alone and beside the attack; memory is the most that was seen.\n`);
}

const HEAD = [
  "",
  "frames taken",
  "connections",
  "after, ms",
  "p50 alone, ms",
  "beside it",
  "p99 alone, ms",
  "beside it",
  "errors",
  "RSS before, MB",
  "most",
  "private before, MB",
  "most",
];

async function attacked(peer: Peer, attack: Attack, origin: Origin, authority: Certificates): Promise<string[]> {
  await using hops = await startHops(peer, UNDER_ATTACK, origin, authority);
  await pace(hops.plainPort, 2);
  const alone = await pace(hops.plainPort, SECONDS);
  const before = memoryOf(hops.programs);
  let most = before;
  const timer = setInterval(() => {
    const now = memoryOf(hops.programs);
    most = { rss: Math.max(most.rss, now.rss), anonymous: Math.max(most.anonymous, now.anonymous) };
  }, SAMPLE_MS);
  const [beside, seen] = await Promise.all([pace(hops.plainPort, SECONDS), act(attack, hops.port)]);
  clearInterval(timer);
  return [...progress(seen), ...latencies(alone, beside), ...memories(before, most)];
}

async function act(attack: Attack, port: number): Promise<Seen> {
  const client = [process.execPath, join(import.meta.dir, "attack.ts"), attack, String(port)];
  await Bun.sleep(1_000);
  return JSON.parse(await output(["taskset", "-c", String(LOAD_CORE), ...client]));
}

function progress({ frames, connections, ms }: Seen): string[] {
  return [String(frames), String(connections), ms.toFixed(0)];
}

function latencies(alone: Latency, beside: Latency): string[] {
  const both = (of: "p50" | "p99"): string[] => [alone[of].toFixed(2), beside[of].toFixed(2)];
  return [...both("p50"), ...both("p99"), String(beside.errors)];
}

function memories(before: Memory, most: Memory): string[] {
  return [before.rss, most.rss, before.anonymous, most.anonymous].map((megabytes) => megabytes.toFixed(1));
}

/** One hop that takes HTTP/2 of strangers. */
const UNDER_ATTACK: Case = {
  name: "under attack",
  hops: 1,
  policy: false,
  takes: "http2",
  origin: "http1",
  workloads: [],
  paced: true,
  reach: {},
};
