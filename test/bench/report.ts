import { cpus, release } from "node:os";
import { CASES, type Case, withoutPolicy } from "./case.ts";
import { CONNECTIONS, DOWNLOADS, type Latency, MUXES, RATE, STREAMS, type Workload } from "./load.ts";
import type { Memory } from "./process.ts";
import type { Plan, Round } from "./round.ts";

/** Rounds of each peer in each case, in the order they were played. */
export type Played = ReadonlyMap<Case, ReadonlyMap<string, readonly Round[]>>;

export interface Report {
  readonly played: Played;
  readonly direct: readonly Latency[];
  readonly missing: readonly string[];
  readonly plan: Plan;
  readonly rounds: number;
  readonly versions: readonly string[];
  /** What runs the policy of each peer that has one. */
  readonly policy: readonly string[];
}

/** The peer whose second row, played like any other, shows how far two equal things lie apart. */
export const NOISE = "HAProxy again";
const BASE = "HAProxy";

/** What DESIGN allows an Extism policy to add to a request, microseconds. */
const POLICY_US = 4;

/** The whole report as Markdown. */
export function markdown(report: Report): string {
  return [
    "# Numbers\n",
    ratios(report.played),
    policies(report.played),
    ...CASES.filter((kind) => report.played.has(kind)).map((kind) => section(kind, report)),
    method(report),
  ].join("\n");
}

/** The table that counts: CPU time of a request, or of a MB, through mesh, as a multiple of each peer's. */
export function ratios(played: Played): string {
  const rows: string[][] = [];
  for (const [kind, peers] of played) {
    const ours = peers.get("mesh");
    if (!ours) continue;
    for (const workload of kind.workloads) {
      for (const [name, rounds] of peers) {
        if (name === "mesh" || name === NOISE) continue;
        const reach = workload === kind.workloads[0] ? (kind.reach[name]?.toFixed(2) ?? "") : "";
        const ratio = (cpu(ours, workload) / cpu(rounds, workload)).toFixed(2);
        rows.push([kind.name, workload.name, `mesh / ${name}`, ratio, reach]);
      }
    }
  }
  if (rows.length === 0) return "mesh was not measured.\n";
  return table(["case", "requests", "CPU time", "ratio", "to reach at most"], rows);
}

/** What a policy costs: the difference between two cases of one run. */
export function policies(played: Played): string {
  const kind = CASES.find(({ policy }) => policy)!;
  const rows = [...(played.get(kind) ?? [])].flatMap(([name, rounds]) => {
    const without = played.get(withoutPolicy(kind))?.get(name);
    if (!without) return [];
    const added = kind.workloads.map((workload) => (cpu(rounds, workload) - cpu(without, workload)).toFixed(1));
    return [[name, ...added, name === "mesh" ? String(POLICY_US) : ""]];
  });
  if (rows.length === 0) return "";
  return table(["one policy adds, us/request", ...kind.workloads.map(({ name }) => name), "to reach at most"], rows);
}

function section(kind: Case, { played, direct }: Report): string {
  const peers = [...played.get(kind)!];
  const base = played.get(kind)!.get(BASE);
  const cost = kind.workloads.map((workload) =>
    table(
      [
        `${workload.name} requests`,
        `CPU us/${workload.unit}`,
        `x ${BASE}`,
        "requests/s",
        "errors",
        "rounds (us)",
        "others on the core",
      ],
      peers.map(([name, rounds]) => [
        name,
        cpu(rounds, workload).toFixed(1),
        base ? (cpu(rounds, workload) / cpu(base, workload)).toFixed(2) : "",
        median(rounds, (round) => round.load.get(workload)!.perSecond).toFixed(0),
        String(rounds.reduce((sum, round) => sum + round.load.get(workload)!.errors, 0)),
        rounds.map((round) => round.load.get(workload)!.cpu.toFixed(1)).join(" "),
        Math.max(...rounds.map((round) => round.load.get(workload)!.foreign)).toFixed(2),
      ]),
    ),
  );
  const paced = kind.paced ? [latencies(kind, peers, direct)] : [];
  return [`## ${kind.name}\n`, ...cost, ...paced, footprint(peers)].join("\n");
}

function latencies(
  { beside }: Case,
  peers: readonly (readonly [string, readonly Round[]])[],
  direct: readonly Latency[],
): string {
  const row = (name: string, all: readonly Latency[], cpuAtRate: string): string[] => [
    name,
    ...(["p50", "p90", "p99"] as const).map((quantile) => median(all, (each) => each[quantile]).toFixed(2)),
    all.map((each) => each.p99.toFixed(2)).join(" "),
    cpuAtRate,
    String(all.reduce((sum, each) => sum + each.errors, 0)),
  ];
  return table(
    [
      `${RATE} small requests/s${beside ? ` beside bodies of ${beside.name}` : ""}, ms`,
      "p50",
      "p90",
      "p99",
      "p99 of rounds",
      "CPU us/request",
      "errors",
    ],
    [
      row("direct", direct, ""),
      ...peers.map(([name, rounds]) =>
        row(
          name,
          rounds.map(({ paced }) => paced!.latency),
          beside ? "" : median(rounds, ({ paced }) => paced!.cpu).toFixed(0),
        ),
      ),
    ],
  );
}

function footprint(peers: readonly (readonly [string, readonly Round[]])[]): string {
  const both = (rounds: readonly Round[], of: (round: Round) => Memory): string[] => [
    median(rounds, (round) => of(round).rss).toFixed(1),
    median(rounds, (round) => of(round).anonymous).toFixed(1),
  ];
  return table(
    ["memory, MB", "idle RSS", "idle private", "loaded RSS", "loaded private", "first answer after, ms"],
    peers.map(([name, rounds]) => [
      name,
      ...both(rounds, (round) => round.idle),
      ...both(rounds, (round) => round.underLoad),
      median(rounds, (round) => round.startMs).toFixed(0),
    ]),
  );
}

function method({ plan, rounds, missing, versions, policy }: Report): string {
  return `## Machine and method

${cpus().length} x ${cpus()[0]?.model ?? "unknown processor"}, Linux ${release()}. ${versions.join(", ")}.
${missing.length > 0 ? `Left out: ${missing.join("; ")}.\n` : ""}
- The proxies have core 0 for themselves; the load (wrk, ${CONNECTIONS} connections kept alive) and the origin
  (nginx, 100-byte answers) share core 1. "others on the core" is what else ran on core 0, in cores.
- HTTP/2 is h2load with ${MUXES} connections of ${STREAMS} streams, before the same origin in HTTP/1.1; gRPC is h2load with a
  message of 20 bytes, before nghttpd, which answers one of 100 and grpc-status by trailer. Where two proxies stand
  between, they speak HTTP/2 with each other. Its varied requests are 5,000 different paths and queries.
- Large bodies are GETs by wrk, ${DOWNLOADS} at once, in HTTP/1.1; their CPU time is per MB.
- Every proxy runs with one thread, a route on \`/api/\`, metrics on and access log off; with two hops, TLS 1.3
  between them, a certificate asked of both sides, and the numbers are sums over both.
- "one policy": ${policy.join("; ")}. It asks for one header, which no request has. Peers without such
  a thing take no part. Envoy's Proxy-Wasm, the nearest of kin, is not measured.
- CPU time is what the scheduler charged to all threads of the proxies (schedstat), over the requests that wrk
  counted. It tells the cost of a request even where wrk or the origin is the limit.
- "varied": every request has another path, query and traceparent, and one of 64 cookies. This is the row that
  counts; "identical" requests flatter whoever caches heads.
- ${rounds} rounds, peers in turn within a round, a fresh process each: ${plan.idle} s idle, ${plan.warmUp} s warm-up and
  ${plan.saturate} s of load for each kind of request, ${plan.pace} s at ${RATE} requests/s (open loop: requests do not wait for
  answers). Medians over the rounds. A round in which others took more than 0.12 of the core was played again,
  at most twice. "${NOISE}" is the same program a second time: nothing closer than these
  two rows says anything.
- "private" is anonymous memory; the rest of RSS is file pages, mostly of the executable, which processes share.
`;
}

function cpu(rounds: readonly Round[], workload: Workload): number {
  return median(rounds, (round) => round.load.get(workload)!.cpu);
}

export function median<T>(items: readonly T[], of: (item: T) => number): number {
  const sorted = items.map(of).toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : ((sorted[middle - 1] ?? Number.NaN) + sorted[middle]!) / 2;
}

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return `${[line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n")}\n`;
}
