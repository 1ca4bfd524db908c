/** Bytes that may stand in a token: method, field name, connection option (RFC 9110, section 5.6.2). */
export const TOKEN = byteClass("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
/** Bytes that may stand in a field value: no control byte but HTAB (RFC 9110, section 5.5). */
export const VALUE = byteRange(0x20, 0xff, "\x7f");
VALUE[0x09] = 1;
/** What may stand in a request target; a fragment never does (RFC 9112, section 3.2). */
export const TARGET = byteRange(0x21, 0x7e, "#");
/** Host names and IPv4 literals. Percent-encoding and sub-delims are refused: parsers disagree on them. */
export const HOST = byteClass("-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");

export const CR = 13;
export const LF = 10;
export const SP = 32;
export const HTAB = 9;
export const COLON = 58;
export const SLASH = 47;
export const DOT = 46;

function byteClass(members: string): Uint8Array {
  const table = new Uint8Array(256);
  for (let i = 0; i < members.length; i++) table[members.charCodeAt(i)] = 1;
  return table;
}

function byteRange(from: number, to: number, except: string): Uint8Array {
  const table = new Uint8Array(256);
  table.fill(1, from, to + 1);
  for (let i = 0; i < except.length; i++) table[except.charCodeAt(i)] = 0;
  return table;
}

export function isTokenByte(c: number): boolean {
  return TOKEN[c] === 1;
}

export function isToken(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (TOKEN[text.charCodeAt(i)] !== 1) return false;
  return text.length > 0;
}

export function isDigit(c: number): boolean {
  return c >= 0x30 && c <= 0x39;
}

/** Value of a hexadecimal digit; -1 for any other byte. */
export function hexDigit(c: number): number {
  if (isDigit(c)) return c - 0x30;
  const lower = c | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

/** 1*DIGIT below 10^15; -1 for anything else. A superfluous zero is refused: some parsers read octal behind it. */
export function parseDecimal(bytes: Uint8Array, start: number, end: number): number {
  if (start >= end || end - start > 15 || (bytes[start] === 0x30 && end - start > 1)) return -1;
  let value = 0;
  for (let p = start; p < end; p++) {
    const digit = bytes[p]! - 0x30;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value;
}

/** The bytes spell a lower-case word of letters, digits and "-", whatever their case. */
export function spells(bytes: Uint8Array, start: number, end: number, word: string): boolean {
  const length = word.length;
  if (end - start !== length) return false;
  for (let i = 0; i < length; i++) {
    const c = bytes[start + i]!;
    if ((c >= 0x41 && c <= 0x5a ? c | 0x20 : c) !== word.charCodeAt(i)) return false;
  }
  return true;
}
