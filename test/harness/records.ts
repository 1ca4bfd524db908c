import type { Records } from "../../core/control/record.ts";

/** Records in memory, with what was written to them. */
export interface MemoryRecords<T> extends Records<T> {
  readonly kept: Map<string, T>;
  /** Ids in the order in which they were put. */
  readonly puts: string[];
}

export function memoryRecords<T>(entries: Iterable<readonly [string, T]> = []): MemoryRecords<T> {
  const kept = new Map(entries);
  const puts: string[] = [];
  const put = async (id: string, value: T): Promise<void> => {
    puts.push(id);
    kept.set(id, value);
  };
  return {
    ...{ kept, puts, put },
    list: async () => [...kept.values()],
    get: async (id) => kept.get(id) ?? null,
    putAll: async (all) => {
      for (const [id, value] of all) await put(id, value);
    },
    delete: async (id) => kept.delete(id),
    deleteAll: async (ids) => {
      for (const id of ids) kept.delete(id);
    },
    update: async (id, change) => {
      const value = kept.get(id);
      if (value === undefined) return null;
      const changed = change(value);
      await put(id, changed);
      return changed;
    },
  };
}
