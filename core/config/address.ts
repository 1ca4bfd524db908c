import { isIP } from "node:net";

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
  if (port > 65535 || (inBrackets !== undefined && isIP(inBrackets) !== 6)) return null;
  return { host: inBrackets ?? plain ?? "", port };
}

export function formatAddress(address: Address): string {
  return address.host.includes(":") ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}

/** True for an IP literal without port, brackets or zone. */
export function isIpAddress(input: unknown): input is string {
  return typeof input === "string" && !input.includes("%") && isIP(input) !== 0;
}
