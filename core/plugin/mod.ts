/**
 * What a plugin is and answers. Light: the engine that runs them is behind its
 * own door, `engine/mod.ts`, and is loaded when the first plugin appears.
 * @module
 */
export { type HeaderChange, HeaderChanges, NO_CHANGES, problemOfChange } from "./header-change.ts";
export { DEFAULT_PLUGIN_LIMITS, type PluginLimits, type PluginModel } from "./model.ts";
export type { Plugin, PluginObserver, RequestFacts } from "./plugin.ts";
export { SharedCounters } from "./shared-counters.ts";
export { CONTINUE, FAULT_REASONS, type FaultReason, fault, Verdict, VerdictKind } from "./verdict.ts";
