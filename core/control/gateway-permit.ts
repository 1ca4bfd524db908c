import { ALL_GATEWAYS } from "./need.ts";
import type { Records } from "./record.ts";

/** What an identity may serve: names of Gateways, or "*". */
export type GatewayPermitRecord = readonly string[];

/**
 * Who may serve which Gateways: their private keys go to nobody else. An
 * identity may what the token said with which it joined last.
 */
export class GatewayPermits {
  readonly #records: Records<GatewayPermitRecord>;

  constructor(records: Records<GatewayPermitRecord>) {
    this.#records = records;
  }

  async set(identity: string, gateways: readonly string[]): Promise<void> {
    if (gateways.length > 0) await this.#records.put(identity, gateways);
    else await this.#records.delete(identity);
  }

  /** The first of the Gateways that an identity may not serve; null where it may serve all. */
  async firstRefused(identity: string, asked: readonly string[]): Promise<string | null> {
    if (asked.length === 0) return null;
    const allowed = (await this.#records.get(identity)) ?? [];
    if (allowed.includes(ALL_GATEWAYS)) return null;
    return asked.find((name) => !allowed.includes(name)) ?? null;
  }
}
