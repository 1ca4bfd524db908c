import { StoreContended } from "./error.ts";
import type { Entry, LeaseId, Revision, Store } from "./model.ts";

const MAX_TRIES = 16;

/** The value of an entry as text. */
export function textOf(entry: Entry): string {
  return Buffer.from(entry.value.buffer, entry.value.byteOffset, entry.value.byteLength).toString("utf8");
}

/** Puts a key, whatever it held. */
export async function put(store: Store, key: string, value: string | Uint8Array, lease?: LeaseId): Promise<Revision> {
  const write = { type: "put", key, value, ...(lease === undefined ? {} : { lease }) } as const;
  return (await store.commit({ writes: [write] })).revision;
}

/** Puts a key that must not exist; false when it does. */
export async function create(store: Store, key: string, value: string | Uint8Array): Promise<boolean> {
  const conditions = [{ key, modRevision: 0 }];
  return (await store.commit({ conditions, writes: [{ type: "put", key, value }] })).ok;
}

/** Deletes a key; no matter if it is there. */
export async function remove(store: Store, key: string): Promise<Revision> {
  return (await store.commit({ writes: [{ type: "delete", key }] })).revision;
}

/**
 * Changes the text of a key by what it holds, without losing what others write
 * meanwhile; `change` may be called several times. Null means: no such key, and
 * as a result: leave it as it is.
 *
 * @throws {StoreContended} when others are always faster.
 */
export async function update(
  store: Store,
  key: string,
  change: (text: string | null) => string | null,
): Promise<string | null> {
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const entry = await store.get(key);
    const value = change(entry === null ? null : textOf(entry));
    if (value === null) return entry === null ? null : textOf(entry);
    const conditions = [{ key, modRevision: entry?.modRevision ?? 0 }];
    if ((await store.commit({ conditions, writes: [{ type: "put", key, value }] })).ok) return value;
  }
  throw new StoreContended(key, MAX_TRIES);
}
