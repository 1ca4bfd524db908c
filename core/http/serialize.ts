import { latin1 } from "../base/mod.ts";
import type { Target } from "./exchange.ts";
import { Field } from "./field.ts";
import { takesTrailers } from "./frame.ts";
import { CHUNKED, type Fields, METHOD_NAMES, Method, type RequestHead, type ResponseHead } from "./head.ts";
import type { Stage } from "./sender.ts";

/**
 * Changes to a head on its way through: fields that do not go on, and lines
 * that are added behind the others.
 */
export interface Edits {
  drops(head: Fields, i: number): boolean;
  /** Whole lines, each with its CRLF. */
  readonly lines: Buffer;
}

/** One after the other. */
export class BothEdits implements Edits {
  readonly lines: Buffer;
  readonly #first: Edits;
  readonly #second: Edits;

  constructor(first: Edits, second: Edits) {
    this.lines = Buffer.concat([first.lines, second.lines]);
    this.#first = first;
    this.#second = second;
  }

  drops(head: Fields, i: number): boolean {
    return this.#first.drops(head, i) || this.#second.drops(head, i);
  }
}

/** Lines that the mesh itself adds; the owner reuses the bytes. */
export interface Lines {
  readonly bytes: Buffer;
  readonly length: number;
}

const VERSION_LINE = latin1(" HTTP/1.1\r\nHost: ");
const CRLF = latin1("\r\n");
const LF = 10;
const ONE = 49;
/** " HTTP/1.1" and its CRLF. */
const LINE_END_BYTES = 11;
const CHUNKED_LINE = latin1("Transfer-Encoding: chunked\r\n");
const EMPTY_LINE = latin1("Content-Length: 0\r\n");
const TRAILERS_LINES = latin1("Connection: te\r\nTE: trailers\r\n");
const UPGRADE_LINE = latin1("Connection: upgrade\r\nUpgrade: ");
const CLOSE_LINE = latin1("Connection: close\r\n");
const ALIVE_LINE = latin1("Connection: keep-alive\r\n");
const STATUS_START = latin1("HTTP/1.1 ");
const METHOD_BYTES = METHOD_NAMES.map(latin1);

/**
 * Writes a request head as this hop sends it: origin form, one Host, the end
 * of the connection fields, and the edits of route and policies. Method,
 * target and values are the received bytes, untouched, unless `target` says
 * otherwise.
 *
 * @param authority bytes of the Host field when the request itself has none (HTTP/1.0).
 */
export function writeRequestHead(
  to: Stage,
  head: RequestHead,
  authority: Buffer,
  route: Edits | null,
  policy: Edits | null,
  added: Lines,
  target: Target | null,
): void {
  if (target === null && goesOnAsItCame(head)) writeFields(to, head, route, policy, head.methodStart);
  else {
    writeRequestLine(to, head, authority, target);
    writeFields(to, head, route, policy, -1);
  }
  to.copy(added.bytes, 0, added.length);
  if (head.contentLength === CHUNKED) to.copy(CHUNKED_LINE, 0, CHUNKED_LINE.length);
  else if (head.isHttp2 && lacksLength(head)) to.copy(EMPTY_LINE, 0, EMPTY_LINE.length);
  if (head.upgrade) writeUpgrade(to, head);
  else if (takesTrailers(head)) to.copy(TRAILERS_LINES, 0, TRAILERS_LINES.length);
  to.copy(CRLF, 0, 2);
}

/**
 * The usual head: a target in origin form, HTTP/1.1, and Host right behind it.
 * Such a beginning leaves as one piece with the fields that follow. Where the
 * line feed stands tells it from a head that was not read off HTTP/1.
 */
function goesOnAsItCame(head: RequestHead): boolean {
  if (head.isHttp2 || head.minor === 0 || head.ids[0] !== Field.Host || head.pathStart !== head.methodEnd + 1)
    return false;
  const first = head.nameStart(0);
  const target = head.hasQuery ? head.queryEnd : head.pathEnd;
  if (head.count === 0 || first !== target + LINE_END_BYTES) return false;
  // An HTTP/1.2 would be 1.1 from here on.
  return head.bytes[first - 1] === LF && head.bytes[first - 3] === ONE;
}

/** Request line and Host, made anew. */
function writeRequestLine(to: Stage, head: RequestHead, authority: Buffer, target: Target | null): void {
  const { bytes } = head;
  if (head.method === Method.Other) to.copy(bytes, head.methodStart, head.methodEnd);
  else to.copy(METHOD_BYTES[head.method]!, 0, METHOD_BYTES[head.method]!.length);
  to.byte(32);
  if (target !== null && target.path.length > 0) to.copy(target.path, 0, target.path.length);
  else {
    to.copy(bytes, head.pathStart, head.pathEnd);
    if (head.hasQuery) to.copy(bytes, head.queryStart - 1, head.queryEnd);
  }
  to.copy(VERSION_LINE, 0, VERSION_LINE.length);
  if (target !== null && target.authority.length > 0) to.copy(target.authority, 0, target.authority.length);
  else if (head.authorityEnd > head.authorityStart) to.copy(bytes, head.authorityStart, head.authorityEnd);
  else to.copy(authority, 0, authority.length);
  to.copy(CRLF, 0, 2);
}

/** What HTTP/2 says by the end of the stream, HTTP/1 says by a length (RFC 9110, section 8.6). */
function lacksLength(head: RequestHead): boolean {
  const { method } = head;
  const expectsBody = method === Method.Post || method === Method.Put || method === Method.Patch;
  return expectsBody && head.contentLength === 0 && head.find(Field.ContentLength) < 0;
}

function writeUpgrade(to: Stage, head: Fields): void {
  const i = head.find(Field.Upgrade);
  if (i < 0) return;
  to.copy(UPGRADE_LINE, 0, UPGRADE_LINE.length);
  to.copy(head.bytes, head.valueStart(i), head.valueEnd(i));
  to.copy(CRLF, 0, 2);
}

/**
 * The fields that go on, in runs of neighbours, then the lines of the edits.
 * `begun` is where a run has begun that holds the first field, or -1.
 */
function writeFields(to: Stage, head: Fields, route: Edits | null, policy: Edits | null, begun: number): void {
  const { bytes, hop, count } = head;
  let run = begun;
  for (let i = begun < 0 ? 0 : 1; i < count; i++) {
    const drop = hop[i] === 1 || route?.drops(head, i) === true || policy?.drops(head, i) === true;
    if (drop && run >= 0) {
      to.copy(bytes, run, head.nameStart(i));
      run = -1;
    } else if (!drop && run < 0) run = head.nameStart(i);
  }
  if (run >= 0) to.copy(bytes, run, head.fieldsEnd);
  if (route !== null) to.copy(route.lines, 0, route.lines.length);
  if (policy !== null) to.copy(policy.lines, 0, policy.lines.length);
}

/** How the connection goes on after a response, as its head says it. */
export const After = { Default: 0, Close: 1, KeepAlive: 2 } as const;
export type After = (typeof After)[keyof typeof After];

/** What a response head says of its body beside the fields that came. */
export const Announce = { Nothing: 0, Chunks: 1, Empty: 2 } as const;
export type Announce = (typeof Announce)[keyof typeof Announce];

/** Writes a response head as this hop sends it. */
export function writeResponseHead(
  to: Stage,
  head: ResponseHead,
  announce: Announce,
  after: After,
  route: Edits | null,
  policy: Edits | null,
): void {
  to.copy(STATUS_START, 0, STATUS_START.length);
  writeStatus(to, head.status);
  to.byte(32);
  to.copy(head.bytes, head.reasonStart, head.reasonEnd);
  to.copy(CRLF, 0, 2);
  writeFields(to, head, route, policy, -1);
  if (announce === Announce.Chunks) to.copy(CHUNKED_LINE, 0, CHUNKED_LINE.length);
  else if (announce === Announce.Empty) to.copy(EMPTY_LINE, 0, EMPTY_LINE.length);
  if (head.status === 101) writeUpgrade(to, head);
  else if (after === After.Close) to.copy(CLOSE_LINE, 0, CLOSE_LINE.length);
  else if (after === After.KeepAlive) to.copy(ALIVE_LINE, 0, ALIVE_LINE.length);
  to.copy(CRLF, 0, 2);
}

function writeStatus(to: Stage, status: number): void {
  to.byte(48 + Math.floor(status / 100));
  to.byte(48 + (Math.floor(status / 10) % 10));
  to.byte(48 + (status % 10));
}

/** A response of our own, whole. `withBody` is false for HEAD: the length is said, the bytes are not sent. */
export function writeAnswer(
  to: Stage,
  status: number,
  fields: Buffer,
  body: Buffer,
  after: After,
  withBody: boolean,
): void {
  to.copy(STATUS_START, 0, STATUS_START.length);
  writeStatus(to, status);
  to.text(` ${REASONS[status] ?? "Unknown"}\r\n`);
  to.copy(fields, 0, fields.length);
  if (status >= 200 && status !== 204 && status !== 304) to.text(`Content-Length: ${body.length}\r\n`);
  if (after === After.Close) to.copy(CLOSE_LINE, 0, CLOSE_LINE.length);
  else if (after === After.KeepAlive) to.copy(ALIVE_LINE, 0, ALIVE_LINE.length);
  to.copy(CRLF, 0, 2);
  if (withBody) to.copy(body, 0, body.length);
}

/** Reason phrases (IANA HTTP status codes) of what the mesh itself answers, and of what a policy may. */
export const REASONS: Readonly<Record<number, string>> = {
  100: "Continue",
  200: "OK",
  201: "Created",
  202: "Accepted",
  204: "No Content",
  301: "Moved Permanently",
  302: "Found",
  303: "See Other",
  304: "Not Modified",
  307: "Temporary Redirect",
  308: "Permanent Redirect",
  400: "Bad Request",
  401: "Unauthorized",
  402: "Payment Required",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  406: "Not Acceptable",
  408: "Request Timeout",
  409: "Conflict",
  410: "Gone",
  411: "Length Required",
  413: "Content Too Large",
  414: "URI Too Long",
  415: "Unsupported Media Type",
  417: "Expectation Failed",
  421: "Misdirected Request",
  422: "Unprocessable Content",
  425: "Too Early",
  426: "Upgrade Required",
  428: "Precondition Required",
  429: "Too Many Requests",
  431: "Request Header Fields Too Large",
  451: "Unavailable For Legal Reasons",
  500: "Internal Server Error",
  501: "Not Implemented",
  502: "Bad Gateway",
  503: "Service Unavailable",
  504: "Gateway Timeout",
  505: "HTTP Version Not Supported",
};
