/** A host with a port: what a listener binds and a dial aims at. */
export interface Address {
  readonly host: string;
  /** 0 where the system may choose. */
  readonly port: number;
}

/** What `parseAddress` takes, for messages. */
export const ADDRESS = 'an address like "127.0.0.1:8080" or "[::1]:8080"';

/** What `isIpAddress` takes, for messages. */
export const IP_ADDRESS = 'an IP address like "10.0.0.1"';

/** Reads `host:port`; an IPv6 host stands in brackets, port 0 is allowed. Null for anything else. */
export function parseAddress(input: unknown): Address | null {
  if (typeof input !== "string") return null;
  const parts = /^(?:\[([^\]]+)\]|([^:[\]\s/@]+)):(\d{1,5})$/.exec(input);
  if (parts === null) return null;
  const [, inBrackets, plain, digits] = parts;
  const port = Number(digits);
  if (port > 65535 || (inBrackets !== undefined && !isIpv6(inBrackets.replace(ZONE, "")))) return null;
  return { host: inBrackets ?? plain ?? "", port };
}

export function formatAddress(address: Address): string {
  return address.host.includes(":") ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}

/** True for an IP literal without port, brackets or zone. */
export function isIpAddress(input: unknown): input is string {
  return typeof input === "string" && (IPV4.test(input) || isIpv6(input));
}

// node:net has these, for 7 MB of memory.

/** Four numbers up to 255, none with a zero in front: to some readers that is octal. */
const IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?=\d)|$)){4}$/;

/** The interface of a link-local address. */
const ZONE = /%[\w.-]+$/;

const IPV6_GROUPS = 8;

/** RFC 4291, section 2.2: eight groups; `::` once for any zeros, and an IPv4 address for the last two. */
function isIpv6(text: string): boolean {
  const [head = "", tail, ...more] = text.split("::");
  if (more.length > 0) return false;
  if (tail === undefined) return groupsIn(head, true) === IPV6_GROUPS;
  const count = groupsIn(head, false) + groupsIn(tail, true);
  return count < IPV6_GROUPS;
}

/** How many groups some text stands for; NaN where it is not groups between colons. */
function groupsIn(text: string, mayEndInIpv4: boolean): number {
  if (text === "") return 0;
  const groups = text.split(":");
  const last = groups.at(-1)!;
  const isMixed = mayEndInIpv4 && IPV4.test(last);
  const plain = isMixed ? groups.slice(0, -1) : groups;
  return plain.every((group) => /^[0-9a-f]{1,4}$/i.test(group)) ? groups.length + (isMixed ? 1 : 0) : Number.NaN;
}
