/**
 * Connections outward: dial, mutual TLS, pools. Forwards only what is permitted.
 * @module
 */
export { type ClientTls, DialFailure, type DialSettings, type Spoken } from "./dial.ts";
export type { PoolSettings, Waiter } from "./pool.ts";
export { Upstream } from "./upstream.ts";
