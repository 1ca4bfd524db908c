/**
 * Runs plugins: loads, checks, meters, calls, swaps. A heavy door: import it
 * when the first plugin appears.
 * @module
 */
export { type EngineOptions, PluginEngine } from "./engine.ts";
export type { BlobSource } from "./load.ts";
export { type LoadStep, type PluginProblem, PluginRejected } from "./rejected.ts";
