/**
 * One immutable version of everything a proxy decides by.
 * @module
 */
export type {
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
