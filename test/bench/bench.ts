/**
 * What a request costs, beside HAProxy, nginx and Envoy: `npm run bench`.
 *
 *   npm run bench -- [--quick] [--rounds N] [--only WORD,…]
 *   npm run bench -- --soak [--seconds N]
 *   npm run bench -- --abuse [--only WORD,…]
 *
 * `--only` keeps peers and cases whose name contains a word; a partial or
 * quick run prints its tables and leaves RESULTS.md as it is. `--soak` looks
 * whether memory stays flat instead, `--abuse` what attacks by HTTP/2 do.
 * @module
 */
import { join } from "node:path";
import { parseArgs } from "node:util";
import { certificates, lacking, output } from "../harness/mod.ts";
import { abuse } from "./abuse.ts";
import { ATTACKS } from "./attacks.ts";
import { CASES, type Case } from "./case.ts";
import type { Latency } from "./load.ts";
import type { Peer } from "./peer.ts";
import { envoy } from "./peers/envoy.ts";
import { haproxy } from "./peers/haproxy.ts";
import { mesh } from "./peers/mesh.ts";
import { nginx } from "./peers/nginx.ts";
import { markdown, NOISE, policies, ratios } from "./report.ts";
import { directLatency, isDisturbed, type Origin, type Plan, playRound, type Round, startOrigin } from "./round.ts";
import { soak } from "./soak.ts";

const RESULTS = join(import.meta.dir, "RESULTS.md");
const PEERS: readonly Peer[] = [mesh, haproxy, nginx, envoy, { ...haproxy, name: NOISE }];
const FULL: Plan = { idle: 2, warmUp: 2, saturate: 4, pace: 5 };
const QUICK: Plan = { idle: 0.5, warmUp: 1, saturate: 1, pace: 1 };
const SOAK_SECONDS = 120;

const { values: options } = parseArgs({
  options: {
    quick: { type: "boolean" },
    rounds: { type: "string" },
    only: { type: "string" },
    soak: { type: "boolean" },
    abuse: { type: "boolean" },
    seconds: { type: "string" },
  },
});
const words = options.only?.toLowerCase().split(",") ?? [];
const plan = options.quick ? QUICK : FULL;
const rounds = Number(options.rounds ?? (options.quick ? 1 : 3));

const impossible = lacking({ programs: ["wrk", "h2load", "nginx", "nghttpd", "taskset", "openssl"] });
if (impossible !== null) {
  console.error(`Cannot measure: ${impossible}`);
  process.exit(1);
}
if (options.soak) process.exitCode = (await soak(Number(options.seconds ?? SOAK_SECONDS))) ? 0 : 1;
else if (options.abuse) {
  const { peers } = await present();
  const attacks = ATTACKS.filter((attack) => isWanted(attack, ATTACKS));
  await abuse(
    peers.filter(({ name }) => name !== NOISE),
    attacks,
  );
} else await main();

async function main(): Promise<void> {
  const { peers, missing } = await present();
  await using origin = await startOrigin();
  const { played, direct } = await play(peers, origin);
  const report = { played, direct, missing, plan, rounds, versions: await versions(), policy: policiesOf(peers) };
  const text = markdown(report);
  console.log(`\n${text}\n${ratios(played)}\n${policies(played)}`);
  if (words.length === 0 && !options.quick) await Bun.write(RESULTS, text);
}

/** Plays all rounds, the peers in turn within each: what disturbs a minute disturbs them alike. */
async function play(peers: readonly Peer[], origin: Origin) {
  await using authority = await certificates();
  const names = CASES.map(({ name }) => name);
  const cases = CASES.filter(({ name }) => isWanted(name, names));
  const played = new Map<Case, Map<string, Round[]>>(cases.map((kind) => [kind, new Map()]));
  const direct: Latency[] = [];
  for (let number = 1; number <= rounds; number++) {
    direct.push(await directLatency(origin, plan));
    for (const kind of cases) {
      for (const peer of peers) {
        if (kind.policy && peer.policy === undefined) continue;
        if (kind.bytes && !peer.bytes) continue;
        const round = await quietRound(() => playRound(peer, kind, origin, authority, plan));
        const before = played.get(kind)!.get(peer.name) ?? [];
        played.get(kind)!.set(peer.name, [...before, round]);
        console.log(`round ${number}, ${kind.name}, ${peer.name}: ${costs(round)}`);
      }
    }
  }
  return { played, direct };
}

function costs({ load }: Round): string {
  return [...load].map(([{ name, unit }, { cpu }]) => `${name} ${cpu.toFixed(1)} us/${unit}`).join(", ");
}

/** A round that others did not disturb, or the third try. */
async function quietRound(play: () => Promise<Round>): Promise<Round> {
  let round = await play();
  for (let again = 0; again < 2 && !options.quick && isDisturbed(round); again++) round = await play();
  return round;
}

async function present(): Promise<{ peers: readonly Peer[]; missing: readonly string[] }> {
  const peers: Peer[] = [];
  const missing: string[] = [];
  for (const peer of PEERS.filter(({ name }) =>
    isWanted(
      name,
      PEERS.map((each) => each.name),
    ),
  )) {
    const reason = await peer.lacking();
    if (reason === null) peers.push(peer);
    else missing.push(`${peer.name} (${reason})`);
  }
  for (const line of missing) console.log(`left out: ${line}`);
  return { peers, missing };
}

function policiesOf(peers: readonly Peer[]): string[] {
  return peers.flatMap(({ name, policy }) => (policy === undefined ? [] : [`${name} runs ${policy}`]));
}

/** Whether the words name it, or none of its kind. */
function isWanted(name: string, all: readonly string[]): boolean {
  const named = (each: string): boolean => words.some((word) => each.toLowerCase().includes(word));
  return named(name) || !all.some(named);
}

async function versions(): Promise<string[]> {
  const first = async (...command: string[]): Promise<string> =>
    (await output(["sh", "-c", `${command.join(" ")} 2>&1 || true`])).split("\n")[0]!.trim();
  return [`Bun ${Bun.version}`, await first("haproxy", "-v"), await first("nginx", "-v"), "Envoy 1.40.0"];
}
