/**
 * Documents and registrations → the models that proxies run.
 * @module
 */
export { type CompileOptions, compile, isRunnable } from "./compile.ts";
export type { Compiled, Condition, Module, RegisteredPort, Registration } from "./model.ts";
