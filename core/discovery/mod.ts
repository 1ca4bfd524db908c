/**
 * The proxy's end of the stream: subscribe, check, swap or keep, ACK or NACK.
 * @module
 */
export type { DataPlane, Source } from "./model.ts";
