import { MeshError } from "../base/mod.ts";

/** A snapshot that cannot be run; the one before goes on serving. */
export class SnapshotRejected extends MeshError {
  override readonly name = "SnapshotRejected";
  readonly code = "MESH_SNAPSHOT_REJECTED";
  readonly source = "mesh";
  /** All that is wrong with it: the NACK. */
  readonly reasons: readonly string[];

  constructor(revision: string, reasons: readonly string[]) {
    super(`Cannot run the snapshot "${revision}": ${reasons.join("; ")}`);
    this.reasons = reasons;
  }
}
