/**
 * Where the control plane keeps things: revisions, compare-and-set, watches,
 * leases.
 * @module
 */
export { InvalidTransaction, LeaseNotFound, StoreContended, StoreUnavailable } from "./error.ts";
export type {
  Change,
  Condition,
  Entry,
  LeaseId,
  Listing,
  Outcome,
  Revision,
  Store,
  Transaction,
  Watch,
  Watcher,
  Write,
} from "./model.ts";
export { create, put, remove, textOf, update } from "./operation.ts";
export { openSqliteStore, type SqliteOptions } from "./sqlite.ts";
