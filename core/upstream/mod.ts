/**
 * Connections outward: dial, mutual TLS, pools. Forwards only what is permitted.
 * @module
 */
export { type CheckEvents, HealthChecker } from "./check/checker.ts";
export { type ClientTls, type Dial, DialFailure, type DialOutcome, type DialSettings, type Spoken } from "./dial.ts";
export type { PoolSettings, Waiter } from "./pool.ts";
export { Upstream } from "./upstream.ts";
