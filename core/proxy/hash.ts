import { addBytes, addText, beginHash, endHash, type HashKeyModel, NO_HASH } from "../cluster/mod.ts";
import { Field, type RequestHead } from "../http/mod.ts";
import { addToResponse, lineEdits } from "./answer.ts";
import type { MeshExchange } from "./exchange.ts";

const AMPERSAND = 0x26;
const EQUALS = 0x3d;
const SEMICOLON = 0x3b;
const SPACE = 0x20;
const TAB = 0x09;

/**
 * The hash by which a request finds its endpoint: of the first key that the
 * request has. Makes no text, but for a cookie that is to be set.
 */
export function hashOf(exchange: MeshExchange, keys: readonly HashKeyModel[], random: () => number): number {
  for (let i = 0; i < keys.length; i++) {
    const hash = hashBy(exchange, keys[i]!, random);
    if (hash !== NO_HASH) return hash;
  }
  return NO_HASH;
}

function hashBy(exchange: MeshExchange, key: HashKeyModel, random: () => number): number {
  const { request } = exchange;
  switch (key.type) {
    case "Header":
      return ofHeader(request, key.name ?? "");
    case "QueryParam":
      return ofParameter(request, key.name ?? "");
    case "SourceAddress":
      return ofText(exchange.address);
    case "Cookie": {
      const found = ofCookie(request, key.name ?? "");
      return found !== NO_HASH || key.ttlMs === undefined ? found : ofNewCookie(exchange, key, random);
    }
  }
}

export function ofText(text: string): number {
  return endHash(addText(beginHash(), text));
}

function ofBytes(bytes: Buffer, start: number, end: number): number {
  return endHash(addBytes(beginHash(), bytes, start, end));
}

/** Repeated fields are one value (RFC 9110, section 5.3). */
function ofHeader(head: RequestHead, name: string): number {
  let i = head.findName(name);
  if (i < 0) return NO_HASH;
  let hash = beginHash();
  for (; i >= 0; i = head.findName(name, i + 1))
    hash = addBytes(hash, head.bytes, head.valueStart(i), head.valueEnd(i));
  return endHash(hash);
}

/** The first of a name, as it is written: an app that hashes as well reads the same. */
function ofParameter({ bytes, queryStart, queryEnd }: RequestHead, name: string): number {
  for (let at = queryStart; at < queryEnd; ) {
    const end = indexOf(bytes, AMPERSAND, at, queryEnd);
    const equals = indexOf(bytes, EQUALS, at, end);
    if (isName(bytes, at, equals, name)) return ofBytes(bytes, Math.min(equals + 1, end), end);
    at = end + 1;
  }
  return NO_HASH;
}

/** The first of a name (RFC 6265, section 4.2.1). */
function ofCookie(head: RequestHead, name: string): number {
  const { bytes } = head;
  for (let i = head.find(Field.Cookie); i >= 0; i = head.find(Field.Cookie, i + 1)) {
    const last = head.valueEnd(i);
    for (let at = head.valueStart(i); at < last; ) {
      const end = indexOf(bytes, SEMICOLON, at, last);
      while (at < end && (bytes[at] === SPACE || bytes[at] === TAB)) at++;
      const equals = indexOf(bytes, EQUALS, at, end);
      if (equals < end && isName(bytes, at, equals, name)) return ofBytes(bytes, equals + 1, end);
      at = end + 1;
    }
  }
  return NO_HASH;
}

/** A client without the cookie gets one, so that it comes back to where it is sent now. */
function ofNewCookie(exchange: MeshExchange, { name, ttlMs = 0, path = "/" }: HashKeyModel, random: () => number) {
  if (exchange.cookie === "") {
    exchange.cookie = hex(random) + hex(random);
    const age = ttlMs === 0 ? "" : `; Max-Age=${Math.max(1, Math.round(ttlMs / 1000))}`;
    const secure = exchange.downstream!.connection.secure ? "; Secure" : "";
    const line = `Set-Cookie: ${name}=${exchange.cookie}; Path=${path}${age}; HttpOnly${secure}\r\n`;
    addToResponse(exchange, lineEdits(line));
  }
  return ofText(exchange.cookie);
}

function hex(random: () => number): string {
  return Math.floor(random() * 2 ** 32)
    .toString(16)
    .padStart(8, "0");
}

function isName(bytes: Buffer, start: number, end: number, name: string): boolean {
  if (end - start !== name.length) return false;
  for (let i = 0; i < name.length; i++) if (bytes[start + i] !== name.charCodeAt(i)) return false;
  return true;
}

function indexOf(bytes: Buffer, byte: number, start: number, end: number): number {
  let i = start;
  while (i < end && bytes[i] !== byte) i++;
  return i;
}
