/**
 * Reads and rewrites WASM binaries.
 * @module
 */
export { MalformedModule } from "./bytes.ts";
export { FUEL_GET, FUEL_SET, type MeterOptions, meter, meterSteps, START } from "./meter.ts";
