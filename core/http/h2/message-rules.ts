import { parseAuthority } from "../authority.ts";
import { parseDecimal, spells, TARGET } from "../byte-class.ts";
import { Field } from "../field.ts";
import { Method, type RequestHead, type ResponseHead } from "../head.ts";
import { refuse } from "../refusal.ts";

/** A head that was taken. */
export const TAKEN = 1;

/** Tells path and query of a target apart, which may hold what HTTP/1 allows. */
export function placeQuery(head: RequestHead, start: number, end: number): number {
  const { bytes } = head;
  let query = -1;
  for (let p = start; p < end; p++) {
    if (TARGET[bytes[p]!] !== 1) return refuse(head, ":path holds a byte that is not allowed");
    if (bytes[p] === 0x3f && query < 0) query = p;
  }
  head.pathStart = start;
  head.pathEnd = query < 0 ? end : query;
  if (query < 0) return TAKEN;
  head.hasQuery = true;
  head.queryStart = query + 1;
  head.queryEnd = end;
  return TAKEN;
}

/** One Host, the same as :authority; one Content-Length; what HTTP/1 refuses is refused. */
export function frameFields(head: RequestHead, ends: boolean): number {
  const { ids, hop, count } = head;
  let hosts = 0;
  for (let i = 0; i < count; i++) {
    const id = ids[i]!;
    if (id === Field.Unknown) continue;
    if (id === Field.Host) {
      hop[i] = 1;
      if (++hosts > 1) return refuse(head, "more than one host");
      if (!placeHost(head, i)) return refuse(head, "host is not host[:port], or not that of :authority");
    } else if (id === Field.ContentLength) {
      const framed = frameLength(head, i);
      if (framed < 0) return framed;
      if (ends && head.contentLength > 0) return refuse(head, "content-length without a body");
    } else if (id === Field.Expect) {
      if (!spells(head.bytes, head.valueStart(i), head.valueEnd(i), "100-continue")) {
        return refuse(head, "expect is not 100-continue");
      }
      head.expectContinue = true;
    }
  }
  return TAKEN;
}

function placeHost(head: RequestHead, i: number): boolean {
  const start = head.valueStart(i);
  const end = head.valueEnd(i);
  if (head.authorityEnd === head.authorityStart) return parseAuthority(head, head.bytes, start, end);
  return spells(head.bytes, start, end, head.authorityText().toLowerCase());
}

function frameLength(head: RequestHead | ResponseHead, i: number): number {
  if (head.find(Field.ContentLength, i + 1) >= 0) return refuse(head, "content-length repeated");
  const length = parseDecimal(head.bytes, head.valueStart(i), head.valueEnd(i));
  if (length < 0) return refuse(head, "content-length is not one decimal number");
  head.contentLength = length;
  return TAKEN;
}

/** What ends with its head has no body, whatever its length says (RFC 9110, section 6.4.1). */
export function frameResponseFields(head: ResponseHead, ends: boolean, method: Method): number {
  const i = head.find(Field.ContentLength);
  if (i >= 0) {
    const framed = frameLength(head, i);
    if (framed < 0) return framed;
  }
  const { status } = head;
  const endsWithHead = status < 200 || status === 204 || (method === Method.Connect && status < 300);
  if (endsWithHead && i >= 0) head.hop[i] = 1;
  if (endsWithHead || method === Method.Head || status === 304) {
    head.contentLength = 0;
    return TAKEN;
  }
  return ends && head.contentLength > 0 ? refuse(head, "content-length without a body") : TAKEN;
}
