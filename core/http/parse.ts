import { parseAuthority } from "./authority.ts";
import { COLON, CR, HTAB, isDigit, LF, SLASH, SP, spells, TARGET, TOKEN, VALUE } from "./byte-class.ts";
import { Field, fieldOf } from "./field.ts";
import { frameRequest, frameResponse } from "./frame.ts";
import { type Fields, MAX_FIELDS, METHOD_NAMES, Method, type RequestHead, type ResponseHead } from "./head.ts";
import { INCOMPLETE, refuse, tooLarge, unsupported } from "./refusal.ts";

export { isToken } from "./byte-class.ts";
export { INCOMPLETE, REFUSED, TOO_LARGE, UNSUPPORTED } from "./refusal.ts";

export interface HeadLimits {
  /** Bytes of a whole head, first line included. */
  readonly maxBytes: number;
  /** At most `MAX_FIELDS`. */
  readonly maxFields: number;
}

export const DEFAULT_HEAD_LIMITS: HeadLimits = { maxBytes: 60 * 1024, maxFields: 100 };

/**
 * Reads a request head that begins at `start` (RFC 9112, section 3).
 *
 * Strict: whatever two parsers could read differently is refused. Reads from
 * the beginning each time it is called, so a caller whose head is incomplete
 * calls again only when a line feed has come. Never looks beyond the limit, so
 * that the answer is the same however the bytes were cut.
 *
 * @returns the offset after the head, or `INCOMPLETE`, `REFUSED`, `TOO_LARGE`, `UNSUPPORTED`.
 */
export function parseRequestHead(
  head: RequestHead,
  bytes: Buffer,
  start: number,
  end: number,
  limits: HeadLimits,
): number {
  head.reset();
  head.bytes = bytes;
  const stop = Math.min(end, start + limits.maxBytes);
  let p = parseRequestLine(head, bytes, start, stop);
  if (p > 0) p = parseFields(head, bytes, p, stop, limits);
  if (p === INCOMPLETE && end - start >= limits.maxBytes) return tooLarge(head, "head larger than the limit");
  if (p <= 0) return p;
  const framed = frameRequest(head);
  return framed < 0 ? framed : p;
}

function parseRequestLine(head: RequestHead, bytes: Buffer, start: number, end: number): number {
  let p = start;
  // RFC 9112, section 2.2: an empty line before a request is skipped.
  while (p < end && bytes[p] === CR) {
    p = lineEnd(head, bytes, p, end);
    if (p <= 0) return p;
  }
  head.methodStart = p;
  while (p < end && TOKEN[bytes[p]!] === 1) p++;
  if (p >= end) return INCOMPLETE;
  if (bytes[p] !== SP || p === head.methodStart) return refuse(head, "method is not a token followed by one space");
  head.methodEnd = p;
  head.method = methodOf(bytes, head.methodStart, p);
  p = parseTarget(head, bytes, p + 1, end);
  return p > 0 ? parseVersion(head, bytes, p, end) : p;
}

const METHODS: readonly Uint8Array[] = METHOD_NAMES.map((name) => new TextEncoder().encode(name));

export function methodOf(bytes: Buffer, start: number, end: number): Method {
  const length = end - start;
  for (let id = 1; id < METHODS.length; id++) {
    const name = METHODS[id]!;
    if (name.length !== length) continue;
    let i = 0;
    while (i < length && bytes[start + i] === name[i]) i++;
    if (i === length) return id as Method;
  }
  return Method.Other;
}

/** Leaves the offset after the space that ends the target. */
function parseTarget(head: RequestHead, bytes: Buffer, start: number, end: number): number {
  let p = start;
  let query = -1;
  while (p < end && TARGET[bytes[p]!] === 1) {
    if (bytes[p] === 0x3f && query < 0) query = p;
    p++;
  }
  if (p >= end) return INCOMPLETE;
  if (bytes[p] !== SP || p === start) return refuse(head, "request target holds a byte that is not allowed");
  const pathEnd = query < 0 ? p : query;
  if (query >= 0) {
    head.hasQuery = true;
    head.queryStart = query + 1;
    head.queryEnd = p;
  }
  return placeTarget(head, bytes, start, pathEnd, p);
}

/** Tells the four forms of a target apart (RFC 9112, section 3.2). */
function placeTarget(head: RequestHead, bytes: Buffer, start: number, pathEnd: number, end: number): number {
  if (head.method === Method.Connect) {
    if (!parseAuthority(head, bytes, start, end) || head.port === 0) return refuse(head, "CONNECT needs host:port");
    return end + 1;
  }
  if (bytes[start] === SLASH) {
    head.pathStart = start;
    head.pathEnd = pathEnd;
    return end + 1;
  }
  if (bytes[start] === 0x2a && end === start + 1) {
    if (head.method !== Method.Options) return refuse(head, "target * is for OPTIONS only");
    head.pathStart = start;
    head.pathEnd = end;
    return end + 1;
  }
  return placeAbsolute(head, bytes, start, pathEnd, end);
}

function placeAbsolute(head: RequestHead, bytes: Buffer, start: number, pathEnd: number, end: number): number {
  const scheme = start + 4;
  const isHttp = end > start + 7 && spells(bytes, start, scheme, "http") && bytes[scheme] === COLON;
  if (!isHttp || bytes[scheme + 1] !== SLASH || bytes[scheme + 2] !== SLASH) {
    return refuse(head, "target is neither a path nor an http:// URI");
  }
  const authority = scheme + 3;
  let p = authority;
  while (p < pathEnd && bytes[p] !== SLASH) p++;
  if (!parseAuthority(head, bytes, authority, p)) return refuse(head, "authority of the target is not host[:port]");
  head.absolute = true;
  // An empty path means "/": point at a slash that stands in the scheme.
  head.pathStart = p === pathEnd ? scheme + 1 : p;
  head.pathEnd = p === pathEnd ? scheme + 2 : pathEnd;
  return end + 1;
}

const VERSION_LINE = new TextEncoder().encode("HTTP/#.#\r\n");
const ANY_DIGIT = 0x23;

/** `HTTP/1.x` and CRLF; any minor above 1 is read as 1 (RFC 9110, section 2.5). */
function parseVersion(head: RequestHead, bytes: Buffer, start: number, end: number): number {
  for (let i = 0; i < VERSION_LINE.length; i++) {
    if (start + i >= end) return INCOMPLETE;
    const c = bytes[start + i]!;
    const wanted = VERSION_LINE[i]!;
    if (c !== wanted && !(wanted === ANY_DIGIT && isDigit(c))) {
      return refuse(head, "request line does not end in HTTP/1.1 and CRLF");
    }
  }
  if (bytes[start + 5] !== 0x31) return unsupported(head, "HTTP version is not 1.x");
  head.minor = bytes[start + 7] === 0x30 ? 0 : 1;
  return start + VERSION_LINE.length;
}

/**
 * Reads a response head (RFC 9112, section 4). `method` is the request's: it
 * decides whether a body can follow.
 *
 * @returns as `parseRequestHead`.
 */
export function parseResponseHead(
  head: ResponseHead,
  bytes: Buffer,
  start: number,
  end: number,
  limits: HeadLimits,
  method: Method,
): number {
  head.reset();
  head.bytes = bytes;
  const stop = Math.min(end, start + limits.maxBytes);
  let p = parseStatusLine(head, bytes, start, stop);
  if (p > 0) p = parseFields(head, bytes, p, stop, limits);
  if (p === INCOMPLETE && end - start >= limits.maxBytes) return tooLarge(head, "head larger than the limit");
  if (p <= 0) return p;
  const framed = frameResponse(head, method);
  return framed < 0 ? framed : p;
}

const STATUS_LINE = new TextEncoder().encode("HTTP/1.# ###");

function parseStatusLine(head: ResponseHead, bytes: Buffer, start: number, end: number): number {
  for (let i = 0; i < STATUS_LINE.length; i++) {
    if (start + i >= end) return INCOMPLETE;
    const c = bytes[start + i]!;
    const wanted = STATUS_LINE[i]!;
    if (c !== wanted && !(wanted === ANY_DIGIT && isDigit(c))) {
      return refuse(head, "status line is not HTTP/1.x and three digits");
    }
  }
  head.minor = bytes[start + 7] === 0x30 ? 0 : 1;
  head.status = (bytes[start + 9]! - 48) * 100 + (bytes[start + 10]! - 48) * 10 + bytes[start + 11]! - 48;
  if (head.status < 100 || head.status > 599) return refuse(head, "status is not 100 to 599");
  let p = start + STATUS_LINE.length;
  if (p >= end) return INCOMPLETE;
  // RFC 9112, section 4: the space is mandatory, but servers leave it out with an empty phrase.
  if (bytes[p] === SP) p++;
  else if (bytes[p] !== CR) return refuse(head, "status is not followed by a space");
  head.reasonStart = p;
  while (p < end && VALUE[bytes[p]!] === 1) p++;
  head.reasonEnd = p;
  return lineEnd(head, bytes, p, end);
}

/** Offset after CRLF at `p`. */
function lineEnd(head: Fields, bytes: Buffer, p: number, end: number): number {
  if (p >= end) return INCOMPLETE;
  if (bytes[p] === CR) {
    if (p + 1 >= end) return INCOMPLETE;
    return bytes[p + 1] === LF ? p + 2 : refuse(head, "bare CR");
  }
  return refuse(head, bytes[p] === LF ? "bare LF" : "control byte");
}

/** Reads field lines up to and including the empty line (RFC 9112, section 5). */
export function parseFields(head: Fields, bytes: Buffer, start: number, end: number, limits: HeadLimits): number {
  const most = Math.min(limits.maxFields, MAX_FIELDS);
  let p = start;
  while (p < end && bytes[p] !== CR) {
    if (head.count === most) return tooLarge(head, "more fields than the limit");
    p = parseField(head, bytes, p, end);
    if (p <= 0) return p;
  }
  head.fieldsEnd = p;
  return lineEnd(head, bytes, p, end);
}

/** Offset after the line. */
function parseField(head: Fields, bytes: Buffer, start: number, end: number): number {
  let p = start;
  while (p < end && TOKEN[bytes[p]!] === 1) p++;
  if (p >= end) return INCOMPLETE;
  if (bytes[p] !== COLON || p === start) return refuse(head, nameProblem(bytes[p]!, p === start));
  const nameEnd = p++;
  while (p < end && (bytes[p] === SP || bytes[p] === HTAB)) p++;
  const valueStart = p;
  p = valueEnds(bytes, p, end);
  let valueEnd = p;
  const after = lineEnd(head, bytes, p, end);
  if (after <= 0) return after;
  while (valueEnd > valueStart && (bytes[valueEnd - 1] === SP || bytes[valueEnd - 1] === HTAB)) valueEnd--;
  let id = fieldOf(bytes, start, nameEnd);
  if (id < 0) {
    if (mustBeSpelt(-id as Field)) return refuse(head, "name with _ reads like a framing field");
    id = Field.Unknown;
  }
  const i = head.count++;
  const spans = head.spans;
  spans[i * 4] = start;
  spans[i * 4 + 1] = nameEnd;
  spans[i * 4 + 2] = valueStart;
  spans[i * 4 + 3] = valueEnd;
  head.ids[i] = id;
  head.hop[i] = 0;
  head.secret[i] = 0;
  return after;
}

/** Offset of the first byte that may not stand in a value; four at a time, for values are most of a head. */
function valueEnds(bytes: Buffer, start: number, end: number): number {
  let p = start;
  while (
    p + 4 <= end &&
    (VALUE[bytes[p]!]! & VALUE[bytes[p + 1]!]! & VALUE[bytes[p + 2]!]! & VALUE[bytes[p + 3]!]!) === 1
  )
    p += 4;
  while (p < end && VALUE[bytes[p]!] === 1) p++;
  return p;
}

/** CGI, WSGI and Rack give "_" and "-" the same variable: such a name would frame, route or identify behind our back. */
function mustBeSpelt(id: Field): boolean {
  return id <= Field.Connection || id === Field.XForwardedClientCert;
}

function nameProblem(c: number, empty: boolean): string {
  if (empty && (c === SP || c === HTAB)) return "line begins with white space (obs-fold)";
  if (c === SP || c === HTAB) return "white space before the colon";
  if (c === LF) return "bare LF";
  return empty ? "empty field name" : "field name holds a byte that is not allowed";
}
