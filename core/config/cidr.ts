import { isIpAddress } from "./address.ts";

/** A range of addresses, as numbers so that it can be counted in. */
export interface Cidr {
  /** As it was written. */
  readonly text: string;
  readonly version: 4 | 6;
  readonly first: bigint;
  /** How many addresses it has. */
  readonly size: bigint;
}

/** What `parseCidr` takes, for messages. */
export const CIDR = 'a range of addresses like "127.0.2.0/24" or "fd00::/112"';

/** Reads `address/bits`. Null for anything else, also where the address has bits behind the prefix. */
export function parseCidr(input: unknown): Cidr | null {
  if (typeof input !== "string") return null;
  const parts = /^([^/]+)\/(\d{1,3})$/.exec(input);
  const [, address = "", digits] = parts ?? [];
  if (!isIpAddress(address)) return null;
  const version = address.includes(":") ? 6 : 4;
  const free = BITS[version] - Number(digits);
  if (free < 0) return null;
  const first = numberOfAddress(address);
  const size = 1n << BigInt(free);
  return first % size === 0n ? { text: input, version, first, size } : null;
}

const BITS = { 4: 32, 6: 128 } as const;

export function cidrHolds({ version, first, size }: Cidr, address: string): boolean {
  if ((address.includes(":") ? 6 : 4) !== version) return false;
  const at = numberOfAddress(address) - first;
  return at >= 0n && at < size;
}

/** The address so many behind the first of a range; the caller stays within its size. */
export function addressAt({ version, first }: Cidr, offset: bigint): string {
  return version === 4 ? ipv4Text(first + offset) : ipv6Text(first + offset);
}

/** One spelling for every way to write an IP address (RFC 5952). */
export function canonicalAddress(address: string): string {
  return address.includes(":") ? ipv6Text(numberOfAddress(address)) : address;
}

function numberOfAddress(address: string): bigint {
  return address.includes(":") ? ipv6Number(address) : ipv4Number(address);
}

function ipv4Number(address: string): bigint {
  return address.split(".").reduce((sum, part) => sum * 256n + BigInt(part), 0n);
}

function ipv4Text(value: bigint): string {
  return [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 255n).join(".");
}

const GROUPS = 8;

function ipv6Number(address: string): bigint {
  const [head = "", tail] = withoutIpv4(address).split("::");
  const before = groupsOf(head);
  const after = groupsOf(tail ?? "");
  const zeros = new Array<string>(GROUPS - before.length - after.length).fill("0");
  return [...before, ...zeros, ...after].reduce((sum, group) => sum * 65536n + BigInt(`0x${group}`), 0n);
}

function groupsOf(text: string): string[] {
  return text === "" ? [] : text.split(":");
}

/** The last two groups may be written as an IPv4 address. */
function withoutIpv4(address: string): string {
  const start = address.lastIndexOf(":") + 1;
  const last = address.slice(start);
  if (!last.includes(".")) return address;
  const value = ipv4Number(last);
  return `${address.slice(0, start)}${(value >> 16n).toString(16)}:${(value & 0xffffn).toString(16)}`;
}

function ipv6Text(value: bigint): string {
  const groups = Array.from({ length: GROUPS }, (_, i) => ((value >> BigInt(112 - 16 * i)) & 0xffffn).toString(16));
  const { start, length } = longestZeros(groups);
  if (length < 2) return groups.join(":");
  return `${groups.slice(0, start).join(":")}::${groups.slice(start + length).join(":")}`;
}

/** The first of the longest runs of zeros. */
function longestZeros(groups: readonly string[]): { readonly start: number; readonly length: number } {
  let best = { start: 0, length: 0 };
  let length = 0;
  for (const [i, group] of groups.entries()) {
    length = group === "0" ? length + 1 : 0;
    if (length > best.length) best = { start: i - length + 1, length };
  }
  return best;
}
