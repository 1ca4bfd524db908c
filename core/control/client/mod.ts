/**
 * The control plane's API from the caller's side: light, for the command line.
 * @module
 */
export { ApiRefused, ApiUnreachable, type ClientOptions, ControlClient } from "./client.ts";
export type {
  ApiFailure,
  ApiTokenRow,
  ApplyRequest,
  ApplyResult,
  DeleteResult,
  EndpointRow,
  JoinTokenRow,
  NewApiTokenResult,
  NewJoinTokenRequest,
  NewJoinTokenResult,
  ProxyRow,
  ResourceDetail,
  ResourceRow,
  ResourceState,
  RevisionResult,
  RolloutRequest,
  RolloutRow,
  RolloutSide,
  RolloutStepRow,
  ServicePortRow,
  ServiceRow,
  StatusResult,
  WorkloadRow,
} from "./model.ts";
