import { Field, type Fields } from "../http/mod.ts";

const CONTENT_TYPE = new TextEncoder().encode("application/grpc");
const PLUS = 0x2b;
const SEMICOLON = 0x3b;

/** The message is one of gRPC over HTTP/2: `application/grpc`, perhaps with a codec; grpc-web is something else. */
export function isGrpc(head: Fields): boolean {
  const i = head.find(Field.ContentType);
  if (i < 0) return false;
  const start = head.valueStart(i);
  const length = head.valueEnd(i) - start;
  if (length < CONTENT_TYPE.length) return false;
  for (let k = 0; k < CONTENT_TYPE.length; k++) if (head.bytes[start + k] !== CONTENT_TYPE[k]) return false;
  if (length === CONTENT_TYPE.length) return true;
  const next = head.bytes[start + CONTENT_TYPE.length]!;
  return next === PLUS || next === SEMICOLON;
}
