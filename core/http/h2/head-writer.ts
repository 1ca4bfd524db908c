import { latin1 } from "../../base/mod.ts";
import type { Trailers } from "../body.ts";
import { COLON, HTAB, SP } from "../byte-class.ts";
import type { Target } from "../exchange.ts";
import { Field } from "../field.ts";
import { takesTrailers } from "../frame.ts";
import { type Fields, METHOD_NAMES, Method, type RequestHead, type ResponseHead } from "../head.ts";
import type { Edits, Lines } from "../serialize.ts";
import type { HpackEncoder } from "./hpack-encoder.ts";

/** Entries of the static table. */
const METHOD_GET = 2;
const METHOD_POST = 3;
const PATH_ROOT = 4;
const SCHEME_HTTP = 6;
const SCHEME_HTTPS = 7;
const STATUS_INDEX: Readonly<Record<number, number>> = { 200: 8, 204: 9, 206: 10, 304: 11, 400: 12, 404: 13, 500: 14 };

const METHOD = latin1(":method");
const PATH = latin1(":path");
const AUTHORITY = latin1(":authority");
const PROTOCOL = latin1(":protocol");
const STATUS = latin1(":status");
const TE = latin1("te");
const TRAILERS = latin1("trailers");
const CONNECT = latin1("CONNECT");
const METHOD_BYTES = METHOD_NAMES.map(latin1);

/** Fields whose value is hardly ever the same again: a table of them would be full at once. */
const CHANGES = membersOf([Field.Date, Field.XRequestId, Field.Traceparent, Field.IdempotencyKey]);
/** Fields whose value must not be guessed from what a table makes of it (RFC 7541, section 7.1). */
const SECRETS = membersOf([Field.Authorization, Field.Cookie, Field.ProxyAuthorization]);

function membersOf(fields: readonly Field[]): Uint8Array {
  const table = new Uint8Array(256);
  for (const id of fields) table[id] = 1;
  return table;
}

export interface RequestForm {
  readonly secure: boolean;
  /** The peer knows extended CONNECT; without it an upgrade is left out. */
  readonly upgrades: boolean;
  readonly target: Target | null;
}

/** Encodes a request head as this hop sends it; the other arguments are those of `writeRequestHead`. */
export function encodeRequest(
  to: HpackEncoder,
  head: RequestHead,
  { secure, upgrades, target }: RequestForm,
  authority: Buffer,
  route: Edits | null,
  policy: Edits | null,
  added: Lines,
): void {
  to.begin();
  encodeMethod(to, head, upgrades);
  if (head.method !== Method.Connect) {
    to.indexed(secure ? SCHEME_HTTPS : SCHEME_HTTP);
    encodePath(to, head, target);
  }
  encodeAuthority(to, head, target !== null && target.authority.length > 0 ? target.authority : null, authority);
  if (upgrades) {
    const i = head.find(Field.Upgrade);
    to.field(PROTOCOL, 0, PROTOCOL.length, head.bytes, head.valueStart(i), head.valueEnd(i), false, false);
  }
  encodeFields(to, head, route, policy);
  if (takesTrailers(head)) to.field(TE, 0, TE.length, TRAILERS, 0, TRAILERS.length, false, false);
  encodeLines(to, added.bytes, added.length);
}

/** Another one, that of the request, or the service's where the request has none. */
function encodeAuthority(to: HpackEncoder, head: RequestHead, other: Buffer | null, service: Buffer): void {
  const known = other === null && head.authorityEnd > head.authorityStart;
  const host = known ? head.bytes : (other ?? service);
  const start = known ? head.authorityStart : 0;
  to.field(AUTHORITY, 0, AUTHORITY.length, host, start, known ? head.authorityEnd : host.length, false, false);
}

function encodeMethod(to: HpackEncoder, head: RequestHead, upgrades: boolean): void {
  const { method } = head;
  if (upgrades) to.field(METHOD, 0, METHOD.length, CONNECT, 0, CONNECT.length, false, false);
  else if (method === Method.Get) to.indexed(METHOD_GET);
  else if (method === Method.Post) to.indexed(METHOD_POST);
  else if (method === Method.Other) {
    to.field(METHOD, 0, METHOD.length, head.bytes, head.methodStart, head.methodEnd, false, false);
  } else to.field(METHOD, 0, METHOD.length, METHOD_BYTES[method]!, 0, METHOD_BYTES[method]!.length, false, false);
}

function encodePath(to: HpackEncoder, head: RequestHead, target: Target | null): void {
  const { bytes, pathStart, pathEnd } = head;
  if (target !== null && target.path.length > 0) {
    to.field(PATH, 0, PATH.length, target.path, 0, target.path.length, false, false);
    return;
  }
  if (head.hasQuery && head.queryStart !== pathEnd + 1) {
    encodeSplitPath(to, head);
    return;
  }
  const end = head.hasQuery ? head.queryEnd : pathEnd;
  if (end === pathStart + 1 && bytes[pathStart] === 0x2f) to.indexed(PATH_ROOT);
  else to.field(PATH, 0, PATH.length, bytes, pathStart, end, false, false);
}

/** `http://host?query`: the path "/" stands elsewhere. Rare. */
function encodeSplitPath(to: HpackEncoder, head: RequestHead): void {
  const path = latin1(`${head.pathText()}?${head.queryText()}`);
  to.field(PATH, 0, PATH.length, path, 0, path.length, false, false);
}

/** Encodes a response head. */
export function encodeResponse(
  to: HpackEncoder,
  head: ResponseHead,
  status: number,
  route: Edits | null,
  policy: Edits | null,
): void {
  to.begin();
  encodeStatus(to, status);
  encodeFields(to, head, route, policy);
}

export function encodeStatus(to: HpackEncoder, status: number): void {
  const index = STATUS_INDEX[status];
  if (index !== undefined) {
    to.indexed(index);
    return;
  }
  to.number(STATUS, status);
}

/** The fields that go on, then the lines of the edits. */
function encodeFields(to: HpackEncoder, head: Fields, route: Edits | null, policy: Edits | null): void {
  const { bytes, hop, ids, secret, spans, count } = head;
  for (let i = 0; i < count; i++) {
    if (hop[i] === 1 || route?.drops(head, i) === true || policy?.drops(head, i) === true) continue;
    const id = ids[i]!;
    const isSecret = secret[i] === 1 || SECRETS[id] === 1;
    const at = i * 4;
    to.field(bytes, spans[at]!, spans[at + 1]!, bytes, spans[at + 2]!, spans[at + 3]!, isSecret, CHANGES[id] === 1);
  }
  if (route !== null) encodeLines(to, route.lines, route.lines.length);
  if (policy !== null) encodeLines(to, policy.lines, policy.lines.length);
}

/** Encodes whole lines, each with its CRLF. */
export function encodeLines(to: HpackEncoder, bytes: Buffer, length: number): void {
  let p = 0;
  while (p < length) {
    const start = p;
    while (p < length && bytes[p] !== COLON) p++;
    const nameEnd = p++;
    while (p < length && (bytes[p] === SP || bytes[p] === HTAB)) p++;
    const valueStart = p;
    while (p < length && bytes[p] !== 13) p++;
    to.field(bytes, start, nameEnd, bytes, valueStart, p, false, p - valueStart === UUID_BYTES);
    p += 2;
  }
}

/** A request id of our own: never the same again. */
const UUID_BYTES = 36;

export function encodeTrailers(to: HpackEncoder, trailers: Trailers): void {
  to.begin();
  encodeFields(to, trailers, null, null);
}
