import { parseAuthority } from "./authority.ts";
import { HTAB, parseDecimal, SP, spells, TOKEN } from "./byte-class.ts";
import { Field } from "./field.ts";
import { CHUNKED, type Fields, Method, type RequestHead, type ResponseHead, UNTIL_CLOSE } from "./head.ts";
import { refuse, unsupported } from "./refusal.ts";

const COMMA = 44;
/** More options than any sender has a use for cost us a search through the fields each. */
const MAX_CONNECTION_OPTIONS = 32;

const CLOSE = 1;
const ALIVE = 2;
const UPGRADE = 4;

/**
 * Fields that are about this connection only, whether `Connection` names them
 * or not (RFC 9110, section 7.6.1). Who the peer is we say ourselves: what it
 * claims to be ends here.
 */
export const HOP = membersOf([
  Field.TransferEncoding,
  Field.Connection,
  Field.KeepAlive,
  Field.ProxyConnection,
  Field.Te,
  Field.Upgrade,
  Field.ProxyAuthorization,
  Field.ProxyAuthenticate,
  Field.XForwardedClientCert,
  // What a proxy says of itself to the proxy before it; an app that says it is not believed.
  Field.MeshUnsent,
  Field.MeshReset,
]);

/** Fields whose loss would change who asks, whom, or for how much: `Connection` may not name them. */
const END_TO_END = membersOf([
  Field.Host,
  Field.ContentLength,
  Field.XForwardedClientCert,
  Field.Authorization,
  Field.Cookie,
  Field.XForwardedFor,
  Field.XForwardedProto,
  Field.XForwardedHost,
  Field.XRequestId,
]);

function membersOf(fields: readonly Field[]): Uint8Array {
  const table = new Uint8Array(256);
  for (const id of fields) table[id] = 1;
  return table;
}

/**
 * Settles what must hold of a request as a whole: its one Host, its framing,
 * and how the connection goes on (RFC 9112, sections 3.2, 6 and 9).
 *
 * @returns 1, or what `parseRequestHead` returns for a refusal.
 */
export function frameRequest(head: RequestHead): number {
  const { ids, hop, count } = head;
  let hosts = 0;
  let upgrades = 0;
  let options = 0;
  for (let i = 0; i < count; i++) {
    const id = ids[i]!;
    if (id === Field.Unknown) continue;
    if (HOP[id] === 1) hop[i] = 1;
    if (id === Field.Host) {
      if (++hosts > 1) return refuse(head, "more than one Host");
      if (!placeHost(head, i)) return refuse(head, "Host is not host[:port]");
    } else if (id === Field.ContentLength || id === Field.TransferEncoding) {
      const framed = frameLength(head, i, id, head.minor);
      if (framed < 0) return framed;
    } else if (id === Field.Connection) {
      const found = readConnection(head, i);
      if (found < 0) return found;
      options |= found;
    } else if (id === Field.Upgrade) upgrades++;
    else if (id === Field.Expect) {
      if (!valueIs(head, i, "100-continue")) return refuse(head, "Expect is not 100-continue");
      // An HTTP/1.0 client does not know 100 (RFC 9110, section 10.1.1).
      head.expectContinue = head.minor === 1;
    }
  }
  if (hosts === 0 && head.minor === 1) return refuse(head, "no Host");
  head.keepAlive = persists(options, head.minor);
  head.upgrade = (options & UPGRADE) !== 0 && upgrades === 1 && mayUpgrade(head);
  return head.method === Method.Connect && head.contentLength !== 0 ? refuse(head, "CONNECT with a body") : 1;
}

/** "close" has the last word, whatever stands beside it (RFC 9112, section 9.3). */
function persists(options: number, minor: number): boolean {
  return (options & CLOSE) === 0 && (minor === 1 || (options & ALIVE) !== 0);
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

/**
 * An upgrade is passed on only where nothing is left to argue about: HTTP/1.1,
 * one protocol, no body before it, and no HTTP or TLS that would slip past our
 * parser. Any other is left out, and the request goes on without (RFC 9110, section 7.8).
 */
function mayUpgrade(head: RequestHead): boolean {
  if (head.minor === 0 || head.contentLength !== 0) return false;
  return isUpgradeProtocol(head.valueText(head.find(Field.Upgrade)).toLowerCase());
}

/** One protocol, in lower case, that is neither HTTP nor TLS. */
export function isUpgradeProtocol(protocol: string): boolean {
  return /^[!#$%&'*+.^_`|~0-9a-z-]+(\/[!#$%&'*+.^_`|~0-9a-z-]+)?$/.test(protocol) && !/^(h2|http|tls)/.test(protocol);
}

/** The client takes trailers: of what `TE` may say, this alone goes on, said anew by each hop (RFC 9110, section 10.1.4). */
export function takesTrailers(head: RequestHead): boolean {
  for (let i = head.find(Field.Te); i >= 0; i = head.find(Field.Te, i + 1)) {
    if (valueIs(head, i, "trailers")) return true;
    if (!head.isHttp2 && /(^|,)\s*trailers\s*(,|$)/i.test(head.valueText(i))) return true;
  }
  return false;
}

/** One Content-Length, or one Transfer-Encoding that is "chunked"; never both. */
function frameLength(head: RequestHead | ResponseHead, i: number, id: Field, minor: number): number {
  for (let k = i + 1; k < head.count; k++) {
    const other = head.ids[k]!;
    if (other === id) return refuse(head, "Content-Length or Transfer-Encoding repeated");
    if (other === Field.ContentLength || other === Field.TransferEncoding)
      return refuse(head, "Content-Length together with Transfer-Encoding");
  }
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

function valueIs(head: Fields, i: number, word: string): boolean {
  return spells(head.bytes, head.valueStart(i), head.valueEnd(i), word);
}

/** Reads connection options, and marks the fields they name as ending here (RFC 9110, section 7.6.1). */
function readConnection(head: Fields, i: number): number {
  const end = head.valueEnd(i);
  let options = 0;
  let count = 0;
  for (let p = head.valueStart(i); p < end; p++) {
    if (isSeparator(head.bytes[p]!)) continue;
    const start = p;
    while (p < end && TOKEN[head.bytes[p]!] === 1) p++;
    if (!endsOption(head.bytes, p, end)) return refuse(head, "Connection holds something that is not a token");
    if (++count > MAX_CONNECTION_OPTIONS) return refuse(head, "Connection names too much");
    const option = readOption(head, start, p);
    if (option < 0) return refuse(head, "Connection names a field that must reach the other side");
    options |= option;
  }
  return options;
}

function isSeparator(c: number): boolean {
  return c === COMMA || c === SP || c === HTAB;
}

/** A comma or the end comes next, perhaps behind white space. */
function endsOption(bytes: Uint8Array, start: number, end: number): boolean {
  let p = start;
  while (p < end && (bytes[p] === SP || bytes[p] === HTAB)) p++;
  return p === end || bytes[p] === COMMA;
}

function readOption(head: Fields, start: number, end: number): number {
  const { bytes } = head;
  if (spells(bytes, start, end, "keep-alive")) return ALIVE;
  if (spells(bytes, start, end, "close")) return CLOSE;
  if (spells(bytes, start, end, "upgrade")) return UPGRADE;
  return nominate(head, start, end) ? 0 : -1;
}

/** False for a field that carries framing, routing or identity: dropping it would change what the message means. */
function nominate(head: Fields, start: number, end: number): boolean {
  for (let k = 0; k < head.count; k++) {
    if (!sameName(head, k, start, end)) continue;
    if (END_TO_END[head.ids[k]!] === 1) return false;
    head.hop[k] = 1;
  }
  return true;
}

function sameName(head: Fields, k: number, start: number, end: number): boolean {
  const from = head.nameStart(k);
  if (head.nameEnd(k) - from !== end - start) return false;
  for (let i = 0; i < end - start; i++) {
    if (lower(head.bytes[from + i]!) !== lower(head.bytes[start + i]!)) return false;
  }
  return true;
}

function lower(c: number): number {
  return c >= 0x41 && c <= 0x5a ? c | 0x20 : c;
}

/**
 * Settles the framing of a response (RFC 9112, section 6.3); `method` is the request's.
 *
 * @returns 1, or what `parseResponseHead` returns for a refusal.
 */
export function frameResponse(head: ResponseHead, method: Method): number {
  const { ids, hop, count } = head;
  let options = 0;
  head.contentLength = UNTIL_CLOSE;
  for (let i = 0; i < count; i++) {
    const id = ids[i]!;
    if (id === Field.Unknown) continue;
    if (HOP[id] === 1) hop[i] = 1;
    if (id === Field.ContentLength || id === Field.TransferEncoding) {
      const framed = frameLength(head, i, id, head.minor);
      if (framed < 0) return framed;
    } else if (id === Field.Connection) {
      const found = readConnection(head, i);
      if (found < 0) return found;
      options |= found;
    }
  }
  head.keepAlive = persists(options, head.minor);
  if (endsWithHead(head.status, method)) forgetLength(head);
  else if (method === Method.Head || head.status === 304) head.contentLength = 0;
  if (head.contentLength === UNTIL_CLOSE) head.keepAlive = false;
  return 1;
}

/** Statuses whose head is all there is, and that may not even announce a length (RFC 9110, section 8.6). */
function endsWithHead(status: number, method: Method): boolean {
  return status < 200 || status === 204 || (method === Method.Connect && status < 300);
}

/** A length here is a lie that some client would wait for: it ends at this hop, and so does the connection behind it. */
function forgetLength(head: ResponseHead): void {
  if (head.contentLength > 0 || head.contentLength === CHUNKED) head.keepAlive = false;
  head.contentLength = 0;
  const i = head.find(Field.ContentLength);
  if (i >= 0) head.hop[i] = 1;
}
