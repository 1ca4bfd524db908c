import { MeshError } from "../base/mod.ts";
import type { FaultReason } from "../plugin/mod.ts";

/** A policy could not decide, and its failure mode is closed. */
export class PolicyFault extends MeshError {
  override readonly name = "PolicyFault";
  readonly code = "MESH_POLICY_FAULT";
  readonly source = "mesh";
  readonly policy: string;
  readonly reason: FaultReason;

  constructor(policy: string, reason: FaultReason, detail: string) {
    super(`Cannot decide by policy "${policy}": ${detail}`);
    this.policy = policy;
    this.reason = reason;
  }
}
