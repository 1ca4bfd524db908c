import type { Context } from "hono";
import { type Api, type ApiEnv, ApiError, type ApiSources, need, readBody } from "./api-request.ts";
import type { RolloutRequest, RolloutRow } from "./client/mod.ts";
import { type RolloutPlan, type RolloutRecord, RolloutRefused, type Rollouts, rolloutKey } from "./rollout/mod.ts";

const MOVES = { pause: "pause", resume: "goOn", promote: "promote", abort: "abort" } as const;
type Move = keyof typeof MOVES;

/** Rollouts: start, look at, move. */
export function addRollouts(api: Api, sources: ApiSources): void {
  const { rollouts } = sources.plane;
  api.get("/v1/rollouts", (c) => {
    need(c.get("caller"), "viewer");
    return c.json({ rollouts: rollouts.list().map(rowOf) });
  });
  api.post("/v1/rollouts", async (c) => {
    need(c.get("caller"), "operator");
    const plan = planOf(await readBody<RolloutRequest>(c.req));
    return c.json(rowOf(await done(c, sources, "start", rolloutKey(plan), (who) => rollouts.start(plan, who))));
  });
  api.post("/v1/rollouts/:kind/:namespace/:route/:rule/:move", async (c) => {
    need(c.get("caller"), "operator");
    const { kind, namespace, route, rule, move } = c.req.param();
    if (!isMove(move))
      throw new ApiError(404, "not_found", `Cannot ${move} a rollout: it can be ${Object.keys(MOVES).join(", ")}d`);
    const key = [kind, namespace, route, rule].join("/");
    return c.json(rowOf(await done(c, sources, move, key, () => moved(rollouts, move, key))));
  });
}

function isMove(text: string): text is Move {
  return Object.hasOwn(MOVES, text);
}

function moved(rollouts: Rollouts, move: Move, key: string): Promise<RolloutRecord> {
  return rollouts[MOVES[move]](key);
}

async function done(
  c: Context<ApiEnv>,
  { plane, audit }: ApiSources,
  action: string,
  key: string,
  act: (who: string) => Promise<RolloutRecord>,
): Promise<RolloutRecord> {
  const who = c.get("caller").name;
  try {
    const record = await act(who);
    await audit.write({ who, action: `rollout ${action}`, target: key, revision: plane.revision });
    return record;
  } catch (error) {
    if (error instanceof RolloutRefused) throw new ApiError(409, "refused", error.message);
    throw error;
  }
}

function rowOf(record: RolloutRecord): RolloutRow {
  return { key: rolloutKey(record.plan), ...record };
}

const DEFAULT_STEPS = [5, 25, 50, 100];

/** @throws {ApiError} 400 naming the first field that is not as agreed. */
function planOf(body: Partial<RolloutRequest>): RolloutPlan {
  const { kind = "HTTPRoute", namespace = "default", route, rule = "0", to, steps = DEFAULT_STEPS } = body;
  const { intervalMs = 30_000, minRequests = 20, maxErrorIncrease = 0.01, maxLatencyIncrease = 0.5 } = body;
  must(kind === "HTTPRoute" || kind === "GRPCRoute", "kind", "HTTPRoute or GRPCRoute");
  for (const [field, value] of Object.entries({ namespace, route, rule, to }))
    must(typeof value === "string" && /^[a-z0-9][a-z0-9.-]{0,252}$/.test(value), field, "a name");
  const rises = Array.isArray(steps) && steps.every((step, i) => isIn(step, 0.1, 100) && step > (steps[i - 1] ?? 0));
  must(rises && steps.length > 0, "steps", "rising percentages");
  must(isIn(intervalMs, 100, 86_400_000), "intervalMs", "100 ms to a day");
  must(Number.isInteger(minRequests) && isIn(minRequests, 1, 1e9), "minRequests", "a whole number from 1");
  must(isIn(maxErrorIncrease, 0, 1), "maxErrorIncrease", "0 to 1");
  must(isIn(maxLatencyIncrease, 0, 1000), "maxLatencyIncrease", "a number from 0");
  return {
    ...{ kind, namespace, route: route!, rule, to: to!, steps, intervalMs },
    ...{ minRequests, maxErrorIncrease, maxLatencyIncrease },
  };
}

function isIn(value: unknown, low: number, high: number): boolean {
  return typeof value === "number" && value >= low && value <= high;
}

function must(holds: boolean, field: string, expected: string): void {
  if (!holds) throw new ApiError(400, "malformed", `Cannot start a rollout: ${field} must be ${expected}`);
}
