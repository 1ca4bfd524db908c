import { type Document, documentKey } from "../schema/mod.ts";
import type { Records } from "./record.ts";

/** What is remembered of a document beyond what it says. */
export interface GenerationRecord {
  readonly key: string;
  /** Of everything but metadata and status. */
  readonly hash: string;
  readonly generation: number;
  /** When it was first seen, ms since the epoch. */
  readonly createdAt: number;
}

export interface GenerationOptions {
  readonly records: Records<GenerationRecord>;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** True for a document whose age is known: it came through the API. */
  readonly hasAge: (document: Document) => boolean;
}

/**
 * Counts how often each document has changed, as an API server does, and
 * remembers since when those that were applied are there: the older one goes
 * first in all of Gateway API.
 */
export class Generations {
  readonly #options: GenerationOptions;
  readonly #known = new Map<string, GenerationRecord>();
  /** Documents that stay are the same objects: their hash is taken once. */
  readonly #hashes = new WeakMap<object, string>();

  constructor(options: GenerationOptions) {
    this.#options = options;
  }

  async load(): Promise<void> {
    for (const record of await this.#options.records.list()) this.#known.set(record.key, record);
  }

  /** The documents with their generation and age, which are kept before they are told. */
  async stamp(documents: readonly Document[]): Promise<readonly Document[]> {
    const { records } = this.#options;
    const next = new Map(documents.map((document) => [documentKey(document), this.#recordOf(document)]));
    const changed = [...next].filter(([key, record]) => this.#known.get(key) !== record);
    const gone = [...this.#known.keys()].filter((key) => !next.has(key));
    await records.putAll(changed);
    await records.deleteAll(gone);
    for (const key of gone) this.#known.delete(key);
    for (const [key, record] of changed) this.#known.set(key, record);
    return documents.map((document) => this.#stamped(document, next.get(documentKey(document))!));
  }

  #recordOf(document: Document): GenerationRecord {
    const key = documentKey(document);
    const known = this.#known.get(key);
    const hash = this.#hashOf(document);
    if (known?.hash === hash) return known;
    const { generation = 0, createdAt = this.#options.now() } = known ?? {};
    return { key, hash, generation: generation + 1, createdAt };
  }

  #hashOf({ raw }: Document): string {
    const object = raw as object;
    const known = this.#hashes.get(object);
    if (known !== undefined) return known;
    const said = { ...object, metadata: undefined, status: undefined };
    const hash = new Bun.CryptoHasher("sha256").update(JSON.stringify(said)).digest("hex");
    this.#hashes.set(object, hash);
    return hash;
  }

  #stamped(document: Document, { generation, createdAt }: GenerationRecord): Document {
    const { metadata } = document.body;
    const age = metadata.creationTimestamp ?? new Date(createdAt).toISOString();
    const creationTimestamp = this.#options.hasAge(document) ? { creationTimestamp: age } : {};
    const body = { ...document.body, metadata: { ...metadata, ...creationTimestamp, generation } };
    // The same kind as before: a union of kinds cannot say so.
    return { ...document, body } as Document;
  }
}
