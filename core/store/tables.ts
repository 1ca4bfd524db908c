import type { Database } from "bun:sqlite";
import type { LeaseId, Revision } from "./model.ts";

/** An entry as its table has it. */
export interface Row {
  readonly key: string;
  readonly value: Uint8Array;
  readonly create_revision: number;
  readonly mod_revision: number;
  readonly lease: number | null;
}

export interface DeletionRow {
  readonly key: string;
  readonly revision: number;
}

export interface LeaseRow {
  readonly id: number;
  readonly ttl_ms: number;
}

/** The store's own numbers: the present revision, and the one up to which deletions are no longer known. */
export type NumberName = "revision" | "forgotten";

const VERSION = 1;
const TABLES = `
  CREATE TABLE number (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
  INSERT INTO number VALUES ('revision', 1), ('forgotten', 0);
  CREATE TABLE entry (
    key TEXT PRIMARY KEY,
    value BLOB NOT NULL,
    create_revision INTEGER NOT NULL,
    mod_revision INTEGER NOT NULL,
    lease INTEGER
  ) STRICT;
  CREATE INDEX entry_by_revision ON entry (mod_revision);
  CREATE INDEX entry_by_lease ON entry (lease) WHERE lease IS NOT NULL;
  CREATE TABLE deletion (key TEXT PRIMARY KEY, revision INTEGER NOT NULL) STRICT;
  CREATE INDEX deletion_by_revision ON deletion (revision);
  CREATE TABLE lease (id INTEGER PRIMARY KEY AUTOINCREMENT, ttl_ms INTEGER NOT NULL) STRICT;
`;
// Above every key that begins with a prefix: it is no character.
const LAST = "\u{10ffff}";

/** Makes the tables of a new file; a file that a later mesh wrote is an error. */
export function migrate(database: Database): void {
  const { user_version: version } = database.query("PRAGMA user_version").get() as { user_version: number };
  if (version > VERSION) throw new Error(`it has format ${version}, and this mesh reads formats up to ${VERSION}`);
  if (version === VERSION) return;
  database.transaction(() => {
    database.run(TABLES);
    database.run(`PRAGMA user_version = ${VERSION}`);
  })();
}

/** The statements of the store. The database prepares each once; whoever calls several makes them one transaction. */
export class Tables {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  number(name: NumberName): number {
    return this.#one<{ value: number }>("SELECT value FROM number WHERE name = ?", name)!.value;
  }

  setNumber(name: NumberName, value: number): void {
    this.#run("UPDATE number SET value = ? WHERE name = ?", value, name);
  }

  entry(key: string): Row | null {
    return this.#one<Row>("SELECT * FROM entry WHERE key = ?", key);
  }

  entries(prefix: string): readonly Row[] {
    return this.#all<Row>("SELECT * FROM entry WHERE key >= ? AND key < ? ORDER BY key", prefix, prefix + LAST);
  }

  entriesSince(prefix: string, after: Revision): readonly Row[] {
    const where = "key >= ? AND key < ? AND mod_revision > ?";
    return this.#all<Row>(`SELECT * FROM entry WHERE ${where}`, prefix, prefix + LAST, after);
  }

  deletionsSince(prefix: string, after: Revision): readonly DeletionRow[] {
    const where = "key >= ? AND key < ? AND revision > ?";
    return this.#all<DeletionRow>(`SELECT * FROM deletion WHERE ${where}`, prefix, prefix + LAST, after);
  }

  put(key: string, value: Uint8Array, lease: LeaseId | null, revision: Revision): Row {
    this.#run("DELETE FROM deletion WHERE key = ?", key);
    const replace = "value = excluded.value, mod_revision = excluded.mod_revision, lease = excluded.lease";
    const insert = "INSERT INTO entry VALUES (?, ?, ?, ?, ?)";
    const leaseId = lease === null ? null : Number(lease);
    const sql = `${insert} ON CONFLICT (key) DO UPDATE SET ${replace} RETURNING *`;
    return this.#one<Row>(sql, key, value, revision, revision, leaseId)!;
  }

  /** False when there is no such key: nothing has changed then. */
  delete(key: string, revision: Revision): boolean {
    if (this.#run("DELETE FROM entry WHERE key = ?", key) === 0) return false;
    this.#run("INSERT OR REPLACE INTO deletion VALUES (?, ?)", key, revision);
    return true;
  }

  leases(): readonly LeaseRow[] {
    return this.#all<LeaseRow>("SELECT * FROM lease");
  }

  insertLease(ttlMs: number): LeaseId {
    const row = this.#one<{ id: number }>("INSERT INTO lease (ttl_ms) VALUES (?) RETURNING id", ttlMs);
    return String(row!.id);
  }

  /** Deletes a lease and tells which keys hung on it. */
  deleteLease(lease: LeaseId): readonly string[] {
    this.#run("DELETE FROM lease WHERE id = ?", Number(lease));
    const rows = this.#all<{ key: string }>("SELECT key FROM entry WHERE lease = ? ORDER BY key", Number(lease));
    return rows.map((row) => row.key);
  }

  /** Forgets the oldest deletions, all but so many. */
  forget(keep: number): void {
    const oldest = "SELECT revision FROM deletion ORDER BY revision DESC LIMIT 1 OFFSET ?";
    const last = this.#one<{ revision: number }>(oldest, keep)?.revision;
    if (last === undefined) return;
    this.#run("DELETE FROM deletion WHERE revision <= ?", last);
    this.setNumber("forgotten", last);
  }

  #one<T>(sql: string, ...values: (string | number | Uint8Array | null)[]): T | null {
    return this.#database.query(sql).get(...values) as T | null;
  }

  #all<T>(sql: string, ...values: (string | number)[]): readonly T[] {
    return this.#database.query(sql).all(...values) as T[];
  }

  #run(sql: string, ...values: (string | number)[]): number {
    return this.#database.query(sql).run(...values).changes;
  }
}
