/**
 * The only place that builds long-lived things and hands them to each other.
 * @module
 */
export type { Bound, Credentials, ListenerPlan } from "./plan.ts";
export { type Door, type ProxyOptions, type ProxySource, type RunningProxy, startProxy } from "./proxy.ts";
