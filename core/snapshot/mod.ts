/**
 * One immutable version of everything a proxy decides by.
 * @module
 */
export { type BuildParts, buildSnapshot } from "./build.ts";
export { serviceFor } from "./consumers.ts";
export { Gateway, GatewayListener, GatewayPort } from "./gateway.ts";
export type {
  GatewayListenerModel,
  GatewayModel,
  GatewayPortModel,
  GatewayTlsModel,
  HostRulesModel,
  KeyPairModel,
  MeshModel,
  Resource,
  ResourceKey,
  ResourceKind,
  ServiceModel,
  ServicePortModel,
  SnapshotModel,
  WorkloadModel,
  WorkloadPortModel,
} from "./model.ts";
export { redacted } from "./redacted.ts";
export { SnapshotRejected } from "./rejected.ts";
export { RouteEntry, Service, ServicePort } from "./service.ts";
export { emptySnapshot, INITIAL_MESH, Snapshot } from "./snapshot.ts";
export { InboundPort, Workload } from "./workload.ts";
