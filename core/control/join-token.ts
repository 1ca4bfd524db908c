import type { Clock } from "../base/mod.ts";
import type { Records } from "./record.ts";
import { matches, newSecret, type RandomBytes } from "./secret.ts";
import { Refused } from "./session.ts";

/** A join token as it is kept: bound to one identity, for a while, for so many joins. */
export interface JoinTokenRecord {
  readonly id: string;
  readonly hash: string;
  readonly namespace: string;
  readonly name: string;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly expiresAt: number;
  /** Joins it is good for; 0: as many as come before it expires. */
  readonly uses: number;
  readonly used: number;
  /** Gateways that whoever joins with it may serve; left out: none. */
  readonly gateways?: readonly string[];
  /** Name of the API token that made it. */
  readonly createdBy: string;
}

export interface NewJoinToken {
  readonly namespace: string;
  readonly name: string;
  readonly ttlMs: number;
  readonly uses: number;
  /** @default none */
  readonly gateways?: readonly string[];
}

/** A token lives an hour unless its maker says otherwise: long enough to paste it. */
export const JOIN_TOKEN_TTL_MS = 3_600_000;

/**
 * Join tokens. Each is good for one join unless made for more: a proxy that
 * restarts needs none as long as the certificate on its disk is valid, and one
 * that was away for longer needs a new token, or one with uses left.
 */
export class JoinTokens {
  readonly #records: Records<JoinTokenRecord>;
  readonly #clock: Clock;
  readonly #random: RandomBytes;

  constructor(records: Records<JoinTokenRecord>, clock: Clock, random: RandomBytes) {
    this.#records = records;
    this.#clock = clock;
    this.#random = random;
  }

  async create(
    wanted: NewJoinToken,
    createdBy: string,
  ): Promise<{ readonly record: JoinTokenRecord; readonly secret: string }> {
    const { id, secret, hash } = newSecret(this.#random);
    const createdAt = this.#clock.now();
    const { namespace, name, uses, ttlMs, gateways = [] } = wanted;
    const expiresAt = createdAt + ttlMs;
    const more = gateways.length === 0 ? {} : { gateways };
    const record = { id, hash, namespace, name, createdAt, expiresAt, uses, used: 0, createdBy, ...more };
    await this.#records.put(id, record);
    return { record, secret };
  }

  /** Those that can still be used; others are forgotten. */
  async list(): Promise<readonly JoinTokenRecord[]> {
    const all = await this.#records.list();
    const usable = all.filter((record) => this.#problemOf(record) === null);
    for (const record of all) if (!usable.includes(record)) await this.#records.delete(record.id);
    return usable;
  }

  delete(id: string): Promise<boolean> {
    return this.#records.delete(id);
  }

  /**
   * Counts one use and says whom the token is for.
   *
   * @throws {Refused} with the same words for an unknown id and a wrong secret: ids must not be found by trying.
   */
  async redeem(id: string, secret: string): Promise<Pick<JoinTokenRecord, "namespace" | "name" | "gateways">> {
    const record = await this.#records.update(id, (kept) => {
      this.#verify(kept, secret);
      return { ...kept, used: kept.used + 1 };
    });
    if (record === null) throw unknownToken();
    return record;
  }

  /** Checks a token without counting a use. @throws {Refused} as `redeem` does. */
  async check(id: string, secret: string): Promise<{ readonly namespace: string; readonly name: string }> {
    const record = await this.#records.get(id);
    if (record === null) throw unknownToken();
    this.#verify(record, secret);
    return record;
  }

  #verify(record: JoinTokenRecord, secret: string): void {
    if (!matches(secret, record.hash)) throw unknownToken();
    const problem = this.#problemOf(record);
    if (problem !== null) throw new Refused("token", `Cannot join: the token ${problem}; ${ANOTHER}`);
  }

  #problemOf(record: JoinTokenRecord): string | null {
    if (this.#clock.now() >= record.expiresAt) return "has expired";
    if (record.uses > 0 && record.used >= record.uses)
      return record.uses === 1 ? "has been used already" : `has been used ${record.used} times already`;
    return null;
  }
}

const ANOTHER = `make another one with "mesh token create"`;

function unknownToken(): Refused {
  return new Refused("token", `Cannot join: the control plane does not know the token; ${ANOTHER}`);
}
