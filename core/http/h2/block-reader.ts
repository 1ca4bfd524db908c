import { Held } from "../held.ts";
import { ErrorCode, Flag, uint31 } from "./frame.ts";
import type { Violation } from "./frame-rules.ts";

const TOO_SHORT: Violation = { code: ErrorCode.FrameSizeError, problem: "HEADERS too short" };
const PADDED: Violation = { code: ErrorCode.ProtocolError, problem: "padding longer than its frame" };
const NO_STREAM = 0;

/** Puts a header block together: HEADERS, and what CONTINUATION adds. */
export class BlockReader {
  /** The stream whose block is not whole; 0 without one. */
  open = NO_STREAM;
  /** Of the block begun last: it ends the stream, or says that the stream depends on itself. */
  ends = false;
  isSelfish = false;
  /** Where the block stands in the HEADERS frame. */
  start = 0;
  end = 0;
  #held: Held | null = null;

  /** Takes a HEADERS frame apart; why it cannot, or null. */
  begin(flags: number, stream: number, bytes: Buffer, start: number, end: number): Violation | null {
    let p = start;
    let padding = 0;
    if ((flags & Flag.Padded) !== 0) padding = p < end ? bytes[p++]! : 1;
    const dependency = (flags & Flag.Priority) !== 0 ? p : -1;
    if (dependency >= 0) p += 5;
    if (p > end) return TOO_SHORT;
    if (p + padding > end) return PADDED;
    this.ends = (flags & Flag.EndStream) !== 0;
    this.isSelfish = dependency >= 0 && uint31(bytes, dependency) === stream;
    this.start = p;
    this.end = end - padding;
    return null;
  }

  /** More of the block comes: keeps what there is. Its length so far. */
  hold(stream: number, bytes: Buffer, start: number, end: number): number {
    this.open = stream;
    this.#held ??= new Held();
    this.#held.append(bytes, start, end);
    return this.#held.length;
  }

  /** The block is whole. */
  take(): Held {
    const held = this.#held!;
    this.discard();
    this.open = NO_STREAM;
    return held;
  }

  discard(): void {
    this.#held = null;
  }
}
