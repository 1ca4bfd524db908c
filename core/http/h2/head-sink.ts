import { NO_BYTES } from "../../base/mod.ts";
import { parseAuthority } from "../authority.ts";
import { carriesOnlyData, type Trailers } from "../body.ts";
import { isDigit, SLASH, spells, TOKEN } from "../byte-class.ts";
import { Field } from "../field.ts";
import { HOP, isUpgradeProtocol } from "../frame.ts";
import { CHUNKED, type Fields, MAX_FIELDS, Method, type RequestHead, type ResponseHead } from "../head.ts";
import { type HeadLimits, methodOf } from "../parse.ts";
import { refuse, tooLarge } from "../refusal.ts";
import { REASONS } from "../serialize.ts";
import { COOKIE_LINE, Crumbs } from "./crumbs.ts";
import { FIRST_BAD, FIRST_PSEUDO, Kind, kindProblem } from "./field-kind.ts";
import type { FieldSink } from "./hpack-decoder.ts";
import { SEPARATOR_BYTES } from "./hpack-line.ts";
import { ENTRY_OVERHEAD } from "./hpack-static.ts";
import { frameFields, frameResponseFields, placeQuery, TAKEN } from "./message-rules.ts";

const FIRST_ROOM = 1024;
/** What a head keeps of its room from use to use. */
const KEPT_ROOM = 8 * 1024;
const PSEUDO_COUNT = 6;
const GET = Buffer.from("GET");
const UPGRADE_LINE = Buffer.from("upgrade: ");
const CRLF = Buffer.from("\r\n");
const REASON_BYTES: readonly (Buffer | undefined)[] = Array.from({ length: 600 }, (_, status) =>
  REASONS[status] === undefined ? undefined : Buffer.from(REASONS[status]),
);

/**
 * Puts decoded fields into a head as the lines that HTTP/1 would have brought,
 * and settles what must hold of the message as a whole (RFC 9113, section
 * 8.3). Routers, policies, logs and the HTTP/1 serialiser cannot tell.
 *
 * Never holds more of a head than the limit, whatever the block promises. One
 * for all connections of a worker: a block is decoded in one go.
 */
export class HeadSink implements FieldSink {
  #head: Fields;
  #bytes: Buffer = NO_BYTES;
  #length = 0;
  /** As RFC 9113, section 6.5.2 counts it. */
  #listSize = 0;
  #limits: HeadLimits;
  #code: number = TAKEN;
  /** Start and end of the value of each pseudo-header field; start -1 without one. */
  readonly #pseudo = new Int32Array(PSEUDO_COUNT * 2);
  #fieldsStart = -1;
  readonly #crumbs = new Crumbs();

  constructor(head: Fields, limits: HeadLimits) {
    this.#head = head;
    this.#limits = limits;
  }

  /** Begins a head; the fields of the next block go into it. */
  begin(head: Fields, limits: HeadLimits): void {
    head.reset();
    if (head.own.length === 0 || head.own.length > KEPT_ROOM) head.own = Buffer.allocUnsafeSlow(FIRST_ROOM);
    this.#head = head;
    this.#bytes = head.own;
    this.#length = 0;
    this.#listSize = 0;
    this.#limits = limits;
    this.#code = TAKEN;
    this.#pseudo.fill(-1);
    this.#fieldsStart = -1;
    this.#crumbs.length = 0;
  }

  take(line: Buffer, nameLength: number, valueEnd: number, kind: number, secret: boolean): void {
    if (this.#code !== TAKEN) return;
    this.#listSize += valueEnd - SEPARATOR_BYTES + ENTRY_OVERHEAD;
    if (this.#listSize > this.#limits.maxBytes) this.tooLong();
    else if (kind >= FIRST_BAD) this.#code = refuse(this.#head, kindProblem(kind));
    else if (kind >= FIRST_PSEUDO) this.#takePseudo(line, nameLength + SEPARATOR_BYTES, valueEnd, kind);
    else if (kind === Field.Cookie) this.#crumbs.add(line, nameLength + SEPARATOR_BYTES, valueEnd);
    else this.#takeField(line, nameLength, valueEnd, kind, secret);
  }

  tooLong(): void {
    if (this.#code === TAKEN) this.#code = tooLarge(this.#head, "head larger than the limit");
  }

  #takePseudo(line: Buffer, start: number, end: number, kind: number): void {
    const slot = (kind - FIRST_PSEUDO) * 2;
    if (this.#fieldsStart >= 0 || this.#crumbs.length > 0) {
      this.#code = refuse(this.#head, "pseudo-header field behind a field");
    } else if (this.#pseudo[slot]! >= 0) this.#code = refuse(this.#head, "pseudo-header field repeated");
    else {
      this.#pseudo[slot] = this.#length;
      this.#append(line, start, end);
      this.#pseudo[slot + 1] = this.#length;
    }
  }

  #takeField(line: Buffer, nameLength: number, valueEnd: number, id: number, secret: boolean): void {
    const head = this.#head;
    const i = head.count;
    if (i >= Math.min(this.#limits.maxFields, MAX_FIELDS - 2)) {
      this.#code = tooLarge(head, "more fields than the limit");
      return;
    }
    const start = this.#length;
    if (this.#fieldsStart < 0) this.#fieldsStart = start;
    this.#append(line, 0, valueEnd + SEPARATOR_BYTES);
    const { spans } = head;
    spans[i * 4] = start;
    spans[i * 4 + 1] = start + nameLength;
    spans[i * 4 + 2] = start + nameLength + SEPARATOR_BYTES;
    spans[i * 4 + 3] = start + valueEnd;
    head.ids[i] = id;
    head.hop[i] = HOP[id]!;
    head.secret[i] = secret ? 1 : 0;
    head.count = i + 1;
  }

  #append(from: Buffer, start: number, end: number): void {
    const size = this.#length + end - start;
    if (size > this.#bytes.length) this.#grow(size);
    const to = this.#bytes;
    let at = this.#length;
    if (end - start <= 48) for (let p = start; p < end; p++) to[at++] = from[p]!;
    else from.copy(to, at, start, end);
    this.#length = size;
  }

  #grow(size: number): void {
    const grown = Buffer.allocUnsafeSlow(size * 2);
    this.#bytes.copy(grown, 0, 0, this.#length);
    this.#bytes = this.#head.own = grown;
  }

  /** The fields are all there: the bytes are the head's from here on. */
  #close(): void {
    const head = this.#head;
    if (this.#crumbs.length > 0 && this.#code === TAKEN) {
      const end = this.#crumbs.close();
      this.#takeField(this.#crumbs.bytes, COOKIE_LINE.length - SEPARATOR_BYTES, end, Field.Cookie, true);
    }
    head.bytes = this.#bytes;
    head.fieldsEnd = this.#length;
  }

  // ---- requests ----

  /**
   * Ends a request head. `ends`: nothing follows it.
   *
   * @returns 1, or `REFUSED` or `TOO_LARGE` with the head's `problem`.
   */
  finishRequest(ends: boolean): number {
    this.#close();
    if (this.#code !== TAKEN) return this.#code;
    const head = this.#head as RequestHead;
    head.isHttp2 = true;
    if (this.#has(Kind.Status)) return refuse(head, "pseudo-header field of a response in a request");
    const placed = this.#placeMethod(head);
    if (placed < 0) return placed;
    head.contentLength = ends ? 0 : CHUNKED;
    const framed = frameFields(head, ends);
    if (framed < 0) return framed;
    if (head.authorityEnd === head.authorityStart) return refuse(head, "neither :authority nor host");
    if (!head.upgrade && head.method !== Method.Connect) return TAKEN;
    // What follows a CONNECT is no body.
    if (head.find(Field.ContentLength) >= 0) return refuse(head, "CONNECT with a body");
    head.contentLength = 0;
    return TAKEN;
  }

  #has(kind: number): boolean {
    return this.#pseudo[(kind - FIRST_PSEUDO) * 2]! >= 0;
  }
  #startOf(kind: number): number {
    return this.#pseudo[(kind - FIRST_PSEUDO) * 2]!;
  }
  #endOf(kind: number): number {
    return this.#pseudo[(kind - FIRST_PSEUDO) * 2 + 1]!;
  }

  #placeMethod(head: RequestHead): number {
    const start = this.#startOf(Kind.Method);
    const end = this.#endOf(Kind.Method);
    if (start < 0 || start === end) return refuse(head, "no :method");
    for (let p = start; p < end; p++) if (TOKEN[head.bytes[p]!] !== 1) return refuse(head, ":method is not a token");
    head.methodStart = start;
    head.methodEnd = end;
    head.method = methodOf(head.bytes, start, end);
    if (this.#has(Kind.Authority)) {
      const ok = parseAuthority(head, head.bytes, this.#startOf(Kind.Authority), this.#endOf(Kind.Authority));
      if (!ok) return refuse(head, ":authority is not host[:port]");
    }
    if (head.method !== Method.Connect)
      return this.#has(Kind.Protocol) ? refuse(head, ":protocol without CONNECT") : this.#placePath(head);
    return this.#has(Kind.Protocol) ? this.#placeUpgrade(head) : this.#placeConnect(head);
  }

  #placeConnect(head: RequestHead): number {
    if (this.#has(Kind.Scheme) || this.#has(Kind.Path)) return refuse(head, "CONNECT with :scheme or :path");
    return head.port === 0 ? refuse(head, "CONNECT needs host:port") : TAKEN;
  }

  /** Extended CONNECT (RFC 8441) is to all rooms above what HTTP/1 calls an upgrade. */
  #placeUpgrade(head: RequestHead): number {
    const protocol = head.text(this.#startOf(Kind.Protocol), this.#endOf(Kind.Protocol));
    if (!isUpgradeProtocol(protocol)) return refuse(head, ":protocol is none that may be passed on");
    const placed = this.#placePath(head);
    if (placed < 0) return placed;
    const line = this.#length;
    this.#append(UPGRADE_LINE, 0, UPGRADE_LINE.length);
    const { bytes } = head;
    this.#append(bytes, this.#startOf(Kind.Protocol), this.#endOf(Kind.Protocol));
    const end = this.#length;
    this.#append(CRLF, 0, CRLF.length);
    head.fieldsEnd = this.#length;
    head.methodStart = this.#length;
    this.#append(GET, 0, GET.length);
    head.methodEnd = this.#length;
    head.bytes = this.#bytes;
    addUpgrade(head, line, end);
    head.method = Method.Get;
    head.upgrade = true;
    return TAKEN;
  }

  #placePath(head: RequestHead): number {
    const { bytes } = head;
    const scheme = this.#startOf(Kind.Scheme);
    const schemeEnd = this.#endOf(Kind.Scheme);
    if (scheme < 0) return refuse(head, "no :scheme");
    if (!spells(bytes, scheme, schemeEnd, "http") && !spells(bytes, scheme, schemeEnd, "https")) {
      return refuse(head, ":scheme is neither http nor https");
    }
    const start = this.#startOf(Kind.Path);
    const end = this.#endOf(Kind.Path);
    if (start < 0 || start === end) return refuse(head, "no :path");
    const asterisk = bytes[start] === 0x2a && end === start + 1 && head.method === Method.Options;
    if (bytes[start] !== SLASH && !asterisk) return refuse(head, ":path does not begin with /");
    return placeQuery(head, start, end);
  }

  // ---- responses and trailers ----

  /**
   * Ends a response head; `method` is the request's. Returns as `finishRequest`.
   *
   * @param upgrade the request, where it asked for another protocol: a 2xx is then what HTTP/1 says by 101.
   */
  finishResponse(ends: boolean, method: Method, upgrade: RequestHead | null): number {
    this.#close();
    if (this.#code !== TAKEN) return this.#code;
    const head = this.#head as ResponseHead;
    for (let kind: number = Kind.Method; kind < Kind.Status; kind++) {
      if (this.#has(kind)) return refuse(head, "pseudo-header field of a request in a response");
    }
    const status = this.#status(head);
    if (status < 0) return refuse(head, ":status is not 100 to 599");
    head.status = status;
    if (status === 101) return refuse(head, "101 in HTTP/2");
    if (status < 200 && ends) return refuse(head, "informational response ends the stream");
    if (upgrade !== null && status >= 200 && status < 300 && !ends && !isDeclined(head)) {
      head.status = 101;
      this.#appendUpgrade(head, upgrade, upgrade.find(Field.Upgrade));
      head.fieldsEnd = this.#length;
    }
    this.#appendReason(head);
    head.contentLength = ends ? 0 : CHUNKED;
    return frameResponseFields(head, ends, method);
  }

  /** A line that ends at this hop, and tells the one behind what is spoken. */
  #appendUpgrade(head: Fields, from: RequestHead, i: number): void {
    const line = this.#length;
    this.#append(UPGRADE_LINE, 0, UPGRADE_LINE.length);
    this.#append(from.bytes, from.valueStart(i), from.valueEnd(i));
    const end = this.#length;
    this.#append(CRLF, 0, CRLF.length);
    head.bytes = this.#bytes;
    addUpgrade(head, line, end);
  }

  #status(head: ResponseHead): number {
    const start = this.#startOf(Kind.Status);
    if (start < 0 || this.#endOf(Kind.Status) - start !== 3) return -1;
    let status = 0;
    for (let p = start; p < start + 3; p++) {
      if (!isDigit(head.bytes[p]!)) return -1;
      status = status * 10 + head.bytes[p]! - 0x30;
    }
    return status >= 100 && status <= 599 ? status : -1;
  }

  /** HTTP/1 has a phrase beside the number; it stands behind the lines. */
  #appendReason(head: ResponseHead): void {
    const reason = REASON_BYTES[head.status];
    head.reasonStart = head.reasonEnd = this.#length;
    if (reason === undefined) return;
    this.#append(reason, 0, reason.length);
    head.reasonEnd = this.#length;
    head.bytes = this.#bytes;
  }

  /** Ends a trailer section. Returns as `finishRequest`. */
  finishTrailers(): number {
    this.#close();
    if (this.#code !== TAKEN) return this.#code;
    if (this.#pseudo.some((start) => start >= 0)) return refuse(this.#head, "pseudo-header field in trailers");
    return carriesOnlyData(this.#head as Trailers) ? TAKEN : refuse(this.#head, "trailer holds a framing field");
  }
}

/** The peer, a proxy of ours, passes on a 2xx that was no yes. The field ends here. */
function isDeclined(head: ResponseHead): boolean {
  const i = head.findName("x-mesh-declined");
  if (i >= 0) head.hop[i] = 1;
  return i >= 0;
}

function addUpgrade(head: Fields, line: number, end: number): void {
  const i = head.count++;
  head.spans.set([line, line + UPGRADE_LINE.length - SEPARATOR_BYTES, line + UPGRADE_LINE.length, end], i * 4);
  head.ids[i] = Field.Upgrade;
  head.hop[i] = 1;
  head.secret[i] = 0;
}
