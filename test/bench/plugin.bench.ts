/**
 * What a policy costs a request: `bun test/bench/plugin.bench.ts`. CPU time of
 * this process per call, the best of several rounds, so that a busy machine
 * shows less. A policy that answers at once shows the host's share: writing
 * the request as JSON, the call, reading the answer. `reference` is the same
 * module in the runtime of the Extism project.
 */
import { systemClock } from "../../core/base/mod.ts";
import { ReferencePlugin } from "../../core/plugin/extism/mod.ts";
import { assemble } from "../../core/plugin/kernel/build.ts";
import type { Plugin } from "../../core/plugin/mod.ts";
import { SharedCounters } from "../../core/plugin/mod.ts";
import { builtin } from "../../plugins/builtin.ts";
import { requestHead } from "../harness/head.ts";
import { FACTS, policyEngine, policyText } from "../harness/policy.ts";

const ROUNDS = 12;
const CALLS = 20_000;
const REFERENCE_CALLS = 3_000;

/** Eight headers, 390 bytes of head, 600 bytes of JSON; every request differs. */
const HEADS = Array.from({ length: 64 }, (_, i) =>
  requestHead({
    target: `/api/items/${i}?id=${i * 7}&sort=asc`,
    headers: [
      ["Host", "web.shop.svc:8080"],
      ["User-Agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"],
      ["Accept", "text/html,application/xhtml+xml,application/xml;q=0.9"],
      ["Accept-Encoding", "gzip, deflate, br"],
      ["X-Api-Key", "key-of-alice"],
      ["X-Request-Id", `6f1c4a3e-1c62-4f6e-9d4a-0f2b7f1d8${100 + i}`],
      ["Traceparent", `00-4bf92f3577b34da6a3ce929d0e0e4${100 + i}-00f067aa0ba902b7-01`],
      ["Cookie", `session=abc${i}; theme=dark`],
    ],
  }),
);

const CONFIGS: Readonly<Record<string, Record<string, string>>> = {
  canary: { destination: "web-v2", header: "x-tester" },
  "rate-limit": { limit: "1000000000", key: "header:x-api-key" },
  "api-key": { keys: '{"alice":"key-of-alice","bob":"key-of-bob"}' },
};

const { shelf, load } = policyEngine(systemClock);
const constant = assemble(policyText('{"action":"continue"}'));
const [nothing] = await load(shelf.put(constant, { id: "bench/constant" }));
report("answers at once", perCall(nothing!), null);
for (const [name, config] of Object.entries(CONFIGS)) {
  const { bytes } = (await builtin(name))!;
  const [plugin] = await load(shelf.put(bytes, { id: `bench/${name}`, config }));
  report(name, perCall(plugin!), await perReferenceCall(bytes, config));
}

function report(name: string, own: number, reference: number | null): void {
  const beside = reference === null ? "" : `, reference ${(reference / 1000).toFixed(2)} us`;
  console.log(`${name.padEnd(16)} ${(own / 1000).toFixed(2)} us${beside}`);
}

/** Nanoseconds of CPU for one call. */
function perCall(plugin: Plugin): number {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const start = cpuMicroseconds();
    for (let i = 0; i < CALLS; i++) plugin.onRequest(HEADS[i & 63]!, FACTS);
    best = Math.min(best, cpuMicroseconds() - start);
  }
  return (best / CALLS) * 1000;
}

async function perReferenceCall(bytes: Uint8Array, config: Record<string, string>): Promise<number> {
  const counters = new SharedCounters(SharedCounters.allocate(256, systemClock.now(), 1));
  const plugin = await ReferencePlugin.start(bytes, { config, counters, scope: 1, clock: systemClock });
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 4; round++) {
    const start = cpuMicroseconds();
    for (let i = 0; i < REFERENCE_CALLS; i++) await plugin.onRequest(HEADS[i & 63]!, FACTS);
    best = Math.min(best, cpuMicroseconds() - start);
  }
  return (best / REFERENCE_CALLS) * 1000;
}

function cpuMicroseconds(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}
