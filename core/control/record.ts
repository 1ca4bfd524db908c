/**
 * Things of one kind in the store, by id. Written before anybody is told, so
 * that what was promised survives the process.
 */
export interface Records<T> {
  list(): Promise<readonly T[]>;
  get(id: string): Promise<T | null>;
  put(id: string, value: T): Promise<void>;
  /** All or none. */
  putAll(entries: readonly (readonly [string, T])[]): Promise<void>;
  /** False: there was none. */
  delete(id: string): Promise<boolean>;
  /** All or none; those that are not there do not matter. */
  deleteAll(ids: readonly string[]): Promise<void>;
  /**
   * Replaces a record by what `change` makes of it, with nobody else writing in
   * between; `change` may run several times and may throw. Null: there is none.
   */
  update(id: string, change: (value: T) => T): Promise<T | null>;
}

/** All kinds of records of one control plane. */
export interface Storage {
  records<T>(kind: string): Records<T>;
  close(): Promise<void>;
}
