import { Field, FOLD, fieldOf, hashStep } from "./field.ts";
import { CHUNKED, type Fields, MAX_FIELDS, Method, type RequestHead, type ResponseHead, UNTIL_CLOSE } from "./head.ts";

/** The head is not whole yet; ask again with more bytes. */
export const INCOMPLETE = 0;
/** The bytes are not HTTP/1 as we take it: 400 and close. `problem` says why. */
export const REFUSED = -1;
/** The head is over a limit: 431. */
export const TOO_LARGE = -2;
/** Well-formed, but asks for a transfer coding or version we do not have: 501 or 505. */
export const UNSUPPORTED = -3;

export interface HeadLimits {
  /** Bytes of a whole head, first line included. */
  readonly maxBytes: number;
  /** At most `MAX_FIELDS`. */
  readonly maxFields: number;
}

export const DEFAULT_HEAD_LIMITS: HeadLimits = { maxBytes: 60 * 1024, maxFields: 100 };

const CR = 13;
const LF = 10;
const SP = 32;
const HTAB = 9;
const COLON = 58;
const SLASH = 47;

const TOKEN = byteClass("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
/** field-vchar, SP and HTAB (RFC 9110, section 5.5): no control byte. */
const VALUE = byteRange(0x20, 0xff, [0x7f]);
VALUE[HTAB] = 1;
/** What may stand in a request target; a fragment never does (RFC 9112, section 3.2). */
const TARGET = byteRange(0x21, 0x7e, [0x23]);
/** Host names and IPv4 literals. Percent-encoding and sub-delims are refused: parsers disagree on them. */
const HOST = byteClass("-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
const IPV6 = byteClass(":.0123456789ABCDEFabcdef");

function byteClass(members: string): Uint8Array {
  const table = new Uint8Array(256);
  for (let i = 0; i < members.length; i++) table[members.charCodeAt(i)] = 1;
  return table;
}

function byteRange(from: number, to: number, except: readonly number[]): Uint8Array {
  const table = new Uint8Array(256);
  table.fill(1, from, to + 1);
  for (const c of except) table[c] = 0;
  return table;
}

export function isTokenByte(c: number): boolean {
  return TOKEN[c] === 1;
}

export function isToken(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (TOKEN[text.charCodeAt(i)] !== 1) return false;
  return text.length > 0;
}

function refuse(head: Fields, problem: string): typeof REFUSED {
  head.problem = problem;
  return REFUSED;
}

function tooLarge(head: Fields, problem: string): typeof TOO_LARGE {
  head.problem = problem;
  return TOO_LARGE;
}

function unsupported(head: Fields, problem: string): typeof UNSUPPORTED {
  head.problem = problem;
  return UNSUPPORTED;
}

/**
 * Reads a request head that begins at `start` (RFC 9112, section 3).
 *
 * Strict: whatever two parsers could read differently is refused. Reads from
 * the beginning each time it is called, so a caller whose head is incomplete
 * calls again only when a line feed has come.
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
  let p = parseRequestLine(head, bytes, start, end);
  if (p > 0) p = parseFields(head, bytes, p, start, end, limits);
  if (p === INCOMPLETE && end - start > limits.maxBytes) return tooLarge(head, "head larger than the limit");
  if (p <= 0) return p;
  const framed = frameRequest(head);
  return framed < 0 ? framed : p;
}

function parseRequestLine(head: RequestHead, bytes: Buffer, start: number, end: number): number {
  let p = start;
  // RFC 9112, section 2.2: an empty line before a request is skipped.
  while (p < end && bytes[p] === CR) {
    if (p + 1 >= end) return INCOMPLETE;
    if (bytes[p + 1] !== LF) return refuse(head, "bare CR");
    p += 2;
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

function methodOf(bytes: Buffer, start: number, end: number): Method {
  const length = end - start;
  const a = bytes[start];
  if (length === 3) {
    if (a === 0x47 && bytes[start + 1] === 0x45 && bytes[start + 2] === 0x54) return Method.Get;
    if (a === 0x50 && bytes[start + 1] === 0x55 && bytes[start + 2] === 0x54) return Method.Put;
    return Method.Other;
  }
  if (length < 4 || length > 7) return Method.Other;
  switch (bytes.latin1Slice(start, end)) {
    case "HEAD":
      return Method.Head;
    case "POST":
      return Method.Post;
    case "DELETE":
      return Method.Delete;
    case "OPTIONS":
      return Method.Options;
    case "PATCH":
      return Method.Patch;
    case "TRACE":
      return Method.Trace;
    case "CONNECT":
      return Method.Connect;
    default:
      return Method.Other;
  }
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
  if (end - start < 8 || bytes.latin1Slice(start, start + 7).toLowerCase() !== "http://") {
    return refuse(head, "target is neither a path nor an http:// URI");
  }
  let p = start + 7;
  while (p < pathEnd && bytes[p] !== SLASH) p++;
  if (!parseAuthority(head, bytes, start + 7, p)) return refuse(head, "authority of the target is not host[:port]");
  head.absolute = true;
  // An empty path means "/": point at a slash that stands in the scheme.
  head.pathStart = p === pathEnd ? start + 5 : p;
  head.pathEnd = p === pathEnd ? start + 6 : pathEnd;
  return end + 1;
}

/** host[:port] without userinfo (RFC 9110, section 4.2.4). */
export function parseAuthority(head: RequestHead, bytes: Uint8Array, start: number, end: number): boolean {
  let p = start;
  if (bytes[p] === 0x5b) {
    p++;
    while (p < end && IPV6[bytes[p]!] === 1) p++;
    if (p >= end || bytes[p] !== 0x5d || p < start + 3) return false;
    p++;
  } else {
    while (p < end && HOST[bytes[p]!] === 1) p++;
    if (p === start) return false;
  }
  head.authorityStart = start;
  head.authorityEnd = end;
  head.hostEnd = p;
  head.port = 0;
  if (p === end) return true;
  if (bytes[p] !== COLON) return false;
  const port = parseDecimal(bytes, p + 1, end);
  if (port < 1 || port > 65535) return false;
  head.port = port;
  return true;
}

/** 1*DIGIT without superfluous zeros, below 2^53; -1 for anything else. */
function parseDecimal(bytes: Uint8Array, start: number, end: number): number {
  if (start >= end || end - start > 15 || (bytes[start] === 0x30 && end - start > 1)) return -1;
  let value = 0;
  for (let p = start; p < end; p++) {
    const digit = bytes[p]! - 0x30;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value;
}

/** `HTTP/1.x` and CRLF; any minor above 1 is read as 1 (RFC 9110, section 2.5). */
function parseVersion(head: RequestHead, bytes: Buffer, start: number, end: number): number {
  for (let i = 0; i < 10; i++) {
    const p = start + i;
    if (p >= end) return INCOMPLETE;
    const c = bytes[p]!;
    const ok =
      i < 5
        ? c === "HTTP/".charCodeAt(i)
        : i === 6
          ? c === 0x2e
          : i === 8
            ? c === CR
            : i === 9
              ? c === LF
              : c >= 0x30 && c <= 0x39;
    if (!ok) return refuse(head, "request line does not end in HTTP/1.1 and CRLF");
  }
  if (bytes[start + 5] !== 0x31) return unsupported(head, "HTTP version is not 1.x");
  head.minor = bytes[start + 7] === 0x30 ? 0 : 1;
  return start + 10;
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
  let p = parseStatusLine(head, bytes, start, end);
  if (p > 0) p = parseFields(head, bytes, p, start, end, limits);
  if (p === INCOMPLETE && end - start > limits.maxBytes) return tooLarge(head, "head larger than the limit");
  if (p <= 0) return p;
  const framed = frameResponse(head, method);
  return framed < 0 ? framed : p;
}

function parseStatusLine(head: ResponseHead, bytes: Buffer, start: number, end: number): number {
  const fixed = Math.min(end - start, 12);
  for (let i = 0; i < fixed; i++) {
    const c = bytes[start + i]!;
    const ok = i < 7 ? c === "HTTP/1.".charCodeAt(i) : i === 8 ? c === SP : c >= 0x30 && c <= 0x39;
    if (!ok) return refuse(head, "status line is not HTTP/1.x and three digits");
  }
  if (fixed < 12) return INCOMPLETE;
  head.minor = bytes[start + 7] === 0x30 ? 0 : 1;
  head.status = (bytes[start + 9]! - 48) * 100 + (bytes[start + 10]! - 48) * 10 + bytes[start + 11]! - 48;
  if (head.status < 100 || head.status > 599) return refuse(head, "status is not 100 to 599");
  let p = start + 12;
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

/**
 * Reads field lines up to and including the empty line (RFC 9112, section 5).
 * `start` is where the message began, for the size limit.
 */
export function parseFields(
  head: Fields,
  bytes: Buffer,
  from: number,
  start: number,
  end: number,
  limits: HeadLimits,
): number {
  const spans = head.spans;
  const maxFields = Math.min(limits.maxFields, MAX_FIELDS);
  let p = from;
  for (;;) {
    if (p >= end) return INCOMPLETE;
    if (bytes[p] === CR) {
      head.fieldsEnd = p;
      const after = lineEnd(head, bytes, p, end);
      return after > 0 && after - start > limits.maxBytes ? tooLarge(head, "head larger than the limit") : after;
    }
    if (head.count === maxFields) return tooLarge(head, "more fields than the limit");
    const nameStart = p;
    let hash = 0;
    let underscore = false;
    let c = bytes[p]!;
    while (TOKEN[c] === 1) {
      if (c === 0x5f) underscore = true;
      hash = hashStep(hash, FOLD[c]!);
      p++;
      if (p >= end) return INCOMPLETE;
      c = bytes[p]!;
    }
    if (c !== COLON || p === nameStart) return refuse(head, nameProblem(c, p === nameStart));
    const nameEnd = p++;
    while (p < end && (bytes[p] === SP || bytes[p] === HTAB)) p++;
    const valueStart = p;
    while (p < end && VALUE[bytes[p]!] === 1) p++;
    let valueEnd = p;
    const after = lineEnd(head, bytes, p, end);
    if (after <= 0) return after;
    while (valueEnd > valueStart && (bytes[valueEnd - 1] === SP || bytes[valueEnd - 1] === HTAB)) valueEnd--;
    let id: Field = fieldOf(bytes, nameStart, nameEnd, hash);
    if (underscore && id !== Field.Unknown) {
      if (id <= Field.Connection || id === Field.XForwardedClientCert)
        return refuse(head, "name with _ reads like a framing field");
      id = Field.Unknown;
    }
    const i = head.count++;
    const s = i * 4;
    spans[s] = nameStart;
    spans[s + 1] = nameEnd;
    spans[s + 2] = valueStart;
    spans[s + 3] = valueEnd;
    head.ids[i] = id;
    head.hop[i] = 0;
    p = after;
  }
}

function nameProblem(c: number, empty: boolean): string {
  if (empty && (c === SP || c === HTAB)) return "line begins with white space (obs-fold)";
  if (c === SP || c === HTAB) return "white space before the colon";
  if (c === LF) return "bare LF";
  return empty ? "empty field name" : "field name holds a byte that is not allowed";
}

const KEEP = 0;
const HOP = 1;
/** What happens at this hop to each field the mesh knows. */
const ROLE = new Uint8Array(64);
for (const id of [
  Field.TransferEncoding,
  Field.Connection,
  Field.KeepAlive,
  Field.ProxyConnection,
  Field.Te,
  Field.Upgrade,
  Field.ProxyAuthorization,
  Field.ProxyAuthenticate,
]) {
  ROLE[id] = HOP;
}

/** Message framing and what must hold of a request as a whole (RFC 9112, sections 3.2, 6). */
function frameRequest(head: RequestHead): number {
  const ids = head.ids;
  let hosts = 0;
  let upgrade = -1;
  let upgradeAsked = false;
  head.keepAlive = head.minor === 1;
  for (let i = 0; i < head.count; i++) {
    const id = ids[i]!;
    if (id === Field.Unknown) continue;
    if (ROLE[id] !== KEEP) head.hop[i] = 1;
    if (id === Field.Host) {
      if (++hosts > 1) return refuse(head, "more than one Host");
      if (!placeHost(head, i)) return refuse(head, "Host is not host[:port]");
    } else if (id === Field.ContentLength || id === Field.TransferEncoding) {
      const framed = frameLength(head, i, id, head.minor);
      if (framed < 0) return framed;
    } else if (id === Field.Connection) {
      const options = readConnection(head, i);
      if (options < 0) return options;
      if (options & CLOSE) head.keepAlive = false;
      else if (options & ALIVE && head.minor === 0) head.keepAlive = true;
      if (options & UPGRADE) upgradeAsked = true;
    } else if (id === Field.Upgrade) upgrade = i;
    else if (id === Field.Expect) {
      if (!valueIs(head, i, "100-continue")) return refuse(head, "Expect is not 100-continue");
      // An HTTP/1.0 client does not know 100 (RFC 9110, section 10.1.1).
      head.expectContinue = head.minor === 1;
    }
  }
  if (hosts === 0 && head.minor === 1) return refuse(head, "no Host");
  head.upgrade = upgradeAsked && upgrade >= 0 && head.minor === 1 && carriesUpgrade(head, upgrade);
  return head.method === Method.Connect && head.contentLength !== 0 ? refuse(head, "CONNECT with a body") : 1;
}

/** A target in absolute form, or of CONNECT, has the say; Host must still be well-formed (RFC 9112, section 3.2.2). */
function placeHost(head: RequestHead, i: number): boolean {
  head.hop[i] = 1;
  if (!head.absolute && head.method !== Method.Connect)
    return parseAuthority(head, head.bytes, head.valueStart(i), head.valueEnd(i));
  const { authorityStart, authorityEnd, hostEnd, port } = head;
  const ok = parseAuthority(head, head.bytes, head.valueStart(i), head.valueEnd(i));
  head.authorityStart = authorityStart;
  head.authorityEnd = authorityEnd;
  head.hostEnd = hostEnd;
  head.port = port;
  return ok;
}

/** HTTP/2 and TLS inside an upgrade would slip past this proxy's parser. */
function carriesUpgrade(head: RequestHead, i: number): boolean {
  const protocol = head.valueText(i).toLowerCase();
  return isToken(protocol.replaceAll("/", "")) && !/^(h2|http|tls)/.test(protocol);
}

/** One Content-Length, or one Transfer-Encoding that is "chunked"; never both. */
function frameLength(head: RequestHead | ResponseHead, i: number, id: Field, minor: number): number {
  if (head.find(Field.ContentLength) !== i && head.find(Field.TransferEncoding) !== i) {
    return refuse(head, "Content-Length or Transfer-Encoding repeated");
  }
  const other = head.find(id === Field.ContentLength ? Field.TransferEncoding : Field.ContentLength);
  if (other >= 0) return refuse(head, "Content-Length together with Transfer-Encoding");
  if (id === Field.ContentLength) {
    const length = parseDecimal(head.bytes, head.valueStart(i), head.valueEnd(i));
    if (length < 0) return refuse(head, "Content-Length is not one decimal number");
    head.contentLength = length;
    return 1;
  }
  if (minor === 0) return refuse(head, "Transfer-Encoding in HTTP/1.0");
  if (!valueIs(head, i, "chunked")) return unsupported(head, "transfer coding other than chunked");
  head.contentLength = CHUNKED;
  return 1;
}

function valueIs(head: Fields, i: number, lower: string): boolean {
  const start = head.valueStart(i);
  if (head.valueEnd(i) - start !== lower.length) return false;
  for (let k = 0; k < lower.length; k++)
    if ((head.bytes[start + k]! | 0x20) !== (lower.charCodeAt(k) | 0x20)) return false;
  return true;
}

const CLOSE = 1;
const ALIVE = 2;
const UPGRADE = 4;

/** Reads connection options, and marks the fields they name as ending here (RFC 9110, section 7.6.1). */
function readConnection(head: Fields, i: number): number {
  if (valueIs(head, i, "keep-alive")) return ALIVE;
  if (valueIs(head, i, "close")) return CLOSE;
  let options = 0;
  for (const item of head.valueText(i).split(",")) {
    const option = item.trim().toLowerCase();
    if (option === "close") options |= CLOSE;
    else if (option === "keep-alive") options |= ALIVE;
    else if (option === "upgrade") options |= UPGRADE;
    else if (option !== "" && !isToken(option)) return refuse(head, "Connection holds something that is not a token");
    else if (option !== "" && !nominate(head, option))
      return refuse(head, "Connection names a field that must reach the other side");
  }
  return options;
}

/** False for a field that carries framing, routing or identity: dropping it would change what the message means. */
function nominate(head: Fields, name: string): boolean {
  for (let k = head.findName(name); k >= 0; k = head.findName(name, k + 1)) {
    const id = head.ids[k]!;
    if (
      id === Field.Host ||
      id === Field.ContentLength ||
      id === Field.XForwardedClientCert ||
      id === Field.Authorization
    )
      return false;
    if (id === Field.Cookie || id === Field.XForwardedFor || id === Field.XRequestId) return false;
    head.hop[k] = 1;
  }
  return true;
}

/** RFC 9112, section 6.3, for responses. */
function frameResponse(head: ResponseHead, method: Method): number {
  head.keepAlive = head.minor === 1;
  head.contentLength = UNTIL_CLOSE;
  for (let i = 0; i < head.count; i++) {
    const id = head.ids[i]!;
    if (id === Field.Unknown) continue;
    if (ROLE[id] !== KEEP) head.hop[i] = 1;
    if (id === Field.ContentLength || id === Field.TransferEncoding) {
      const framed = frameLength(head, i, id as Field, head.minor);
      if (framed < 0) return framed;
    } else if (id === Field.Connection) {
      const options = readConnection(head, i);
      if (options < 0) return options;
      if (options & CLOSE) head.keepAlive = false;
      else if (options & ALIVE && head.minor === 0) head.keepAlive = true;
    }
  }
  const status = head.status;
  if (method === Method.Head || status < 200 || status === 204 || status === 304) head.contentLength = 0;
  else if (method === Method.Connect && status < 300) head.contentLength = 0;
  if (head.contentLength === UNTIL_CLOSE) head.keepAlive = false;
  return 1;
}
