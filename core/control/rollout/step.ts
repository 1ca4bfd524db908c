import type { RolloutRecord, StepRecord } from "./model.ts";

/** The record with a change to the step that runs; as it is where none does. */
export function withStep(record: RolloutRecord, change: Partial<StepRecord>): RolloutRecord {
  const last = record.steps.at(-1);
  if (last === undefined || last.endedAt !== null) return record;
  return { ...record, steps: [...record.steps.slice(0, -1), { ...last, ...change }] };
}

/** Percent that the weights at hand give to the new backend. */
export function percentOf({ weights, plan, steps }: RolloutRecord): number {
  const running = steps.at(-1);
  if (running !== undefined && running.endedAt === null) return running.percent;
  const held = steps.filter(({ verdict }) => verdict === "held").length;
  return plan.steps[held] ?? (weights.length > 0 ? 100 : 0);
}

/** What was seen of the old in the last step that saw enough of it. */
export function lastOld({ plan, steps }: RolloutRecord) {
  return steps.toReversed().find(({ old }) => old !== null && old.requests >= plan.minRequests)?.old ?? null;
}
