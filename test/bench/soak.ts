/**
 * Whether memory stays flat under mixed traffic: requests that all differ,
 * a connection for each request, and bodies of 1 MB both ways, all at once.
 * @module
 */
import { readdirSync } from "node:fs";
import { type Certificates, certificates, temporaryFolder } from "../harness/mod.ts";
import { load, type Throughput } from "./load.ts";
import { SPIFFE_ID } from "./peer.ts";
import { mesh } from "./peers/mesh.ts";
import { nginxCommand } from "./peers/nginx.ts";
import { LOAD_CORE, type Memory, memoryOf, type Pinned, PROXY_CORE, startPinned } from "./process.ts";
import { median, table } from "./report.ts";
import { answers, freePort } from "./round.ts";

/** Connections of each kind of traffic. */
const TRAFFIC = { varied: 32, churn: 4, download: 4, upload: 4 } as const;
const HTTP1 = { takes: "http1", speaks: "http1" } as const;
const ROWS = 12;
const QUIET_SECONDS = 10;
/** How far the end may lie above the beginning: garbage of large bodies comes and goes by more than that. */
const TOLERANCE = 1.1;

interface Sample extends Memory {
  /** Open descriptors. */
  readonly open: number;
}

/** Soaks one hop, prints what it saw, and says whether memory was flat. */
export async function soak(seconds: number): Promise<boolean> {
  await using folder = temporaryFolder();
  await using authority = await certificates();
  const upstream = freePort();
  await folder.write("www/api/large", "x".repeat(1024 * 1024));
  // nginx reads a body to its end only where it has somewhere to send it.
  const server = `client_max_body_size 0; client_body_buffer_size 2m; server { listen 127.0.0.1:${upstream} backlog=1024;
    location / { return 200 "${"x".repeat(100)}"; }
    location = /api/large { root ${folder.path}/www; }
    location = /api/upload { proxy_pass http://127.0.0.1:${upstream}/; proxy_pass_request_body off; proxy_set_header Content-Length ""; } }`;
  const origin = startPinned(LOAD_CORE, await nginxCommand(folder, server));
  const port = freePort();
  const proxy = await startProxy(authority, port, upstream);
  try {
    await answers(port, proxy.log);
    const idle = sample(proxy.program);
    const { samples, seen } = await run(proxy.program, port, seconds);
    await Bun.sleep(QUIET_SECONDS * 1000);
    console.log(rows(idle, samples, sample(proxy.program)));
    console.log(counts(seen, seconds));
    return isFlat(samples);
  } finally {
    await Promise.all([proxy.program.stop(), origin.stop()]);
    await proxy.folder[Symbol.asyncDispose]();
  }
}

async function startProxy(authority: Certificates, port: number, upstream: number) {
  const folder = temporaryFolder();
  const identity = await authority.issue(SPIFFE_ID, 3600);
  const hop = {
    plainPort: freePort(),
    folder,
    port,
    accepts: "plain",
    upstream,
    dials: "plain",
    ...HTTP1,
    admin: freePort(),
    identity,
  } as const;
  const log = `${folder.path}/log`;
  const command = await mesh.command({ ...hop, policy: true, bytes: false });
  return { folder, log, program: startPinned(PROXY_CORE, command, log) };
}

/** All traffic at once, and a sample each second. */
async function run(program: Pinned, port: number, seconds: number) {
  const samples: Sample[] = [];
  const timer = setInterval(() => samples.push(sample(program)), 1000);
  const kinds = Object.entries(TRAFFIC);
  const seen = await Promise.all(
    kinds.map(async ([kind, connections]) => [kind, await load(port, kind, connections, seconds)] as const),
  );
  clearInterval(timer);
  return { samples, seen };
}

function sample(program: Pinned): Sample {
  return { ...memoryOf([program]), open: readdirSync(`/proc/${program.pid}/fd`).length };
}

function rows(idle: Sample, samples: readonly Sample[], after: Sample): string {
  const row = (name: string, part: readonly Sample[]): string[] => [
    name,
    median(part, ({ rss }) => rss).toFixed(1),
    ...[Math.min, middle, Math.max].map((of) => of(...part.map(({ anonymous }) => anonymous)).toFixed(1)),
    median(part, ({ open }) => open).toFixed(0),
  ];
  const size = Math.ceil(samples.length / ROWS);
  const parts = Array.from({ length: ROWS }, (_, i) => samples.slice(i * size, (i + 1) * size));
  return table(
    ["seconds", "RSS, MB", "private, least", "median", "most", "descriptors"],
    [
      row("idle", [idle]),
      ...parts.filter((part) => part.length > 0).map((part, i) => row(`${i * size}–${i * size + part.length}`, part)),
      row(`${QUIET_SECONDS} s behind it`, [after]),
    ],
  );
}

function middle(...values: readonly number[]): number {
  return median(values, (value) => value);
}

function counts(seen: readonly (readonly [string, Throughput])[], seconds: number): string {
  return table(
    ["traffic", "connections", "requests", "requests/s", "errors"],
    seen.map(([kind, { requests, errors }]) => [
      kind,
      String(TRAFFIC[kind as keyof typeof TRAFFIC]),
      String(requests),
      (requests / seconds).toFixed(0),
      String(errors),
    ]),
  );
}

/** The last quarter against the second: in the first the compiler and the pools still settle. */
function isFlat(samples: readonly Sample[]): boolean {
  const quarter = Math.floor(samples.length / 4);
  const of = (part: readonly Sample[]): number => median(part, ({ anonymous }) => anonymous);
  const [second, last] = [of(samples.slice(quarter, 2 * quarter)), of(samples.slice(-quarter))];
  const flat = last <= second * TOLERANCE;
  console.log(
    `Private memory is ${flat ? "flat" : "NOT flat"}: ${second.toFixed(1)} MB in the second quarter, ${last.toFixed(1)} MB in the last.`,
  );
  return flat;
}
