import { type Log, messageOf } from "../base/mod.ts";
import type { Condition, DocumentStatus } from "../compile/mod.ts";
import { documentKey } from "../schema/mod.ts";
import type { Records } from "./record.ts";

/** A status as it is shown and kept: plain JSON, its conditions with their times. */
export interface StatusRecord {
  readonly key: string;
  readonly status: Json;
}

type Json = { readonly [field: string]: unknown };
type TimedCondition = Condition & { readonly lastTransitionTime: string };

export interface StatusOptions {
  readonly records: Records<StatusRecord>;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly log: Log;
}

/**
 * Keeps the status of documents with the times at which conditions turned,
 * across restarts too. What is taken is told at once; it is written behind.
 */
export class StatusKeeper {
  readonly #options: StatusOptions;
  readonly #kept = new Map<string, StatusRecord>();
  #writing: Promise<void> = Promise.resolve();

  constructor(options: StatusOptions) {
    this.#options = options;
  }

  async load(): Promise<void> {
    for (const record of await this.#options.records.list()) this.#kept.set(record.key, record);
  }

  /** `.status` of a document; null where nothing is known of it. */
  of(key: string): Json | null {
    return this.#kept.get(key)?.status ?? null;
  }

  /** Takes what was compiled; a document that is not in it has no status any more. */
  take(statuses: readonly DocumentStatus[]): void {
    const now = timeText(this.#options.now());
    const changed: StatusRecord[] = [];
    const gone = new Set(this.#kept.keys());
    for (const one of statuses) {
      const key = documentKey(one);
      gone.delete(key);
      const before = this.#kept.get(key);
      const status = timed(one.status, before?.status, now) as Json;
      if (before !== undefined && Bun.deepEquals(before.status, status)) continue;
      changed.push({ key, status });
    }
    for (const record of changed) this.#kept.set(record.key, record);
    for (const key of gone) this.#kept.delete(key);
    if (changed.length > 0 || gone.size > 0) this.#write(changed, [...gone]);
  }

  /** Resolves when everything that was taken is written. */
  settled(): Promise<void> {
    return this.#writing;
  }

  #write(changed: readonly StatusRecord[], gone: readonly string[]): void {
    const { records, log } = this.#options;
    this.#writing = this.#writing
      .then(async () => {
        await records.putAll(changed.map((record) => [record.key, record]));
        await records.deleteAll(gone);
      })
      .catch((error: unknown) => log.error(`Cannot keep the status of documents: ${messageOf(error)}`));
  }
}

/** A status whose conditions have times: that of before where a condition still is what it was. */
function timed(value: unknown, before: unknown, now: string): unknown {
  if (Array.isArray(value)) return value.map((entry) => timed(entry, counterpart(entry, before), now));
  if (!isObject(value)) return value;
  const previous = isObject(before) ? before : {};
  return Object.fromEntries(
    Object.entries(value).map(([field, entry]) => [
      field,
      field === "conditions"
        ? timedConditions(entry as readonly Condition[], previous[field], now)
        : timed(entry, previous[field], now),
    ]),
  );
}

function timedConditions(conditions: readonly Condition[], before: unknown, now: string): readonly TimedCondition[] {
  const known = (Array.isArray(before) ? before : []) as readonly TimedCondition[];
  return conditions.map((condition) => {
    const same = known.find(({ type, status }) => type === condition.type && status === condition.status);
    return { ...condition, lastTransitionTime: same?.lastTransitionTime ?? now };
  });
}

/** What identifies an entry of a list: a listener by its name, a parent or ancestor by its reference. */
function counterpart(entry: unknown, before: unknown): unknown {
  if (!isObject(entry) || !Array.isArray(before)) return undefined;
  const { name, parentRef, ancestorRef } = entry;
  return before.find((other: unknown) => {
    if (!isObject(other) || other["name"] !== name) return false;
    return Bun.deepEquals(other["parentRef"], parentRef) && Bun.deepEquals(other["ancestorRef"], ancestorRef);
  });
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** As Kubernetes writes times: whole seconds. */
function timeText(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, "Z");
}
