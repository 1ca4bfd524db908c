import type { Module } from "../compile/mod.ts";
import type { Problem } from "../config/mod.ts";
import { type Document, documentKey, parseText } from "../schema/mod.ts";
import type { Records } from "./record.ts";

/** A document that came through the API, as it is kept. */
export interface AppliedRecord {
  /** `Kind/namespace/name` */
  readonly key: string;
  readonly raw: unknown;
  /** SHA-256 of the module that came along with a plugin. */
  readonly module: string | null;
}

/** Bytes kept under their SHA-256. */
export interface ModuleStore {
  put(sha256: string, bytes: Uint8Array): Promise<void>;
  get(sha256: string): Promise<Uint8Array | null>;
}

/** Applied documents are called by this in problems, and where their modules are looked up. */
const FILE_PREFIX = "applied:";

/** Documents that were applied and not yet deleted, ready to be compiled. */
export class Applied {
  readonly #records: Records<AppliedRecord>;
  readonly #modules: ModuleStore;
  readonly #kept = new Map<string, { readonly record: AppliedRecord; readonly document: Document }>();
  #problems: readonly Problem[] = [];

  constructor(records: Records<AppliedRecord>, modules: ModuleStore) {
    this.#records = records;
    this.#modules = modules;
  }

  get documents(): readonly Document[] {
    return [...this.#kept.values()].map(({ document }) => document);
  }

  /** Records that this version cannot read; they are kept and left out. */
  get problems(): readonly Problem[] {
    return this.#problems;
  }

  has(key: string): boolean {
    return this.#kept.has(key);
  }

  async load(): Promise<void> {
    const records = await this.#records.list();
    this.#problems = records.flatMap((record) => this.#keep(record));
  }

  /** Keeps documents with their modules, all or none. */
  async put(documents: readonly (readonly [Document, Module | null])[]): Promise<void> {
    for (const [, module] of documents) if (module !== null) await this.#modules.put(module.sha256, module.bytes);
    const records = documents.map(([document, module]): AppliedRecord => {
      return { key: documentKey(document), raw: document.raw, module: module?.sha256 ?? null };
    });
    await this.#records.putAll(records.map((record) => [record.key, record]));
    for (const record of records) this.#keep(record);
  }

  async delete(key: string): Promise<boolean> {
    this.#kept.delete(key);
    return await this.#records.delete(key);
  }

  isApplied(file: string): boolean {
    return file.startsWith(FILE_PREFIX);
  }

  /** Bytes of `source.file` of an applied plugin: those that came with it, never a file of this machine. */
  async module(file: string): Promise<Uint8Array> {
    const sha256 = this.#kept.get(file.slice(FILE_PREFIX.length))?.record.module ?? null;
    const bytes = sha256 === null ? null : await this.#modules.get(sha256);
    if (bytes === null) throw new Error("its module was not kept; apply it again");
    return bytes;
  }

  #keep(record: AppliedRecord): readonly Problem[] {
    const { documents, problems } = parseText({ file: FILE_PREFIX + record.key, text: JSON.stringify(record.raw) });
    const document = documents[0];
    if (document !== undefined) this.#kept.set(record.key, { record, document });
    return problems;
  }
}
