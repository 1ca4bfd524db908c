/**
 * What every room may use: errors, time, bytes, the process log.
 * @module
 */
export { latin1, NO_BYTES } from "./bytes.ts";
export { atRoundEnd, type Clock, systemClock, systemRandom, type Timer } from "./clock.ts";
export { Deadline, Deadlines } from "./deadlines.ts";
export { causeOf, type ErrorSource, MeshError, messageOf } from "./error.ts";
export { jsonLog, LOG_LEVELS, type Log, type LogFields, type LogLevel, silentLog } from "./log.ts";
