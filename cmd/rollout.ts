import { systemClock } from "../core/base/mod.ts";
import type { RolloutRow, RolloutSide, RolloutStepRow } from "../core/control/client/mod.ts";
import { agoText, roughDuration } from "./ago.ts";
import { CLIENT_FLAGS, clientOf } from "./client.ts";
import { count, duration, required, text, toggle, valued, withDefault } from "./flag.ts";
import { kindOf, namespaceFlag } from "./kind.ts";
import { outputFlag } from "./output.ts";
import { tableText } from "./table.ts";
import { painter } from "./terminal.ts";
import { Usage } from "./usage.ts";
import { defineVerb, type Group } from "./verb.ts";

/** How often `--wait` looks. */
const LOOK_MS = 500;

/** The rule whose weights move, in every verb of the group. */
const WHICH = {
  kind: withDefault(text({ hint: "KIND", about: "HTTPRoute or GRPCRoute" }), "HTTPRoute"),
  namespace: namespaceFlag(),
  rule: withDefault(text({ hint: "RULE", about: "name of the rule, or its number from 0" }), "0"),
} as const;

const percent = (about: string) =>
  valued("a percentage like 1 or 0.5", (given) => (/^\d{1,5}(\.\d{1,3})?$/.test(given) ? Number(given) / 100 : null), {
    hint: "PERCENT",
    about,
  });

function parseSteps(given: string): readonly number[] | null {
  const steps = given.split(",").map(Number);
  return steps.every((step, i) => step > (steps[i - 1] ?? 0) && step <= 100) ? steps : null;
}

const start = defineVerb({
  operands: ["ROUTE"],
  flags: {
    ...WHICH,
    to: required(text({ hint: "BACKEND", about: "backend of the rule that is to take over" })),
    steps: withDefault(
      valued("rising percentages like 5,25,50,100", parseSteps, {
        hint: "LIST",
        about: "percent for it, step by step",
      }),
      "5,25,50,100",
    ),
    interval: withDefault(duration({ hint: "TIME", about: "how long a step is watched" }), "30s"),
    minRequests: withDefault(count({ hint: "N", about: "requests that a judgement takes" }), "20"),
    maxErrors: withDefault(percent("how many percent more of them may fail than of the old"), "1"),
    maxLatency: withDefault(percent("how many percent longer nine of ten may take than with the old"), "50"),
    wait: toggle("follow it to its end; exit code 1 where it is aborted"),
    output: outputFlag(),
    ...CLIENT_FLAGS,
  },
  details: [
    "Gives a backend of a rule more and more of its requests, and compares what all proxies see of it with the others.",
    "A step is held when the share of failures and the latency are; else everything goes back by itself, at once.",
    "The backend must be in the rule already, for instance with weight 0.",
  ].join(" "),
  examples: [
    ["mesh rollout start web --to web-v2", "in four steps of half a minute"],
    ["mesh rollout start web --to web-v2 --steps 1,10,100 --interval 5m --wait", "slowly, and wait for the end"],
  ],
  async run({ flags, operands: [route = ""] }) {
    const client = clientOf(flags);
    const row = await client.startRollout({
      ...{ kind: kindFlag(flags.kind), namespace: flags.namespace, route, rule: flags.rule, to: flags.to },
      ...{ steps: flags.steps, intervalMs: flags.interval, minRequests: flags.minRequests },
      ...{ maxErrorIncrease: flags.maxErrors, maxLatencyIncrease: flags.maxLatency },
    });
    if (!flags.wait) {
      print(row, flags.output);
      return 0;
    }
    return await follow(client, row.key, flags.output);
  },
});

type Client = ReturnType<typeof clientOf>;

/** Tells of every change until nothing moves by itself any more. */
async function follow(client: Client, key: string, output: "table" | "json"): Promise<number> {
  for (let told = ""; ; await new Promise<void>((resolve) => void systemClock.after(LOOK_MS, resolve))) {
    const row = (await client.rollouts()).find((each) => each.key === key);
    if (row === undefined) throw new Error(`Cannot follow the rollout of ${key}: it is gone`);
    const line = `${row.state}  ${row.reason}`;
    if (output === "table" && line !== told) console.log(line);
    told = line;
    if (row.state === "Progressing") continue;
    if (output === "json") console.log(JSON.stringify(row));
    return row.state === "Promoted" ? 0 : 1;
  }
}

const status = defineVerb({
  operands: ["[ROUTE]"],
  flags: { namespace: namespaceFlag(), output: outputFlag(), ...CLIENT_FLAGS },
  details: "All rollouts that are kept, or those of one route with the record of every step.",
  examples: [
    ["mesh rollout status", "a table"],
    ["mesh rollout status web", "every step of the newest rollout of a route"],
  ],
  async run({ flags, operands: [route] }) {
    const rows = await clientOf(flags).rollouts();
    const own = rows.filter(({ plan }) => route === undefined || isOf(plan, flags.namespace, route));
    if (flags.output === "json") console.log(JSON.stringify(own));
    else if (route !== undefined && own[0] !== undefined) console.log(detailsText(own[0]));
    else console.log(own.length === 0 ? "no rollouts" : listText(own));
    return 0;
  },
});

function isOf(plan: RolloutRow["plan"], namespace: string, route: string): boolean {
  return plan.namespace === namespace && plan.route === route;
}

function listText(rows: readonly RolloutRow[]): string {
  const now = systemClock.now();
  const cells = rows.map(({ plan, state, reason, startedAt, startedBy }) => [
    ...[plan.namespace, `${plan.kind}/${plan.route}`, plan.rule, plan.to, stateText(state)],
    ...[`${agoText(startedAt, now)} by ${startedBy}`, reason],
  ]);
  return tableText(["namespace", "route", "rule", "to", "state", "started", "reason"], cells);
}

function detailsText(row: RolloutRow): string {
  const { plan, state, reason, weights, before, steps } = row;
  const head = [
    `${plan.kind} ${plan.namespace}/${plan.route}, rule ${plan.rule}, to ${plan.to}: ${stateText(state)}`,
    reason,
    `weights ${(state === "Aborted" ? before : weights).join(", ")}; before ${before.join(", ")}`,
  ];
  const rows = steps.map(stepCells);
  return [...head, ...(rows.length === 0 ? [] : ["", tableText(STEP_HEADINGS, rows)])].join("\n");
}

const STEP_HEADINGS = ["step", "took", "new", "failed", "p90", "old", "failed", "p90", "verdict", "reason"];

function stepCells(step: RolloutStepRow): readonly string[] {
  const took = step.endedAt === null ? "" : roughDuration(step.endedAt - step.startedAt);
  const paint = painter();
  const verdict = paint(step.verdict, step.verdict === "failed" ? "bad" : step.verdict === "held" ? "good" : "warn");
  return [`${step.percent} %`, took, ...sideCells(step.new), ...sideCells(step.old), verdict, step.reason];
}

function sideCells(side: RolloutSide | null): readonly string[] {
  if (side === null) return ["", "", ""];
  return [String(side.requests), String(side.failures), side.p90Ms === null ? "" : `${side.p90Ms.toFixed(1)} ms`];
}

function stateText(state: string): string {
  const paint = painter();
  return paint(state, state === "Promoted" ? "good" : state === "Aborted" ? "bad" : "warn");
}

/** A verb that moves the rollout of a route. */
function moving(move: "pause" | "resume" | "promote" | "abort", details: string, does: string) {
  return defineVerb({
    operands: ["ROUTE"],
    flags: { ...WHICH, output: outputFlag(), ...CLIENT_FLAGS },
    details,
    examples: [[`mesh rollout ${move} web`, does]],
    async run({ flags, operands: [route = ""] }) {
      const { kind, namespace, rule } = flags;
      const key = [kindFlag(kind), namespace, route, rule].join("/");
      print(await clientOf(flags).moveRollout(key, move), flags.output);
      return 0;
    },
  });
}

function kindFlag(typed: string): "HTTPRoute" | "GRPCRoute" {
  const kind = kindOf(typed, "rollout");
  if (kind === "HTTPRoute" || kind === "GRPCRoute") return kind;
  throw new Usage(`--kind must be HTTPRoute or GRPCRoute: current value is "${typed}"`);
}

function print(row: RolloutRow, output: "table" | "json"): void {
  console.log(output === "json" ? JSON.stringify(row) : `${row.key}  ${stateText(row.state)}\n${row.reason}`);
}

export const verb: Group = {
  details: "Progressive delivery: a rule's weights move to a new backend while it holds against the old.",
  verbs: {
    start: { about: "begin to move a rule to one of its backends", verb: start },
    status: { about: "show rollouts and the record of their steps", verb: status },
    pause: {
      about: "stop at the step at hand",
      verb: moving("pause", "Keeps the weights as they are; nothing is judged any more.", "until it is resumed"),
    },
    resume: {
      about: "go on with what was paused",
      verb: moving("resume", "Begins the step at hand again.", "from where it was"),
    },
    promote: {
      about: "give everything to the new backend now",
      verb: moving("promote", "Ends the rollout with all requests at the new backend.", "without further steps"),
    },
    abort: {
      about: "give everything back now",
      verb: moving("abort", "Ends the rollout with the weights from before it.", "back to what it was"),
    },
  },
};
