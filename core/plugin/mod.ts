/**
 * The WASM engine: load, verify, meter, run, swap.
 * @module
 */
export { DEFAULT_PLUGIN_LIMITS, type PluginLimits, type PluginModel } from "./model.ts";
