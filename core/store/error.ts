import { MeshError } from "../base/mod.ts";
import type { LeaseId } from "./model.ts";

/** The store cannot be opened or reached. */
export class StoreUnavailable extends MeshError {
  override readonly name = "StoreUnavailable";
  readonly code = "MESH_STORE_UNAVAILABLE";
  readonly source = "mesh";
  override readonly retryable = true;
}

/** A put names a lease that has run out or never was. */
export class LeaseNotFound extends MeshError {
  override readonly name = "LeaseNotFound";
  readonly code = "MESH_LEASE_NOT_FOUND";
  readonly source = "mesh";

  constructor(lease: LeaseId) {
    super(`Cannot put a key with lease "${lease}": it has run out or never was`);
  }
}

/** A transaction that no store takes: a mistake of the caller. */
export class InvalidTransaction extends MeshError {
  override readonly name = "InvalidTransaction";
  readonly code = "MESH_INVALID_TRANSACTION";
  readonly source = "mesh";

  constructor(problem: string) {
    super(`Cannot commit: ${problem}`);
  }
}

/** Others kept changing a key while we wanted to. */
export class StoreContended extends MeshError {
  override readonly name = "StoreContended";
  readonly code = "MESH_STORE_CONTENDED";
  readonly source = "mesh";
  override readonly retryable = true;

  constructor(key: string, tries: number) {
    super(`Cannot update "${key}": it was changed by others ${tries} times in a row`);
  }
}
