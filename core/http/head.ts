import { NO_BYTES } from "../base/mod.ts";
import type { Field } from "./field.ts";

/** Methods with a number; any other token is `Other` and keeps its bytes. */
export const Method = {
  Other: 0,
  Get: 1,
  Head: 2,
  Post: 3,
  Put: 4,
  Delete: 5,
  Options: 6,
  Patch: 7,
  Trace: 8,
  Connect: 9,
} as const;
export type Method = (typeof Method)[keyof typeof Method];

export const METHOD_NAMES = [
  "",
  "GET",
  "HEAD",
  "POST",
  "PUT",
  "DELETE",
  "OPTIONS",
  "PATCH",
  "TRACE",
  "CONNECT",
] as const;

/** Most fields a head can hold, whatever the limits say. */
export const MAX_FIELDS = 128;

/**
 * The fields of a message as offsets into the bytes they came in. Text is made
 * only when somebody asks. A head is reused: whoever needs something of it
 * after the exchange has ended copies it.
 */
export abstract class Fields {
  /** Where all offsets point into; the head may start anywhere in it. */
  bytes: Buffer = NO_BYTES;
  count = 0;
  /** Offset after the last field line: where the empty line begins. */
  fieldsEnd = 0;
  /** Four offsets a field: name start, name end, value start, value end (white space around the value left out). */
  readonly spans = new Int32Array(MAX_FIELDS * 4);
  /** Number of each field's name. */
  readonly ids = new Uint8Array(MAX_FIELDS);
  /** 1 where the field ends at this hop: the connection fields and what `Connection` names. */
  readonly hop = new Uint8Array(MAX_FIELDS);
  /** 1 where the field came as never to be indexed, and goes on as such (RFC 7541, section 7.1.3). */
  readonly secret = new Uint8Array(MAX_FIELDS);
  /** Bytes of the head itself, for one that did not come as lines; kept from use to use. */
  own: Buffer = NO_BYTES;
  /** Why the head was refused, for the log; set where a parser returns `REFUSED`. */
  problem = "";

  nameStart(i: number): number {
    return this.spans[i * 4]!;
  }
  nameEnd(i: number): number {
    return this.spans[i * 4 + 1]!;
  }
  valueStart(i: number): number {
    return this.spans[i * 4 + 2]!;
  }
  valueEnd(i: number): number {
    return this.spans[i * 4 + 3]!;
  }

  /** Index of the first field with this number, from `from` on; -1 without one. */
  find(id: Field, from = 0): number {
    const ids = this.ids;
    for (let i = from; i < this.count; i++) if (ids[i] === id) return i;
    return -1;
  }

  /** Index of the first field of this lower-case name, from `from` on; -1 without one. */
  findName(name: string, from = 0): number {
    const bytes = this.bytes;
    const length = name.length;
    for (let i = from; i < this.count; i++) {
      const start = this.spans[i * 4]!;
      if (this.spans[i * 4 + 1]! - start !== length) continue;
      let k = 0;
      for (; k < length; k++) {
        const c = bytes[start + k]!;
        if ((c >= 0x41 && c <= 0x5a ? c + 32 : c) !== name.charCodeAt(k)) break;
      }
      if (k === length) return i;
    }
    return -1;
  }

  /** Whether a field has this name, given folded: lower case, "_" as "-". A look-alike has it too. */
  isNamed(i: number, folded: Uint8Array): boolean {
    const { bytes } = this;
    const start = this.nameStart(i);
    if (this.nameEnd(i) - start !== folded.length) return false;
    for (let k = 0; k < folded.length; k++) {
      const c = bytes[start + k]!;
      if ((c >= 0x41 && c <= 0x5a ? c + 32 : c === 0x5f ? 0x2d : c) !== folded[k]) return false;
    }
    return true;
  }

  /** Bytes of the head as text, one character a byte. */
  text(start: number, end: number): string {
    return this.bytes.latin1Slice(start, end);
  }
  nameText(i: number): string {
    return this.text(this.nameStart(i), this.nameEnd(i)).toLowerCase();
  }
  valueText(i: number): string {
    return this.text(this.valueStart(i), this.valueEnd(i));
  }

  /** Value of a lower-case name, repeated fields joined by ", "; null without one. */
  get(name: string): string | null {
    let i = this.findName(name);
    if (i < 0) return null;
    let value = this.valueText(i);
    for (i = this.findName(name, i + 1); i >= 0; i = this.findName(name, i + 1)) value += `, ${this.valueText(i)}`;
    return value;
  }

  reset(): void {
    this.bytes = NO_BYTES;
    this.count = 0;
    this.problem = "";
  }

  /** Takes over the fields of another, with bytes of its own: it outlives what the other was read from. */
  protected copyFields(from: Fields, end: number): void {
    const { count } = from;
    this.bytes = Buffer.from(from.bytes.subarray(0, end));
    this.count = count;
    this.fieldsEnd = from.fieldsEnd;
    this.spans.set(from.spans.subarray(0, count * 4));
    this.ids.set(from.ids.subarray(0, count));
    this.hop.set(from.hop.subarray(0, count));
    this.secret.set(from.secret.subarray(0, count));
    this.problem = "";
  }

  /** Where the last of its fields ends. */
  protected get lastEnd(): number {
    return this.count === 0 ? this.fieldsEnd : Math.max(this.fieldsEnd, this.valueEnd(this.count - 1));
  }
}

/** Length of a body that no field announces: it ends with the connection. */
export const UNTIL_CLOSE = -1;
/** Length of a chunked body. */
export const CHUNKED = -2;

/** A request head, whatever version brought it (RFC 9110, section 6). */
export class RequestHead extends Fields {
  method: Method = Method.Other;
  methodStart = 0;
  methodEnd = 0;
  /** Path of the target in origin form, without the query; "*" for OPTIONS *. Empty for CONNECT. */
  pathStart = 0;
  pathEnd = 0;
  /** Query without "?"; equal offsets where there is none. `hasQuery` tells "/a?" from "/a". */
  queryStart = 0;
  queryEnd = 0;
  hasQuery = false;
  /** host[:port] of the target: of an absolute form, a CONNECT, or of Host. Equal offsets where HTTP/1.0 gave none. */
  authorityStart = 0;
  authorityEnd = 0;
  /** End of the host in the authority: the ":" of the port, or the authority's end. */
  hostEnd = 0;
  /** Port written in the authority; 0 without one. */
  port = 0;
  /** The target carried scheme and authority (a forward proxy's client). */
  absolute = false;
  /** Minor version of HTTP/1: 0 or 1. HTTP/2 heads say 1. */
  minor = 1;
  /** It came by HTTP/2. */
  isHttp2 = false;
  /** Bytes of the body, `CHUNKED`, or 0. */
  contentLength = 0;
  keepAlive = true;
  /** The client asked to change protocol (`Connection: upgrade` with `Upgrade`). */
  upgrade = false;
  expectContinue = false;

  methodText(): string {
    return this.method === Method.Other ? this.text(this.methodStart, this.methodEnd) : METHOD_NAMES[this.method];
  }
  pathText(): string {
    return this.text(this.pathStart, this.pathEnd);
  }
  queryText(): string {
    return this.text(this.queryStart, this.queryEnd);
  }
  authorityText(): string {
    return this.text(this.authorityStart, this.authorityEnd);
  }

  /** Becomes a copy of another head that shares nothing with it. */
  copyFrom(from: RequestHead): void {
    this.copyFields(from, Math.max(from.lastEnd, from.methodEnd, from.pathEnd, from.queryEnd, from.authorityEnd));
    this.method = from.method;
    this.methodStart = from.methodStart;
    this.methodEnd = from.methodEnd;
    this.pathStart = from.pathStart;
    this.pathEnd = from.pathEnd;
    this.queryStart = from.queryStart;
    this.queryEnd = from.queryEnd;
    this.hasQuery = from.hasQuery;
    this.authorityStart = from.authorityStart;
    this.authorityEnd = from.authorityEnd;
    this.hostEnd = from.hostEnd;
    this.port = from.port;
    this.absolute = from.absolute;
    this.minor = from.minor;
    this.isHttp2 = from.isHttp2;
    this.contentLength = from.contentLength;
    this.keepAlive = from.keepAlive;
    this.upgrade = from.upgrade;
    this.expectContinue = from.expectContinue;
  }

  override reset(): void {
    super.reset();
    this.method = Method.Other;
    this.methodStart = this.methodEnd = 0;
    this.pathStart = this.pathEnd = this.queryStart = this.queryEnd = 0;
    this.hasQuery = false;
    this.authorityStart = this.authorityEnd = this.hostEnd = 0;
    this.port = 0;
    this.absolute = false;
    this.minor = 1;
    this.isHttp2 = false;
    this.contentLength = 0;
    this.keepAlive = true;
    this.upgrade = false;
    this.expectContinue = false;
  }
}

/** A response head. */
export class ResponseHead extends Fields {
  status = 0;
  minor = 1;
  /** Bytes of the body, `CHUNKED`, `UNTIL_CLOSE`, or 0 where the status or the method forbids one. */
  contentLength = 0;
  keepAlive = true;
  /** Offsets of the reason phrase. */
  reasonStart = 0;
  reasonEnd = 0;

  /** Becomes a copy of another head that shares nothing with it. */
  copyFrom(from: ResponseHead): void {
    this.copyFields(from, Math.max(from.lastEnd, from.reasonEnd));
    this.status = from.status;
    this.minor = from.minor;
    this.contentLength = from.contentLength;
    this.keepAlive = from.keepAlive;
    this.reasonStart = from.reasonStart;
    this.reasonEnd = from.reasonEnd;
  }

  override reset(): void {
    super.reset();
    this.status = 0;
    this.minor = 1;
    this.contentLength = 0;
    this.keepAlive = true;
    this.reasonStart = this.reasonEnd = 0;
  }
}
