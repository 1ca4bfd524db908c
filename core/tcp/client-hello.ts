/** What the first message of a TLS connection says in the open. */
export interface ClientHello {
  /** The name of the server that is wanted, in lower case; "" where none is named. */
  readonly serverName: string;
  /** Protocols offered (ALPN), in the client's order. */
  readonly protocols: readonly string[];
}

/** What a beginning of bytes is: null as long as more of them are needed. */
export type Hello = ClientHello | { readonly problem: string } | null;

/** A ClientHello with post-quantum keys takes 2 KB; a longer one than this is no ClientHello. */
const MAX_MESSAGE_BYTES = 16_384;
/** A record holds so much (RFC 8446, section 5.1). */
const MAX_RECORD_BYTES = 16_384;
/** Records over which the message may be spread: clients use one, or a few. */
const MAX_RECORDS = 64;

const RECORD_HEADER = 5;
const MESSAGE_HEADER = 4;
const HANDSHAKE = 0x16;
const CLIENT_HELLO = 1;
const SERVER_NAME = 0;
const ALPN = 16;
const HOST_NAME = 0;
const MAX_NAME_BYTES = 255;

/**
 * Reads the ClientHello that the bytes of a connection begin with (RFC 8446,
 * section 4.1.2; RFC 6066, section 3; RFC 7301). Strict: lengths must add up,
 * no extension comes twice, a name is a host name. What it does not know, GREASE
 * (RFC 8701) above all, it passes over.
 *
 * Pure; `bytes` are all of the connection so far.
 */
export function readClientHello(bytes: Uint8Array): Hello {
  try {
    const message = messageIn(bytes);
    return message === null ? null : readMessage(new Reader(message));
  } catch (error) {
    if (error instanceof Malformed) return { problem: error.message };
    throw error;
  }
}

class Malformed extends Error {}

/** The handshake message, put together from its records; null while some of it is missing. */
function messageIn(bytes: Uint8Array): Uint8Array | null {
  const pieces: Uint8Array[] = [];
  let have = 0;
  let at = 0;
  for (let records = 0; ; records++) {
    if (at < bytes.length && bytes[at] !== HANDSHAKE) throw new Malformed("it is not TLS");
    // The version of a record says nothing, but its first byte is 3 ever since SSL 3.
    if (at + 1 < bytes.length && bytes[at + 1] !== 3) throw new Malformed("it is not TLS");
    if (at + RECORD_HEADER > bytes.length) return null;
    const size = bytes[at + 3]! * 256 + bytes[at + 4]!;
    if (size === 0 || size > MAX_RECORD_BYTES) throw new Malformed("a record of a length that is not allowed");
    if (records >= MAX_RECORDS) throw new Malformed("too many records");
    const piece = bytes.subarray(at + RECORD_HEADER, at + RECORD_HEADER + size);
    pieces.push(piece);
    have += piece.length;
    const whole = wholeMessage(pieces, have);
    if (whole !== null) return whole;
    at += RECORD_HEADER + size;
    if (at > bytes.length) return null;
  }
}

function wholeMessage(pieces: Uint8Array[], have: number): Uint8Array | null {
  if (have > 0 && pieces[0]![0] !== CLIENT_HELLO) throw new Malformed("its first message is no ClientHello");
  if (have < MESSAGE_HEADER) return null;
  const message = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
  pieces.splice(0, pieces.length, message);
  const size = message[1]! * 65_536 + message[2]! * 256 + message[3]!;
  if (size > MAX_MESSAGE_BYTES) throw new Malformed("its ClientHello is too large");
  if (have < MESSAGE_HEADER + size) return null;
  // No other message may follow before the server has answered.
  if (have > MESSAGE_HEADER + size) throw new Malformed("bytes behind the ClientHello");
  return message.subarray(MESSAGE_HEADER);
}

function readMessage(reader: Reader): ClientHello {
  reader.skip(2 + 32); // version, random
  reader.vector(1, 0, 32); // session
  reader.vector(2, 2, 65_534); // cipher suites
  reader.vector(1, 1, 255); // compressions
  if (reader.isDone) return { serverName: "", protocols: [] };
  const extensions = reader.vector(2, 0, 65_535);
  reader.end();
  return readExtensions(extensions);
}

function readExtensions(reader: Reader): ClientHello {
  const seen = new Set<number>();
  let serverName = "";
  let protocols: readonly string[] = [];
  while (!reader.isDone) {
    const type = reader.number(2);
    const body = reader.vector(2, 0, 65_535);
    if (seen.has(type)) throw new Malformed("an extension comes twice");
    seen.add(type);
    if (type === SERVER_NAME) serverName = readServerName(body);
    else if (type === ALPN) protocols = readProtocols(body);
  }
  return { serverName, protocols };
}

function readServerName(reader: Reader): string {
  const list = reader.vector(2, 1, 65_535);
  reader.end();
  if (list.number(1) !== HOST_NAME) throw new Malformed("a server name that is no host name");
  const name = list.vector(2, 1, MAX_NAME_BYTES).text();
  list.end();
  const lower = name.toLowerCase();
  if (!HOST.test(lower)) throw new Malformed("a server name that is no host name");
  return lower.endsWith(".") ? lower.slice(0, -1) : lower;
}

/** Labels of a DNS name; underscores are in use. An address is none, but some send it: it matches nothing. */
const HOST = /^[a-z0-9_:]([a-z0-9_:-]*[a-z0-9_:])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*\.?$/;

function readProtocols(reader: Reader): readonly string[] {
  const list = reader.vector(2, 2, 65_535);
  reader.end();
  const protocols: string[] = [];
  while (!list.isDone) protocols.push(list.vector(1, 1, 255).text());
  return protocols;
}

/** Reads numbers and vectors as TLS writes them (RFC 8446, section 3). */
class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isDone(): boolean {
    return this.#at === this.#bytes.length;
  }

  skip(size: number): void {
    if (this.#at + size > this.#bytes.length) throw new Malformed("a length that does not add up");
    this.#at += size;
  }

  number(size: number): number {
    const start = this.#at;
    this.skip(size);
    let value = 0;
    for (let i = start; i < this.#at; i++) value = value * 256 + this.#bytes[i]!;
    return value;
  }

  vector(lengthSize: number, min: number, max: number): Reader {
    const size = this.number(lengthSize);
    if (size < min || size > max) throw new Malformed("a length out of range");
    const start = this.#at;
    this.skip(size);
    return new Reader(this.#bytes.subarray(start, this.#at));
  }

  text(): string {
    const { buffer, byteOffset, length } = this.#bytes;
    this.#at = length;
    return Buffer.from(buffer as ArrayBuffer, byteOffset, length).latin1Slice();
  }

  end(): void {
    if (!this.isDone) throw new Malformed("a length that does not add up");
  }
}
