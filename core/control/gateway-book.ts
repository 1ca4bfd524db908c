import type { AddressBook, GatewayAddresses } from "../compile/mod.ts";
import type { Cidr } from "../config/mod.ts";
import type { Records } from "./record.ts";

/** Addresses of Gateways as they are kept: names with what each has. */
export type GatewayBookRecord = readonly (readonly [gateway: string, addresses: readonly string[]])[];

const KEY = "book";

/** Remembers which Gateway has which addresses of the pool, so that each keeps its own. */
export class GatewayBook {
  readonly #records: Records<GatewayBookRecord>;
  readonly #pool: Cidr | null;
  #kept: AddressBook = new Map();

  constructor(records: Records<GatewayBookRecord>, pool: Cidr | null) {
    this.#records = records;
    this.#pool = pool;
  }

  async load(): Promise<void> {
    this.#kept = new Map(await this.#records.get(KEY));
  }

  addresses(): GatewayAddresses {
    return { pool: this.#pool, kept: this.#kept };
  }

  /** Keeps what was granted, before proxies hear of it. */
  async keep(granted: AddressBook): Promise<void> {
    if (Bun.deepEquals(this.#kept, granted)) return;
    await this.#records.put(KEY, [...granted]);
    this.#kept = granted;
  }
}
