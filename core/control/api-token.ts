import type { Clock } from "../base/mod.ts";
import type { Records } from "./record.ts";
import { matches, newSecret, type RandomBytes } from "./secret.ts";

/** What a caller of the API may do; each may what those before it may. */
export const ROLES = ["viewer", "operator", "admin"] as const;
export type Role = (typeof ROLES)[number];

export interface ApiTokenRecord {
  readonly id: string;
  readonly hash: string;
  readonly name: string;
  readonly role: Role;
  readonly createdAt: number;
}

/** Who calls. */
export interface Caller {
  readonly tokenId: string;
  readonly name: string;
  readonly role: Role;
}

const PREFIX = "mesha";

export function isRole(value: unknown): value is Role {
  return ROLES.includes(value as Role);
}

export function mayActAs(caller: Caller, role: Role): boolean {
  return ROLES.indexOf(caller.role) >= ROLES.indexOf(role);
}

/** Bearer tokens of the API: `mesha.<id>.<secret>`, kept as hashes. */
export class ApiTokens {
  readonly #records: Records<ApiTokenRecord>;
  readonly #clock: Clock;
  readonly #random: RandomBytes;

  constructor(records: Records<ApiTokenRecord>, clock: Clock, random: RandomBytes) {
    this.#records = records;
    this.#clock = clock;
    this.#random = random;
  }

  async create(name: string, role: Role): Promise<{ readonly record: ApiTokenRecord; readonly token: string }> {
    const { id, secret, hash } = newSecret(this.#random);
    const record = { id, hash, name, role, createdAt: this.#clock.now() };
    await this.#records.put(id, record);
    return { record, token: `${PREFIX}.${id}.${secret}` };
  }

  list(): Promise<readonly ApiTokenRecord[]> {
    return this.#records.list();
  }

  delete(id: string): Promise<boolean> {
    return this.#records.delete(id);
  }

  /** Who bears this token; null for nobody. */
  async callerOf(token: string): Promise<Caller | null> {
    const [prefix, id, secret, ...more] = token.split(".");
    if (prefix !== PREFIX || id === undefined || secret === undefined || more.length > 0) return null;
    const record = await this.#records.get(id);
    if (record === null || !matches(secret, record.hash)) return null;
    return { tokenId: record.id, name: record.name, role: record.role };
  }
}
