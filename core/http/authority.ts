import { COLON, DOT, HOST, hexDigit, isDigit, parseDecimal } from "./byte-class.ts";
import type { RequestHead } from "./head.ts";

const BRACKET = 0x5b;
const BRACKET_END = 0x5d;
/** No name of the DNS is longer (RFC 1123, section 2.1): whoever looks it up, or remembers it, may count on that. */
const MAX_NAME_BYTES = 255;

/**
 * Reads host[:port] into the head; false where it is anything else. No
 * userinfo (RFC 9110, section 4.2.4), and no host that one resolver takes for
 * a name and another for a number: an address is dotted decimal or in brackets.
 */
export function parseAuthority(head: RequestHead, bytes: Uint8Array, start: number, end: number): boolean {
  const hostEnd = bytes[start] === BRACKET ? literalEnd(bytes, start, end) : nameEnd(bytes, start, end);
  if (hostEnd < 0) return false;
  let port = 0;
  if (hostEnd < end) {
    if (bytes[hostEnd] !== COLON) return false;
    port = parseDecimal(bytes, hostEnd + 1, end);
    if (port < 1 || port > 65535) return false;
  }
  head.authorityStart = start;
  head.authorityEnd = end;
  head.hostEnd = hostEnd;
  head.port = port;
  return true;
}

function nameEnd(bytes: Uint8Array, start: number, end: number): number {
  let p = start;
  while (p < end && HOST[bytes[p]!] === 1) p++;
  if (p === start || p - start > MAX_NAME_BYTES) return -1;
  const last = lastLabel(bytes, start, p);
  if (isDigit(bytes[last]!) && isNumber(bytes, last, p) && !isIpv4(bytes, start, p)) return -1;
  return p;
}

/** Where the last label begins; a dot at the end is no label. */
function lastLabel(bytes: Uint8Array, start: number, end: number): number {
  let p = bytes[end - 1] === DOT ? end - 1 : end;
  while (p > start && bytes[p - 1] !== DOT) p--;
  return p;
}

/** inet_aton() and browsers read a host whose last label looks like this as an address (WHATWG URL, "ends in a number"). */
function isNumber(bytes: Uint8Array, start: number, end: number): boolean {
  const stop = bytes[end - 1] === DOT ? end - 1 : end;
  const hexadecimal = bytes[start] === 0x30 && stop > start + 1 && (bytes[start + 1]! | 0x20) === 0x78;
  for (let p = hexadecimal ? start + 2 : start; p < stop; p++) {
    if (hexadecimal ? hexDigit(bytes[p]!) < 0 : !isDigit(bytes[p]!)) return false;
  }
  return true;
}

function isIpv4(bytes: Uint8Array, start: number, end: number): boolean {
  let p = start;
  for (let octet = 0; octet < 4; octet++) {
    const from = p;
    while (p < end && bytes[p] !== DOT) p++;
    const value = parseDecimal(bytes, from, p);
    if (value < 0 || value > 255) return false;
    if (octet < 3 && p++ === end) return false;
  }
  return p === end;
}

/** Offset after the bracket of an IPv6 literal; zones and future versions are refused. */
function literalEnd(bytes: Uint8Array, start: number, end: number): number {
  let p = start + 1;
  while (p < end && bytes[p] !== BRACKET_END) p++;
  return p < end && isIpv6(bytes, start + 1, p) ? p + 1 : -1;
}

/** RFC 4291, section 2.2: eight groups, or fewer around one "::", the last two perhaps as an IPv4 address. */
function isIpv6(bytes: Uint8Array, start: number, end: number): boolean {
  let p = start;
  let groups = 0;
  let gap = false;
  if (bytes[p] === COLON) {
    if (end - start < 2 || bytes[p + 1] !== COLON) return false;
    gap = true;
    p += 2;
  }
  while (p < end) {
    const from = p;
    while (p < end && hexDigit(bytes[p]!) >= 0) p++;
    if (p < end && bytes[p] === DOT) {
      if (!isIpv4(bytes, from, end)) return false;
      groups += 2;
      break;
    }
    if (p === from || p - from > 4) return false;
    groups++;
    if (p === end) break;
    if (bytes[p++] !== COLON || p === end) return false;
    if (bytes[p] !== COLON) continue;
    if (gap) return false;
    gap = true;
    p++;
  }
  return gap ? groups < 8 : groups === 8;
}
