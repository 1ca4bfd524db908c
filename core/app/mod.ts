/**
 * The only place that builds long-lived things and hands them to each other.
 * The control plane's parts are behind their own door, `control/mod.ts`, and
 * so is the process that compiles files for a proxy, `compiler/mod.ts`.
 * @module
 */
export { accepting, type Child, ChildFailed, startChild } from "./child.ts";
export { CompilerFailed, childCompiler } from "./compiler/child.ts";
export type { CompiledDirectory, DirectoryCompiler } from "./compiler/model.ts";
export type { GatewayChoice, GatewayProblem } from "./gateways.ts";
export type { Bound, Credentials, ListenerPlan } from "./plan.ts";
export { type Door, type ProxyOptions, type ProxySource, type RunningProxy, startProxy } from "./proxy.ts";
