import { HTAB, SP, spells, TOKEN, VALUE } from "../byte-class.ts";
import { Field, fieldOf } from "../field.ts";

/**
 * What a decoded field is: below 64 the number of a field that may stand in a
 * head; then the pseudo-header fields; from `FIRST_BAD` on why the message is
 * malformed (RFC 9113, section 8.2).
 */
export const Kind = {
  Method: 64,
  Scheme: 65,
  Authority: 66,
  Path: 67,
  Protocol: 68,
  Status: 69,
} as const;
export const FIRST_PSEUDO = 64;
export const FIRST_BAD = 128;

/** In the order of their kinds. */
const PSEUDO_NAMES = [":method", ":scheme", ":authority", ":path", ":protocol", ":status"] as const;

const PROBLEMS = [
  "unknown pseudo-header field",
  "field name holds a byte that is not allowed",
  "field name is not in lower case",
  "connection-specific field in HTTP/2",
  "field value holds a byte that is not allowed",
  "field value begins or ends with white space",
  "te is not trailers",
  "name with _ reads like a framing field",
] as const;
const [PSEUDO, NAME, CASE, CONNECTION, VALUE_BYTE, SPACE, TE, UNDERSCORE] = PROBLEMS.map((_, i) => FIRST_BAD + i);

export function kindProblem(kind: number): string {
  return PROBLEMS[kind - FIRST_BAD] ?? "malformed field";
}

/** Kind of a field by its name alone. */
export function kindOfName(bytes: Uint8Array, start: number, end: number): number {
  if (start === end) return NAME!;
  if (bytes[start] === 0x3a) return pseudoKind(bytes, start, end);
  for (let p = start; p < end; p++) {
    const c = bytes[p]!;
    if (c >= 0x41 && c <= 0x5a) return CASE!;
    if (TOKEN[c] !== 1) return NAME!;
  }
  return regularKind(fieldOf(bytes, start, end));
}

function pseudoKind(bytes: Uint8Array, start: number, end: number): number {
  for (let i = 0; i < PSEUDO_NAMES.length; i++) {
    if (spells(bytes, start, end, PSEUDO_NAMES[i]!)) return isLower(bytes, start, end) ? FIRST_PSEUDO + i : CASE!;
  }
  return PSEUDO!;
}

function isLower(bytes: Uint8Array, start: number, end: number): boolean {
  for (let p = start; p < end; p++) if (bytes[p]! >= 0x41 && bytes[p]! <= 0x5a) return false;
  return true;
}

/** Fields that speak of a connection have no meaning here, and mean something behind us (RFC 9113, section 8.2.2). */
function regularKind(id: number): number {
  switch (id) {
    case Field.Connection:
    case Field.KeepAlive:
    case Field.ProxyConnection:
    case Field.TransferEncoding:
    case Field.Upgrade:
      return CONNECTION!;
    default:
      if (id >= 0) return id;
      // As in HTTP/1: such a name would frame, route or identify behind our back.
      return -id <= Field.Upgrade || -id === Field.XForwardedClientCert ? UNDERSCORE! : Field.Unknown;
  }
}

/** Kind of a field whose name has one already: the value may spoil it. */
export function kindOfValue(nameKind: number, bytes: Uint8Array, start: number, end: number): number {
  if (nameKind >= FIRST_BAD) return nameKind;
  for (let p = start; p < end; p++) if (VALUE[bytes[p]!] !== 1) return VALUE_BYTE!;
  if (start < end && (isSpace(bytes[start]!) || isSpace(bytes[end - 1]!))) return SPACE!;
  if (nameKind === Field.Te && !spells(bytes, start, end, "trailers")) return TE!;
  return nameKind;
}

function isSpace(c: number): boolean {
  return c === SP || c === HTAB;
}
