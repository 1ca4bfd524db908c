import type { Clock, Timer } from "../base/mod.ts";
import type { LogKey } from "./log-key.ts";
import type { LogSink } from "./log-sink.ts";

export type LogFormat = "json" | "text";

const BUFFER_BYTES = 65_536;
const FLUSH_MS = 1_000;
/** Longest text of one field, escapes included. What is longer ends with "...". */
const MAX_VALUE_BYTES = 4_096;
/** A line of this length holds only short texts from there on, so that it fits the buffer whatever a request sends. */
const LONG_LINE_BYTES = 32_768;
const MAX_SHORT_VALUE_BYTES = 64;
/** Most room that any value but a text needs. */
const SMALL_VALUE_BYTES = 32;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const MINUS = 0x2d;
const ZERO = 0x30;
const DOT = 0x2e;
const OPEN = 0x7b;
const CLOSE = 0x7d;
const NEWLINE = 0x0a;
const HEX = new TextEncoder().encode("0123456789abcdef");

/**
 * Writes lines from bytes, without making strings: `begin()`, then a `key()`
 * and a value for each field, then `end()`. JSON, or text as `name=value` with
 * the same quoting. Lines go out when the buffer is full, a second after the
 * first, and at `close()`.
 *
 * It never waits and never throws: while the sink takes nothing, lines that
 * find no room are dropped whole and counted. A request cannot make its line
 * vanish: what it sends is cut per field, and the rest of the line is kept.
 */
export class LogWriter {
  readonly #sink: LogSink;
  readonly #clock: Clock;
  readonly #json: boolean;
  readonly #bytes = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  readonly #flushTick = (): void => this.#onTimer();
  #timer: Timer | null = null;
  #at = 0;
  #lineStart = 0;
  /** The line begun has found no room. */
  #isLost = false;
  #dropped = 0;
  /** Second that `#secondText` spells. */
  #second = -1;
  #secondText: Uint8Array = new Uint8Array(0);

  constructor(sink: LogSink, clock: Clock, format: LogFormat = "json") {
    this.#sink = sink;
    this.#clock = clock;
    this.#json = format === "json";
  }

  /** Lines that found no room since the start. */
  get dropped(): number {
    return this.#dropped;
  }

  begin(): void {
    this.#lineStart = this.#at;
    this.#isLost = !this.#room(SMALL_VALUE_BYTES);
    if (this.#json && !this.#isLost) this.#bytes[this.#at++] = OPEN;
  }

  /** The name of the next value. */
  key(key: LogKey): void {
    const name = this.#json ? key.json : key.text;
    if (!this.#room(name.length + SMALL_VALUE_BYTES)) return;
    // The separator in front of the first name is left out.
    const first = this.#at === this.#lineStart + (this.#json ? 1 : 0) ? 1 : 0;
    this.#copy(name, first);
  }

  /** A text; what is not ASCII is escaped. */
  text(text: string): void {
    const limit = this.#openText(text.length);
    const bytes = this.#bytes;
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      if (this.#at >= limit) {
        this.#cut();
        break;
      }
      if (unit >= 0x20 && unit < 0x7f && unit !== QUOTE && unit !== BACKSLASH) bytes[this.#at++] = unit;
      else this.#escape(unit);
    }
    this.#closeText();
  }

  /** Bytes as a text of one character each; above 0x7e they are escaped as \u00XX. */
  bytes(from: Uint8Array, start: number, end: number): void {
    const limit = this.#openText(end - start);
    const bytes = this.#bytes;
    let at = this.#at;
    for (let i = start; i < end; i++) {
      const c = from[i]!;
      if (at >= limit) {
        this.#at = at;
        this.#cut();
        at = this.#at;
        break;
      }
      if (c >= 0x20 && c < 0x7f && c !== QUOTE && c !== BACKSLASH) bytes[at++] = c;
      else {
        this.#at = at;
        this.#escape(c);
        at = this.#at;
      }
    }
    this.#at = at;
    this.#closeText();
  }

  /** A value encoded before, by `logConstant()`. */
  raw(value: Uint8Array): void {
    if (value.length > MAX_VALUE_BYTES || !this.#room(value.length)) this.null();
    else this.#copy(value, 0);
  }

  /** A number, to three decimals. What is not finite is null. */
  number(value: number): void {
    if (!Number.isFinite(value) || Math.abs(value) > Number.MAX_SAFE_INTEGER) {
      this.null();
      return;
    }
    if (!this.#room(SMALL_VALUE_BYTES)) return;
    if (value < 0) this.#bytes[this.#at++] = MINUS;
    const positive = Math.abs(value);
    let whole = Math.floor(positive);
    let thousandths = positive === whole ? 0 : Math.round((positive - whole) * 1000);
    if (thousandths === 1000) {
      whole++;
      thousandths = 0;
    }
    this.#digits(whole);
    if (thousandths > 0) this.#fraction(thousandths);
  }

  boolean(value: boolean): void {
    if (this.#room(SMALL_VALUE_BYTES)) this.#copy(value ? TRUE : FALSE, 0);
  }

  null(): void {
    if (this.#room(SMALL_VALUE_BYTES)) this.#copy(NULL, 0);
  }

  /** A point in wall time, as ISO 8601 in UTC with milliseconds. */
  time(epochMs: number): void {
    if (!this.#room(SMALL_VALUE_BYTES)) return;
    const second = Math.floor(epochMs / 1000);
    if (second !== this.#second) {
      this.#second = second;
      // `"2026-01-01T12:00:00.`: the only string made here, once a second.
      this.#secondText = new TextEncoder().encode(`"${new Date(second * 1000).toISOString().slice(0, 20)}`);
    }
    this.#copy(this.#secondText, 0);
    this.#padded(Math.floor(epochMs - second * 1000));
    this.#bytes[this.#at++] = Z;
    this.#bytes[this.#at++] = QUOTE;
  }

  /** Ends the line. It goes out within a second. */
  end(): void {
    if (!this.#isLost && this.#room(2)) {
      if (this.#json) this.#bytes[this.#at++] = CLOSE;
      this.#bytes[this.#at++] = NEWLINE;
      this.#lineStart = this.#at;
      if (this.#timer === null) this.#timer = this.#clock.after(FLUSH_MS, this.#flushTick);
    }
    if (!this.#isLost) return;
    this.#dropped++;
    this.#at = this.#lineStart;
    this.#isLost = false;
  }

  /** Hands complete lines to the sink; keeps what it does not take. */
  flush(): void {
    const end = this.#lineStart;
    if (end === 0) return;
    const taken = this.#sink.write(this.#bytes, 0, end);
    if (taken === 0) return;
    this.#bytes.copyWithin(0, taken, this.#at);
    this.#at -= taken;
    this.#lineStart -= taken;
  }

  /** Writes on into a new file of the same name, after the old one was moved away. */
  reopen(): void {
    this.flush();
    this.#sink.reopen();
  }

  /** The last flush. Lines that the sink does not take now are counted as dropped. */
  close(): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.flush();
    for (let i = 0; i < this.#lineStart; i++) if (this.#bytes[i] === NEWLINE) this.#dropped++;
    this.#at = 0;
    this.#lineStart = 0;
    this.#sink.close();
  }

  #onTimer(): void {
    this.#timer = null;
    this.flush();
    if (this.#lineStart > 0) this.#timer = this.#clock.after(FLUSH_MS, this.#flushTick);
  }

  /** Makes room for more of the line, by flushing the lines before it. Without room the line is lost. */
  #room(size: number): boolean {
    if (this.#isLost) return false;
    if (this.#at + size <= BUFFER_BYTES) return true;
    this.flush();
    this.#isLost = this.#at + size > BUFFER_BYTES;
    return !this.#isLost;
  }

  /** Opens a quote; says where the text must have ended. Behind it there is room for one escape, "..." and the quote. */
  #openText(length: number): number {
    const isLong = this.#at - this.#lineStart > LONG_LINE_BYTES;
    const longest = Math.min(length * 6, isLong ? MAX_SHORT_VALUE_BYTES : MAX_VALUE_BYTES);
    if (!this.#room(longest + SMALL_VALUE_BYTES)) return 0;
    this.#bytes[this.#at++] = QUOTE;
    return this.#at + longest;
  }

  #closeText(): void {
    if (!this.#isLost) this.#bytes[this.#at++] = QUOTE;
  }

  #cut(): void {
    if (!this.#isLost) this.#copy(ELLIPSIS, 0);
  }

  #escape(unit: number): void {
    const bytes = this.#bytes;
    bytes[this.#at++] = BACKSLASH;
    if (unit === QUOTE || unit === BACKSLASH) {
      bytes[this.#at++] = unit;
      return;
    }
    bytes[this.#at++] = LETTER_U;
    bytes[this.#at++] = HEX[unit >> 12]!;
    bytes[this.#at++] = HEX[(unit >> 8) & 15]!;
    bytes[this.#at++] = HEX[(unit >> 4) & 15]!;
    bytes[this.#at++] = HEX[unit & 15]!;
  }

  #digits(whole: number): void {
    if (whole > MAX_INT32) {
      const high = Math.floor(whole / 1_000_000);
      this.#digits(high);
      const low = whole - high * 1_000_000;
      this.#padded((low / 1000) | 0);
      this.#padded(low % 1000);
      return;
    }
    let size = 1;
    for (let power = 10; power <= whole; power *= 10) size++;
    const end = this.#at + size;
    // "| 0" keeps the division to integers, twice as quick as Math.floor here.
    for (let at = end - 1, rest = whole | 0; at >= this.#at; at--, rest = (rest / 10) | 0)
      this.#bytes[at] = ZERO + (rest % 10);
    this.#at = end;
  }

  #fraction(thousandths: number): void {
    this.#bytes[this.#at++] = DOT;
    this.#padded(thousandths);
    while (this.#bytes[this.#at - 1] === ZERO) this.#at--;
  }

  /** Three digits, zeros in front. */
  #padded(value: number): void {
    this.#bytes[this.#at++] = ZERO + ((value / 100) | 0);
    this.#bytes[this.#at++] = ZERO + (((value / 10) | 0) % 10);
    this.#bytes[this.#at++] = ZERO + (value % 10);
  }

  /** Names and constants are short: a loop is quicker than a call into the runtime. */
  #copy(from: Uint8Array, start: number): void {
    const bytes = this.#bytes;
    let at = this.#at;
    for (let i = start; i < from.length; i++) bytes[at++] = from[i]!;
    this.#at = at;
  }
}

const MAX_INT32 = 2 ** 31 - 1;
const LETTER_U = 0x75;
const Z = 0x5a;
const TRUE = new TextEncoder().encode("true");
const FALSE = new TextEncoder().encode("false");
const NULL = new TextEncoder().encode("null");
const ELLIPSIS = new TextEncoder().encode("...");
