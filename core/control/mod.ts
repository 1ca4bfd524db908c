/**
 * The control plane: registry, distribution, joins, API. Its API from the
 * caller's side is a room of its own: `client/mod.ts`.
 * @module
 */
export {
  CONTROL_TIMING,
  type Control,
  ControlFailed,
  type ControlOptions,
  type ControlTiming,
  type Listen,
  startControl,
} from "./control.ts";
export type { ControlCounts, ControlObserver } from "./metrics.ts";
