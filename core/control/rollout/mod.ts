/**
 * Progressive delivery: a rule's weights go to a new backend in steps, while
 * it holds against the old, and back by themselves where it does not.
 * @module
 */
export { type RolloutPlan, type RolloutRecord, type RolloutState, rolloutKey, type StepRecord } from "./model.ts";
export { RolloutRefused } from "./refused.ts";
export { Rollouts } from "./rollouts.ts";
