import { MeshError } from "../base/mod.ts";

/** Bytes that are not the DER we can read. */
export class MalformedDer extends MeshError {
  override readonly name = "MalformedDer";
  readonly code = "MESH_MALFORMED_DER";
  readonly source = "mesh";

  constructor(problem: string) {
    super(`Cannot read DER: ${problem}`);
  }
}

/** The tags that certificates and requests are made of, X.690 section 8. */
export const Tag = {
  BOOLEAN: 0x01,
  INTEGER: 0x02,
  BIT_STRING: 0x03,
  OCTET_STRING: 0x04,
  OBJECT_ID: 0x06,
  UTC_TIME: 0x17,
  GENERALIZED_TIME: 0x18,
  SEQUENCE: 0x30,
  SET: 0x31,
} as const;

/** One element: its tag, its contents, and the element as it stands in the bytes. */
export interface DerElement {
  readonly tag: number;
  readonly body: Uint8Array;
  readonly whole: Uint8Array;
}

/** Writes one element around its parts. */
export function der(tag: number, ...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const body = Buffer.concat(parts);
  return new Uint8Array(Buffer.concat([Uint8Array.of(tag), lengthOf(body.length), body]));
}

/** Writes an object identifier from its dotted form. */
export function objectId(dotted: string): Uint8Array<ArrayBuffer> {
  const [first, second, ...rest] = dotted.split(".").map(Number);
  return der(Tag.OBJECT_ID, Uint8Array.from([first! * 40 + second!, ...rest.flatMap(base128)]));
}

/** Writes an unsigned integer from its bytes, most significant first: as few bytes as the value needs, never negative. */
export function unsigned(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  let start = 0;
  while (start < bytes.length - 1 && bytes[start] === 0) start++;
  const least = bytes.subarray(start);
  return der(Tag.INTEGER, least[0]! >= 0x80 ? Uint8Array.of(0) : new Uint8Array(0), least);
}

/**
 * Reads the elements that stand one after another in some bytes.
 *
 * @throws {MalformedDer} when a length is not the shortest form or runs past the end.
 */
export function readDer(bytes: Uint8Array): DerElement[] {
  const elements: DerElement[] = [];
  for (let at = 0; at < bytes.length; ) {
    const element = elementAt(bytes, at);
    elements.push(element);
    at += element.whole.length;
  }
  return elements;
}

function elementAt(bytes: Uint8Array, at: number): DerElement {
  const tag = bytes[at]!;
  if ((tag & 0x1f) === 0x1f) throw new MalformedDer("a tag of several bytes");
  const first = bytes[at + 1];
  if (first === undefined) throw new MalformedDer("it ends after a tag");
  const count = first < 0x80 ? 0 : first & 0x7f;
  if (first === 0x80 || count > 3) throw new MalformedDer("a length that is endless or too long");
  let length = count === 0 ? first : 0;
  for (let i = 0; i < count; i++) length = length * 256 + (bytes[at + 2 + i] ?? Number.NaN);
  const start = at + 2 + count;
  if (!(start + length <= bytes.length)) throw new MalformedDer("an element runs past the end");
  if (count > 0 && length < (count === 1 ? 0x80 : 256 ** (count - 1)))
    throw new MalformedDer("a length with idle bytes");
  return { tag, body: bytes.subarray(start, start + length), whole: bytes.subarray(at, start + length) };
}

function lengthOf(length: number): Uint8Array {
  if (length < 0x80) return Uint8Array.of(length);
  const bytes: number[] = [];
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256);
  return Uint8Array.of(0x80 | bytes.length, ...bytes);
}

function base128(value: number): number[] {
  const bytes = [value % 128];
  for (let rest = Math.floor(value / 128); rest > 0; rest = Math.floor(rest / 128)) bytes.unshift(0x80 | (rest % 128));
  return bytes;
}
