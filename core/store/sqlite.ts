import { Database } from "bun:sqlite";
import { chmodSync, closeSync, mkdirSync, openSync } from "node:fs";
import { join } from "node:path";
import { type Clock, messageOf } from "../base/mod.ts";
import { InvalidTransaction, LeaseNotFound, StoreUnavailable } from "./error.ts";
import { Leases } from "./leases.ts";
import type {
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
import { migrate, type Row, Tables } from "./tables.ts";
import { Watchers } from "./watchers.ts";

export interface SqliteOptions {
  /** Made when it is not there, for the owner only. The file in it is for the owner only in any case. */
  readonly directory: string;
  readonly clock: Clock;
  /** Deletions that are remembered for watchers who come late. @default 10000 */
  readonly rememberedDeletions?: number;
}

const FILE = "mesh.db";
const REMEMBERED_DELETIONS = 10_000;
const RETRY_MS = 5000;

/**
 * Opens the store of a control plane that stands alone: one SQLite file. A
 * commit is on the disk when it resolves, and a process that dies in the middle
 * of one leaves the store as it was before.
 *
 * @throws {StoreUnavailable} when the file cannot be read, or another process has it open.
 */
export function openSqliteStore(options: SqliteOptions): Store {
  const path = join(options.directory, FILE);
  try {
    makePrivate(options.directory, path);
    return new SqliteStore(openDatabase(path), options);
  } catch (cause) {
    const reason = /locked|busy/i.test(messageOf(cause)) ? "another process has it open" : messageOf(cause);
    throw new StoreUnavailable(`Cannot open the store "${path}": ${reason}`, { cause });
  }
}

// The file holds private keys. SQLite gives its journal the mode of the file, so the file has to be there first.
function makePrivate(directory: string, path: string): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  closeSync(openSync(path, "a", 0o600));
  chmodSync(path, 0o600);
}

function openDatabase(path: string): Database {
  const database = new Database(path, { readwrite: true, create: true, strict: true });
  try {
    // Exclusive: a second control plane on the same file would hand out the same revisions.
    database.run("PRAGMA locking_mode = EXCLUSIVE");
    database.run("PRAGMA journal_mode = WAL");
    database.run("PRAGMA synchronous = FULL");
    migrate(database);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

class SqliteStore implements Store {
  readonly #database: Database;
  readonly #tables: Tables;
  readonly #leases: Leases;
  readonly #watchers = new Watchers();
  readonly #rememberedDeletions: number;
  readonly #write: (transaction: Transaction) => readonly Change[] | null;
  readonly #drop: (leases: readonly LeaseId[]) => readonly Change[];
  #revision: Revision;
  #closed = false;

  constructor(database: Database, options: SqliteOptions) {
    this.#database = database;
    this.#tables = new Tables(database);
    this.#rememberedDeletions = options.rememberedDeletions ?? REMEMBERED_DELETIONS;
    this.#revision = this.#tables.number("revision");
    this.#leases = new Leases(options.clock, (leases) => this.#expire(leases));
    this.#write = database.transaction((transaction: Transaction) => this.#apply(transaction));
    this.#drop = database.transaction((leases: readonly LeaseId[]) => this.#deleteLeases(leases));
    // Whoever held a lease gets its full time to come back: we do not know how long we were away.
    for (const { id, ttl_ms } of this.#tables.leases()) this.#leases.start(String(id), ttl_ms);
  }

  async get(key: string): Promise<Entry | null> {
    this.#checkOpen();
    const row = this.#tables.entry(key);
    return row === null ? null : entryOf(row);
  }

  async list(prefix: string): Promise<Listing> {
    this.#checkOpen();
    return Object.freeze({ revision: this.#revision, entries: this.#tables.entries(prefix).map(entryOf) });
  }

  async commit(transaction: Transaction): Promise<Outcome> {
    this.#checkOpen();
    checkKeys(transaction.writes);
    const changes = this.#guard(() => this.#write(transaction));
    if (changes !== null) this.#publish(changes);
    return Object.freeze({ ok: changes !== null, revision: this.#revision });
  }

  watch(prefix: string, after: Revision, watcher: Watcher): Watch {
    this.#checkOpen();
    if (after >= this.#tables.number("forgotten"))
      return this.#watchers.add(prefix, watcher, this.#since(prefix, after));
    let closed = false;
    queueMicrotask(() => {
      if (!closed) watcher.lost(`deletions after revision ${after} are forgotten`);
    });
    return {
      close: () => {
        closed = true;
      },
    };
  }

  async grant(ttlMs: number): Promise<LeaseId> {
    this.#checkOpen();
    const id = this.#guard(() => this.#tables.insertLease(ttlMs));
    this.#leases.start(id, ttlMs);
    return id;
  }

  /** Only in memory: a renewal costs no write, and a restart begins all leases anew. */
  async renew(lease: LeaseId): Promise<boolean> {
    this.#checkOpen();
    return this.#leases.renew(lease);
  }

  async revoke(lease: LeaseId): Promise<void> {
    this.#checkOpen();
    if (!this.#leases.has(lease)) return;
    this.#publish(this.#guard(() => this.#drop([lease])));
    this.#leases.end(lease);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#leases.close();
    this.#watchers.close();
    this.#database.run("PRAGMA wal_checkpoint(TRUNCATE)");
    this.#database.close();
  }

  #apply({ conditions = [], writes }: Transaction): readonly Change[] | null {
    if (!conditions.every((condition) => this.#holds(condition))) return null;
    const revision = this.#revision + 1;
    const changes = writes.flatMap((write) => this.#applyOne(write, revision));
    if (changes.length > 0) this.#number(revision);
    return changes;
  }

  #holds({ key, modRevision }: Condition): boolean {
    return (this.#tables.entry(key)?.mod_revision ?? 0) === modRevision;
  }

  #applyOne(write: Write, revision: Revision): readonly Change[] {
    if (write.type === "delete") return this.#tables.delete(write.key, revision) ? [deletion(write.key, revision)] : [];
    const lease = write.lease ?? null;
    if (lease !== null && !this.#leases.has(lease)) throw new LeaseNotFound(lease);
    return [{ type: "put", entry: entryOf(this.#tables.put(write.key, bytesOf(write.value), lease, revision)) }];
  }

  #deleteLeases(leases: readonly LeaseId[]): readonly Change[] {
    const revision = this.#revision + 1;
    const keys = leases.flatMap((lease) => this.#tables.deleteLease(lease));
    for (const key of keys) this.#tables.delete(key, revision);
    if (keys.length > 0) this.#number(revision);
    return keys.map((key) => deletion(key, revision));
  }

  #number(revision: Revision): void {
    this.#tables.setNumber("revision", revision);
    if (revision % 256 === 0) this.#tables.forget(this.#rememberedDeletions);
  }

  // Nobody waits for this: on a full disk the leases live a little longer, and it is tried again.
  #expire(leases: readonly LeaseId[]): void {
    try {
      this.#publish(this.#drop(leases));
    } catch {
      for (const lease of leases) this.#leases.start(lease, RETRY_MS);
    }
  }

  #publish(changes: readonly Change[]): void {
    if (changes.length === 0) return;
    this.#revision = this.#tables.number("revision");
    this.#watchers.tell(changes);
  }

  #since(prefix: string, after: Revision): readonly Change[] {
    const puts = this.#tables.entriesSince(prefix, after).map((row): Change => ({ type: "put", entry: entryOf(row) }));
    const deletions = this.#tables.deletionsSince(prefix, after).map((row) => deletion(row.key, row.revision));
    return [...puts, ...deletions].sort((a, b) => revisionOf(a) - revisionOf(b));
  }

  #checkOpen(): void {
    if (this.#closed) throw new StoreUnavailable("Cannot use the store: it is closed");
  }

  #guard<T>(call: () => T): T {
    try {
      return call();
    } catch (cause) {
      if (cause instanceof LeaseNotFound) throw cause;
      throw new StoreUnavailable(`Cannot write to the store: ${messageOf(cause)}`, { cause });
    }
  }
}

function checkKeys(writes: readonly Write[]): void {
  const keys = new Set(writes.map((write) => write.key));
  if (keys.size < writes.length) throw new InvalidTransaction("a key is written twice");
  if (keys.has("")) throw new InvalidTransaction("a key is empty");
}

function entryOf(row: Row): Entry {
  const { key, value, create_revision: createRevision, mod_revision: modRevision, lease } = row;
  return Object.freeze({ key, value, createRevision, modRevision, lease: lease === null ? null : String(lease) });
}

function deletion(key: string, modRevision: Revision): Change {
  return { type: "delete", key, modRevision };
}

function revisionOf(change: Change): Revision {
  return change.type === "put" ? change.entry.modRevision : change.modRevision;
}

function bytesOf(value: string | Uint8Array): Uint8Array {
  return typeof value === "string" ? Buffer.from(value) : value;
}
