import { messageOf, systemClock } from "../core/base/mod.ts";
import { formatDuration } from "../core/config/mod.ts";
import { ACTS, type Seen } from "./demo/acts.ts";
import { Stage } from "./demo/stage.ts";
import { pause, Stream } from "./demo/traffic.ts";
import { duration } from "./flag.ts";
import { firstSignal } from "./signals.ts";
import { tableText } from "./table.ts";
import { type Paint, painter } from "./terminal.ts";
import { defineVerb } from "./verb.ts";

export const verb = defineVerb({
  flags: {
    duration: duration({ hint: "TIME", about: "end after so long, but not before all was shown; left out, on Ctrl-C" }),
  },
  details: [
    "Starts a control plane and sample services with sidecars on this machine, sends real traffic through them, and shows",
    "what a mesh does: mutual TLS, weighted splits, WASM policies, an instance that is killed. Everything listens on",
    "loopback, on ports that are free, keeps its files in a temporary directory, and is gone when it ends.",
    "Exit code 0 only if all of it was seen.",
  ].join(" "),
  examples: [
    ["mesh demo", "show it, and leave it running to be tried until Ctrl-C"],
    ["mesh demo --duration 20s", "show it, go on with traffic until then, and end"],
  ],
  async run({ flags }) {
    const started = systemClock.monotonic();
    const paint = painter();
    const stage = new Stage(say);
    const stopped = firstSignal();
    const results: Result[] = [];
    try {
      const whole = await Promise.race([show(stage, paint, results).then(() => true), stopped.then(() => false)]);
      if (whole && flags.duration !== null) {
        const leftMs = flags.duration - (systemClock.monotonic() - started);
        await Promise.race([goOn(stage, paint, leftMs), stopped]);
      }
      if (results.length > 0) summary(paint, results, systemClock.monotonic() - started);
      if (whole && flags.duration === null) {
        invite(stage, paint);
        await stopped;
      }
      return results.length === ACTS.length && results.every(({ held }) => held) ? 0 : 1;
    } finally {
      say("ending all of it");
      await stage.end();
    }
  },
});

interface Result extends Seen {
  readonly name: string;
}

function say(line: string): void {
  console.log(`    ${line}`);
}

/** Shows all acts, one after another; an act that breaks is one that was not seen. */
async function show(stage: Stage, paint: Paint, results: Result[]): Promise<void> {
  heading(paint, "starting a control plane and four sidecars, each with its app");
  await stage.start();
  for (const [i, act] of ACTS.entries()) {
    heading(paint, `${i + 1} of ${ACTS.length}: ${act.name}`);
    const seen = await act.show(stage, say).catch((error) => ({ held: false, evidence: messageOf(error) }));
    results.push({ name: act.name, ...seen });
  }
}

/** Sends traffic for the rest of the time. */
async function goOn(stage: Stage, paint: Paint, ms: number): Promise<void> {
  if (ms <= 0) return;
  heading(paint, `traffic for another ${formatDuration(Math.ceil(ms / 1000) * 1000)}`);
  const traffic = new Stream(stage.webUrl);
  await pause(ms);
  await traffic.stop();
  say(`${traffic.sent} requests, ${traffic.failed} failed`);
}

/** Where the mesh may be tried while it runs. */
function invite(stage: Stage, paint: Paint): void {
  const doors = stage.instance("shop").sidecar.ready;
  heading(paint, "it goes on until Ctrl-C; try");
  say(`curl ${stage.webUrl}/hello`);
  say(`curl -x http://${doors["outbound"]} http://web/hello`);
  say(`curl http://${doors["metrics"]}/metrics`);
  say(`curl http://${doors["admin"]}/clusters?pretty`);
  say(`mesh status --control ${stage.api} --data ${stage.data}`);
}

function summary(paint: Paint, results: readonly Result[], elapsedMs: number): void {
  heading(paint, `seen in ${formatDuration(Math.round(elapsedMs / 1000) * 1000)}`);
  const rows = ACTS.map(({ name }) => {
    const result = results.find((each) => each.name === name);
    if (result === undefined) return [paint("not shown", "warn"), name, ""];
    return [result.held ? paint("seen", "good") : paint("NOT SEEN", "bad"), name, result.evidence];
  });
  console.log(tableText([], rows).replace(/^/gm, "    "));
}

function heading(paint: Paint, text: string): void {
  console.log(`\n${paint(text, "bold")}`);
}
