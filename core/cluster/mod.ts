/**
 * Named groups of endpoints: membership, balancing, ejection.
 * @module
 */
export { byWeight, pick } from "./balance.ts";
export { RetryBudget } from "./budget.ts";
export { Cluster, type ClusterEvents, ClusterState, type Tally } from "./cluster.ts";
export { type EjectReason, Endpoint, endpointKey, OUTCOME_NAMES, Outcome, outcomeOf } from "./endpoint.ts";
export { parseLocality } from "./locality.ts";
export type {
  BackendTlsModel,
  BalancerKind,
  ClusterModel,
  EjectionModel,
  EndpointModel,
  HashKeyModel,
  HealthCheckModel,
  LimitsModel,
  Locality,
  LocalityModel,
  ResolveModel,
  RetryBudgetModel,
  SlowStartModel,
  TimeoutsModel,
  WorkloadLabels,
} from "./model.ts";
export { begin, finish, latencyAt } from "./outcome.ts";
