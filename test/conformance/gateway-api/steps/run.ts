import { type Manifest, referenceOf } from "../manifest.ts";
import type { World } from "../world.ts";
import { Differs } from "./compare.ts";
import { runGrpc } from "./grpc.ts";
import { runHttp } from "./http.ts";
import type { Step } from "./model.ts";
import { runSocket } from "./socket.ts";
import { runAccepted, runStatus } from "./status.ts";

/** One step; what it applied is written down for the end of its test. */
export async function runStep(world: World, step: Step, applied: Manifest[], patienceMs: number): Promise<void> {
  if ("apply" in step) {
    applied.push(...step.apply);
    await world.apply(step.apply);
  } else if ("delete" in step) await world.delete(step.delete.map(referenceOf));
  else if ("patch" in step) await patch(world, step.patch, step.with);
  else if ("accepted" in step) await runAccepted(world, step.accepted, patienceMs);
  else if ("status" in step) await runStatus(world, step, patienceMs);
  else if ("calls" in step) await runGrpc(world, step, patienceMs);
  else if ("requests" in step) await runHttp(world, step, patienceMs);
  else if ("tcp" in step || "udp" in step) await runSocket(world, step, patienceMs);
  else throw new Error(`Cannot run a step: nobody knows ${Object.keys(step).join(", ")}`);
}

async function patch(world: World, text: string, change: object): Promise<void> {
  const { status: _, ...document } = await world.read(referenceOf(text));
  await world.apply([merged(document, change) as Manifest]);
  const [before, after] = [document, await world.read(referenceOf(text))].map(({ metadata }) => metadata.generation);
  if (!((after ?? 0) > (before ?? 0))) throw new Differs(`generation of ${text}`, `more than ${before}`, after);
}

/** JSON merge patch (RFC 7396). */
function merged(target: unknown, change: unknown): unknown {
  if (typeof change !== "object" || change === null || Array.isArray(change)) return change;
  const from = typeof target === "object" && target !== null && !Array.isArray(target) ? target : {};
  const result: Record<string, unknown> = { ...from };
  for (const [key, value] of Object.entries(change)) {
    if (value === null) delete result[key];
    else result[key] = merged(result[key], value);
  }
  return result;
}
