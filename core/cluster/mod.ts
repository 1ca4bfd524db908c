/**
 * Named groups of endpoints: membership, balancing, ejection.
 * @module
 */
export { pick } from "./balance.ts";
export { RetryBudget } from "./budget.ts";
export { byWeight } from "./choose.ts";
export { Cluster, type ClusterEvents, ClusterState, type Tally } from "./cluster.ts";
export { type EjectReason, Endpoint, endpointKey, OUTCOME_NAMES, Outcome, outcomeOf } from "./endpoint.ts";
export { addByte, addBytes, addText, beginHash, endHash, NO_HASH } from "./hash.ts";
export { markDown, markUp } from "./health.ts";
export { formatLocality, parseLocality } from "./locality.ts";
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
export { begin, finish, latencyAt, spare } from "./outcome.ts";
export type { Turns, TurnTaker } from "./turns.ts";
