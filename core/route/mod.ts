/**
 * Which rule does a request match? Pure, no I/O.
 * @module
 */
export type { BackendModel, HeaderEditsModel, MatchModel, RuleModel, ValueMatchModel } from "./model.ts";
