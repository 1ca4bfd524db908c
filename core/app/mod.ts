/**
 * The only place that builds long-lived things and hands them to each other.
 * The control plane's parts are behind their own door, `control/mod.ts`.
 * @module
 */
export { accepting, type Child, ChildFailed, startChild } from "./child.ts";
export type { Bound, Credentials, ListenerPlan } from "./plan.ts";
export { type Door, type ProxyOptions, type ProxySource, type RunningProxy, startProxy } from "./proxy.ts";
