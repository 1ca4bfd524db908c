import { CR, hexDigit, isTokenByte, LF } from "./byte-class.ts";
import { Field } from "./field.ts";
import { CHUNKED, Fields, UNTIL_CLOSE } from "./head.ts";
import { Held } from "./held.ts";
import { type HeadLimits, INCOMPLETE, parseFields } from "./parse.ts";

/** The fields after a chunked body. */
export class Trailers extends Fields {}

const SEMICOLON = 59;
const QUOTE = 34;

/** Where in the chunked coding the next byte belongs; the order is that of the message. */
const State = {
  Size: 0,
  ExtName: 1,
  ExtValue: 2,
  ExtToken: 3,
  ExtQuoted: 4,
  ExtEscape: 5,
  ExtAfterQuoted: 6,
  SizeLf: 7,
  Data: 8,
  DataCr: 9,
  DataLf: 10,
  Trailer: 11,
} as const;

/** Extensions carry nothing that we use; more than this is an attack on the reader's time. */
const MAX_EXTENSION_BYTES = 1024;

/**
 * Takes a body out of the bytes of a connection: of a known length, chunked
 * (RFC 9112, section 7.1), or until the connection closes.
 *
 * Holds no payload. `next` gives one piece at a time as offsets into the
 * caller's bytes; only a trailer section that is not whole is kept, up to the
 * head limits.
 */
export class BodyReader {
  /** The piece that the last `next` found; equal offsets for none. */
  pieceStart = 0;
  pieceEnd = 0;
  /** The whole body has been read. */
  done = true;
  /** Why the body was refused; "" while all is well. */
  problem = "";
  /** Trailer fields, once `done`; null without any. */
  trailers: Trailers | null = null;

  #length = 0;
  #left = 0;
  #state: number = State.Size;
  #digits = 0;
  #extension = 0;
  #held: Held | null = null;

  /** Begins a body of `length` bytes, `CHUNKED` or `UNTIL_CLOSE`. */
  begin(length: number): void {
    this.#length = length;
    this.#left = length === CHUNKED ? 0 : length;
    this.#state = State.Size;
    this.#digits = 0;
    this.#extension = 0;
    this.#held = null;
    this.done = length === 0;
    this.problem = "";
    this.trailers = null;
    this.pieceStart = this.pieceEnd = 0;
  }

  /** The connection's end is the body's end only where nothing else would tell. */
  get endsWithConnection(): boolean {
    return this.#length === UNTIL_CLOSE;
  }

  /**
   * Reads on from `pos`. Sets the piece, `done` and `problem`.
   * @returns the offset of the first byte it did not read.
   */
  next(bytes: Buffer, pos: number, end: number, limits: HeadLimits): number {
    if (this.#length === CHUNKED) return this.#chunked(bytes, pos, end, limits);
    this.pieceStart = pos;
    if (this.#length === UNTIL_CLOSE) {
      this.pieceEnd = end;
      return end;
    }
    const taken = Math.min(this.#left, end - pos);
    this.#left -= taken;
    this.pieceEnd = pos + taken;
    this.done = this.#left === 0;
    return this.pieceEnd;
  }

  #chunked(bytes: Buffer, from: number, end: number, limits: HeadLimits): number {
    let p = from;
    this.pieceStart = this.pieceEnd = p;
    while (p < end) {
      if (this.#state === State.Data) {
        const taken = Math.min(this.#left, end - p);
        this.pieceStart = p;
        this.pieceEnd = p + taken;
        this.#left -= taken;
        if (this.#left === 0) this.#state = State.DataCr;
        return p + taken;
      }
      if (this.#state === State.Trailer) return this.#trailer(bytes, p, end, limits);
      if (!this.#step(bytes[p]!)) return p;
      p++;
    }
    return p;
  }

  /** One byte of the framing; false when it is refused. */
  #step(c: number): boolean {
    switch (this.#state) {
      case State.Size:
        return this.#size(c);
      case State.SizeLf:
        if (c !== LF) return this.#refuse("bare CR after a chunk size");
        this.#state = this.#left === 0 ? State.Trailer : State.Data;
        this.#digits = 0;
        return true;
      case State.DataCr:
        if (c !== CR) return this.#refuse("chunk longer than its size");
        this.#state = State.DataLf;
        return true;
      case State.DataLf:
        if (c !== LF) return this.#refuse("bare CR after a chunk");
        this.#state = State.Size;
        return true;
      default:
        return this.#extend(c);
    }
  }

  #size(c: number): boolean {
    const digit = hexDigit(c);
    if (digit >= 0) {
      // 13 digits are 2^52: a number that every parser can hold, and no run of zeros.
      if (++this.#digits > 13) return this.#refuse("chunk size too large");
      this.#left = this.#left * 16 + digit;
      return true;
    }
    if (this.#digits === 0) return this.#refuse("chunk size is not hexadecimal");
    if (c === CR) this.#state = State.SizeLf;
    else if (c === SEMICOLON) this.#state = State.ExtName;
    else return this.#refuse("chunk size is followed by something else than CRLF or an extension");
    this.#extension = 0;
    return true;
  }

  /** chunk-ext = *( ";" name [ "=" ( token / quoted-string ) ] ), without the "bad" white space. */
  #extend(c: number): boolean {
    if (++this.#extension > MAX_EXTENSION_BYTES) return this.#refuse("chunk extension too long");
    const state = this.#state;
    if (state === State.ExtQuoted) {
      if (c === QUOTE) this.#state = State.ExtAfterQuoted;
      else if (c === 0x5c) this.#state = State.ExtEscape;
      else if ((c < 0x20 && c !== 9) || c === 0x7f) return this.#refuse("control byte in a chunk extension");
      return true;
    }
    if (state === State.ExtEscape) {
      if ((c < 0x20 && c !== 9) || c === 0x7f) return this.#refuse("control byte in a chunk extension");
      this.#state = State.ExtQuoted;
      return true;
    }
    if (state === State.ExtValue && c === QUOTE) {
      this.#state = State.ExtQuoted;
      return true;
    }
    if (isTokenByte(c)) return this.#extensionToken(state);
    return this.#extensionMark(c, state);
  }

  #extensionToken(state: number): boolean {
    if (state === State.ExtAfterQuoted) return this.#refuse("malformed chunk extension");
    if (state === State.ExtName) this.#digits = -1;
    else this.#state = State.ExtToken;
    return true;
  }

  /** "=", ";" or CR; `#digits` is -1 while a name has at least one byte. */
  #extensionMark(c: number, state: number): boolean {
    const named = state === State.ExtName && this.#digits === -1;
    const complete = named || state === State.ExtToken || state === State.ExtAfterQuoted;
    if (c === 0x3d && named) this.#state = State.ExtValue;
    else if (c === SEMICOLON && complete) this.#state = State.ExtName;
    else if (c === CR && complete) this.#state = State.SizeLf;
    else return this.#refuse("malformed chunk extension");
    this.#digits = 0;
    return true;
  }

  #trailer(bytes: Buffer, p: number, end: number, limits: HeadLimits): number {
    if (this.#held === null && bytes[p] === CR && p + 1 < end && bytes[p + 1] === LF) {
      this.done = true;
      return p + 2;
    }
    this.#held ??= new Held();
    const held = this.#held;
    const before = held.length;
    held.append(bytes, p, end);
    if (held.length < limits.maxBytes && !Held.mayComplete(bytes, p, end)) return end;
    const trailers = new Trailers();
    trailers.bytes = held.bytes;
    const after = parseFields(trailers, held.bytes, 0, Math.min(held.length, limits.maxBytes), limits);
    if (after === INCOMPLETE && held.length < limits.maxBytes) return end;
    if (after <= 0) {
      this.#refuse(trailers.problem === "" ? "trailer section larger than the limit" : `trailer: ${trailers.problem}`);
      return p;
    }
    if (!carriesOnlyData(trailers)) {
      this.#refuse("trailer holds a framing field");
      return p;
    }
    this.trailers = trailers.count > 0 ? trailers : null;
    this.done = true;
    this.#held = null;
    return p + after - before;
  }

  #refuse(problem: string): boolean {
    this.problem = problem;
    return false;
  }
}

/** RFC 9110, section 6.5.1: what frames, routes or authenticates is no trailer. */
export function carriesOnlyData(trailers: Trailers): boolean {
  for (let i = 0; i < trailers.count; i++) {
    const id = trailers.ids[i]!;
    if (id !== Field.Unknown && id <= Field.XForwardedClientCert) return false;
    if (id === Field.Authorization || id === Field.Cookie) return false;
    if (id === Field.XForwardedFor || id === Field.XForwardedProto || id === Field.XForwardedHost) return false;
  }
  return true;
}
