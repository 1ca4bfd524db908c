/** Counts the commits of a store, all keys together; it never goes back. */
export type Revision = number;

/** Names a lease; what it looks like is the store's own affair. */
export type LeaseId = string;

/** A key with what it holds now. */
export interface Entry {
  readonly key: string;
  readonly value: Uint8Array;
  /** The commit that made the key. */
  readonly createRevision: Revision;
  /** The last commit that wrote it: what compare-and-set compares. */
  readonly modRevision: Revision;
  readonly lease: LeaseId | null;
}

/** Entries at one moment, ordered by key. */
export interface Listing {
  readonly revision: Revision;
  readonly entries: readonly Entry[];
}

/** Holds when the key was last written by that commit; 0: when there is no such key. */
export interface Condition {
  readonly key: string;
  readonly modRevision: Revision;
}

export type Write =
  | { readonly type: "put"; readonly key: string; readonly value: string | Uint8Array; readonly lease?: LeaseId }
  | { readonly type: "delete"; readonly key: string };

/** Writes that all happen or, when a condition does not hold, do not; no key twice. */
export interface Transaction {
  readonly conditions?: readonly Condition[];
  readonly writes: readonly Write[];
}

/** `revision` is that of the commit, or the present one when there was none. */
export interface Outcome {
  readonly ok: boolean;
  readonly revision: Revision;
}

export type Change =
  | { readonly type: "put"; readonly entry: Entry }
  | { readonly type: "delete"; readonly key: string; readonly modRevision: Revision };

/** Who is told of changes; never from inside a call to the store. */
export interface Watcher {
  /** Changes of one or more commits, in their order. A key that changed several times may be told once, as it is now. */
  changed(changes: readonly Change[]): void;
  /** Changes were missed that can no longer be told: the watch is over, list and watch anew. */
  lost(reason: string): void;
}

export interface Watch {
  close(): void;
}

/**
 * Where the control plane keeps things. Shaped after etcd, so that one replica
 * on a file and several on a cluster behave the same: `test/conformance/store.ts`
 * says how.
 *
 * Every method but `watch` rejects with `StoreUnavailable` when the store
 * cannot be reached; a commit may have happened all the same.
 */
export interface Store {
  get(key: string): Promise<Entry | null>;
  /** Every entry whose key begins with the prefix. */
  list(prefix: string): Promise<Listing>;
  /** Rejects with `LeaseNotFound` when a put names a lease that has run out; nothing is written then. */
  commit(transaction: Transaction): Promise<Outcome>;
  /** Tells the changes after a revision, those that have happened already first. */
  watch(prefix: string, after: Revision, watcher: Watcher): Watch;
  /** Makes a lease: keys put with it are deleted when it is not renewed for so long. */
  grant(ttlMs: number): Promise<LeaseId>;
  /** Starts the time of a lease anew; false when it has run out. */
  renew(lease: LeaseId): Promise<boolean>;
  /** Ends a lease now, and its keys with it. */
  revoke(lease: LeaseId): Promise<void>;
  close(): Promise<void>;
}
