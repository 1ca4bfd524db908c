/**
 * Counters, histograms, log lines: names and formats.
 * @module
 */
export { RESPONSE_FLAGS, type ResponseFlag } from "./flag.ts";
