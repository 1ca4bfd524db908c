import { type Store, textOf, update } from "../store/mod.ts";
import type { Records, Storage } from "./record.ts";

/** Keeps records as JSON in the store: `<kind>/<id>`. */
export function storageIn(store: Store): Storage {
  return {
    records: <T>(kind: string) => new StoredRecords<T>(store, `${kind}/`),
    close: () => store.close(),
  };
}

class StoredRecords<T> implements Records<T> {
  readonly #store: Store;
  readonly #prefix: string;

  constructor(store: Store, prefix: string) {
    this.#store = store;
    this.#prefix = prefix;
  }

  async list(): Promise<readonly T[]> {
    const { entries } = await this.#store.list(this.#prefix);
    return entries.map((entry) => JSON.parse(textOf(entry)) as T);
  }

  async get(id: string): Promise<T | null> {
    const entry = await this.#store.get(this.#prefix + id);
    return entry === null ? null : (JSON.parse(textOf(entry)) as T);
  }

  put(id: string, value: T): Promise<void> {
    return this.putAll([[id, value]]);
  }

  async putAll(entries: readonly (readonly [string, T])[]): Promise<void> {
    const writes = entries.map(([id, value]) => {
      return { type: "put", key: this.#prefix + id, value: JSON.stringify(value) } as const;
    });
    if (writes.length > 0) await this.#store.commit({ writes });
  }

  async delete(id: string): Promise<boolean> {
    const key = this.#prefix + id;
    const entry = await this.#store.get(key);
    if (entry === null) return false;
    await this.#store.commit({ writes: [{ type: "delete", key }] });
    return true;
  }

  async deleteAll(ids: readonly string[]): Promise<void> {
    const writes = ids.map((id) => ({ type: "delete", key: this.#prefix + id }) as const);
    if (writes.length > 0) await this.#store.commit({ writes });
  }

  async update(id: string, change: (value: T) => T): Promise<T | null> {
    const text = await update(this.#store, this.#prefix + id, (kept) => {
      return kept === null ? null : JSON.stringify(change(JSON.parse(kept) as T));
    });
    return text === null ? null : (JSON.parse(text) as T);
  }
}
