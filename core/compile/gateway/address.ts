import { addressAt, type Cidr, canonicalAddress, cidrHolds, isIpAddress } from "../../config/mod.ts";

/** An address that a Gateway asks for; without a value, any. */
export interface AddressWish {
  readonly type: string;
  readonly value: string;
}

/** What a Gateway asks for, by its name. */
export interface Wishes {
  readonly gateway: string;
  /** Empty: one, whichever. */
  readonly addresses: readonly AddressWish[];
}

/** What a Gateway gets, and what it asked for in vain. */
export interface Granted {
  readonly addresses: readonly string[];
  /** Of a type that there is not. */
  readonly unsupported: readonly AddressWish[];
  /** Outside the pool, or of another Gateway. */
  readonly unusable: readonly { readonly value: string; readonly why: string }[];
  /** Any address, and the pool has none left. */
  readonly missing: number;
}

/** Addresses by Gateway. */
export type AddressBook = ReadonlyMap<string, readonly string[]>;

const ANY: readonly AddressWish[] = [{ type: "IPAddress", value: "" }];

/**
 * Gives every Gateway its addresses of the pool. What one has already it
 * keeps, as long as it asks for it; then come those who ask for an address by
 * its value, then the others, each the first free one from a place that its
 * name gives. So the same Gateways get the same addresses, and mostly keep
 * them while others come and go, even where nobody remembers. Wishes that come
 * first go first. Pure.
 */
export function grantAddresses(
  wishes: readonly Wishes[],
  pool: Cidr | null,
  kept: AddressBook = new Map(),
): ReadonlyMap<string, Granted> {
  const granting = new Granting(pool);
  for (const wish of wishes) granting.keep(wish, kept.get(wish.gateway) ?? []);
  for (const wish of wishes) granting.byValue(wish);
  for (const wish of wishes) granting.byName(wish);
  return new Map(wishes.map((wish) => [wish.gateway, granting.granted(wish)]));
}

class Granting {
  readonly #pool: Cidr | null;
  readonly #owners = new Map<string, string>();
  /** Addresses of Gateways that asked for any. */
  readonly #any = new Map<string, string[]>();

  constructor(pool: Cidr | null) {
    this.#pool = pool;
  }

  /** Lets a Gateway keep what it still asks for. */
  keep(wish: Wishes, addresses: readonly string[]): void {
    const values = valuesOf(wish);
    let open = countOfAny(wish);
    for (const address of addresses) {
      if (!this.#isFree(address)) continue;
      if (values.includes(address)) this.#owners.set(address, wish.gateway);
      else if (open-- > 0) this.#takeAny(wish, address);
    }
  }

  byValue(wish: Wishes): void {
    for (const value of valuesOf(wish)) if (this.#isFree(value)) this.#owners.set(value, wish.gateway);
  }

  byName(wish: Wishes): void {
    const missing = countOfAny(wish) - (this.#any.get(wish.gateway)?.length ?? 0);
    for (let i = 0; i < missing; i++) {
      const free = this.#free(wish.gateway);
      if (free === null) return;
      this.#takeAny(wish, free);
    }
  }

  granted(wish: Wishes): Granted {
    const any = [...(this.#any.get(wish.gateway) ?? [])];
    const addresses: string[] = [];
    const unusable: { value: string; why: string }[] = [];
    let missing = 0;
    for (const { type, value } of wantedBy(wish)) {
      if (type !== "IPAddress") continue;
      const address = value === "" ? any.shift() : canonical(value);
      if (address === undefined) missing++;
      else if (value === "" || this.#owners.get(address) === wish.gateway) addresses.push(address);
      else unusable.push({ value, why: this.#whyNot(address) });
    }
    const unsupported = wish.addresses.filter(({ type }) => type !== "IPAddress");
    // Without a pool nobody gives addresses: the proxy binds what it was told.
    return { addresses, unsupported, unusable, missing: this.#pool === null ? 0 : missing };
  }

  #whyNot(address: string): string {
    if (!isIpAddress(address)) return "it is not an IP address";
    if (this.#pool === null) return "there is no pool of addresses for Gateways";
    return cidrHolds(this.#pool, address) ? "another Gateway has it" : `it is not in the pool ${this.#pool.text}`;
  }

  #takeAny({ gateway }: Wishes, address: string): void {
    this.#owners.set(address, gateway);
    const list = this.#any.get(gateway);
    if (list === undefined) this.#any.set(gateway, [address]);
    else list.push(address);
  }

  #isFree(address: string): boolean {
    const pool = this.#pool;
    return pool !== null && isIpAddress(address) && cidrHolds(pool, address) && !this.#owners.has(address);
  }

  #free(gateway: string): string | null {
    if (this.#pool === null) return null;
    const { from, count } = hostsOf(this.#pool);
    const start = hashOf(gateway) % count;
    for (let i = 0n; i < count && i <= BigInt(this.#owners.size); i++) {
      const address = addressAt(this.#pool, from + ((start + i) % count));
      if (!this.#owners.has(address)) return address;
    }
    return null;
  }
}

function wantedBy({ addresses }: Wishes): readonly AddressWish[] {
  return addresses.length === 0 ? ANY : addresses;
}

function valuesOf(wish: Wishes): readonly string[] {
  return wantedBy(wish).flatMap(({ type, value }) => (type === "IPAddress" && value !== "" ? [canonical(value)] : []));
}

function countOfAny(wish: Wishes): number {
  return wantedBy(wish).filter(({ type, value }) => type === "IPAddress" && value === "").length;
}

function canonical(value: string): string {
  return isIpAddress(value) ? canonicalAddress(value) : value;
}

/** The first and, in IPv4, the last address of a range are for others to mean the range. */
function hostsOf({ size, version }: Cidr): { readonly from: bigint; readonly count: bigint } {
  if (size <= 2n) return { from: 0n, count: size };
  return { from: 1n, count: size - (version === 4 ? 2n : 1n) };
}

/** FNV-1a: any hash does that spreads names over the pool. */
function hashOf(text: string): bigint {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return BigInt(hash);
}
