import type { Connection } from "./connection.ts";

/** Field lines in the order and case of the wire. */
export type FieldLines = readonly (readonly [name: string, value: string])[];

/** How the end of a body is told. */
export type Framing = "none" | "length" | "chunked" | "close";

export interface Body {
  readonly framing: Framing;
  readonly bytes: Buffer;
  readonly trailers: FieldLines;
}

/** The wire does not say what RFC 9112 says. */
export class Malformed extends Error {
  override readonly name = "Malformed";

  constructor(problem: string, bytes: string) {
    super(`Cannot read a message: ${problem}: ${JSON.stringify(bytes.slice(0, 200))}`);
  }
}

const FIELD = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([\t\x20-\x7e\x80-\xff]*?)[ \t]*$/;

/** Reads a head to its empty line: the start line and the fields. Written apart from core/http, and stricter. */
export async function readHead(connection: Connection): Promise<{ line: string; fields: FieldLines; raw: string }> {
  const raw = (await connection.until("a head", "\r\n\r\n")).toString("latin1");
  const [line, ...fields] = raw.slice(0, -4).split("\r\n");
  return { line: line!, fields: fields.map(fieldOf), raw };
}

function fieldOf(line: string): readonly [string, string] {
  const match = FIELD.exec(line);
  if (!match) throw new Malformed("a field line is not one", line);
  return [match[1]!, match[2]!];
}

/** Values of a field, without regard to case, joined as RFC 9110 says; null without one. */
export function fieldValue(fields: FieldLines, name: string): string | null {
  const values = fields.filter(([each]) => each.toLowerCase() === name.toLowerCase()).map(([, value]) => value);
  return values.length === 0 ? null : values.join(", ");
}

/** What the fields say about the body; two answers are an error. `otherwise` holds where they say nothing. */
export function framingOf(fields: FieldLines, otherwise: "none" | "close"): Framing {
  const length = fieldValue(fields, "content-length");
  const coding = fieldValue(fields, "transfer-encoding");
  if (length !== null && coding !== null) throw new Malformed("content-length beside transfer-encoding", length);
  if (coding !== null && coding.toLowerCase() !== "chunked") throw new Malformed("a coding other than chunked", coding);
  if (length !== null && !/^\d{1,15}$/.test(length)) throw new Malformed("content-length is no number", length);
  return coding !== null ? "chunked" : length !== null ? "length" : otherwise;
}

/** Reads a body and its trailers. @throws {CutShort} when the connection ends inside */
export async function readBody(connection: Connection, fields: FieldLines, framing: Framing): Promise<Body> {
  if (framing === "chunked") return readChunked(connection);
  return { framing, bytes: await plainBody(connection, fields, framing), trailers: [] };
}

function plainBody(connection: Connection, fields: FieldLines, framing: Framing): Promise<Buffer> {
  if (framing === "close") return connection.rest("a body");
  return connection.exactly("a body", framing === "none" ? 0 : Number(fieldValue(fields, "content-length")));
}

async function readChunked(connection: Connection): Promise<Body> {
  const parts: Buffer[] = [];
  for (let size = await chunkSize(connection); size > 0; size = await chunkSize(connection)) {
    parts.push(await connection.exactly("a chunk", size));
    const end = (await connection.exactly("the end of a chunk", 2)).toString("latin1");
    if (end !== "\r\n") throw new Malformed("a chunk does not end where its size says", end);
  }
  return { framing: "chunked", bytes: Buffer.concat(parts), trailers: await readTrailers(connection) };
}

async function chunkSize(connection: Connection): Promise<number> {
  const line = (await connection.until("a chunk size", "\r\n")).toString("latin1").slice(0, -2);
  const match = /^([0-9a-fA-F]{1,8})(;[\t\x20-\x7e]*)?$/.exec(line);
  if (!match) throw new Malformed("a chunk size is no number", line);
  return Number.parseInt(match[1]!, 16);
}

async function readTrailers(connection: Connection): Promise<FieldLines> {
  const trailers: (readonly [string, string])[] = [];
  for (;;) {
    const line = (await connection.until("trailers", "\r\n")).toString("latin1").slice(0, -2);
    if (line === "") return trailers;
    trailers.push(fieldOf(line));
  }
}

/** A head as bytes on the wire. */
export function headText(line: string, fields: FieldLines = []): string {
  return `${line}\r\n${fields.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n`;
}

/** Text as latin1, bytes as they are. */
export function bytesOf(content: string | Uint8Array): Buffer {
  return typeof content === "string" ? Buffer.from(content, "latin1") : Buffer.from(content);
}

/** One chunk of the chunked coding; an empty one is left out, as it would end the body. */
export function chunkOf(bytes: string | Uint8Array): Buffer {
  const data = bytesOf(bytes);
  if (data.length === 0) return Buffer.alloc(0);
  return Buffer.concat([Buffer.from(`${data.length.toString(16)}\r\n`), data, Buffer.from("\r\n")]);
}
