import { MeshError } from "../../base/mod.ts";

/** A rollout cannot be begun or moved; the message says what to do. */
export class RolloutRefused extends MeshError {
  override readonly name = "RolloutRefused";
  readonly code = "MESH_ROLLOUT_REFUSED";
  readonly source = "mesh";
}
