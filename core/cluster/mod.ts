/**
 * Named groups of endpoints: membership, balancing, ejection.
 * @module
 */
export type { BalancerKind, ClusterModel, EndpointModel, WorkloadLabels } from "./model.ts";
