import { NO_BYTES } from "../../base/mod.ts";

const FIRST_ROOM = 1024;
export const COOKIE_LINE = Buffer.from("cookie: ");
const SEPARATOR = Buffer.from("; ");
const CRLF = Buffer.from("\r\n");

/** Cookies may come in crumbs, for the sake of the tables; behind us they are one field (RFC 9113, section 8.2.3). */
export class Crumbs {
  bytes: Buffer = NO_BYTES;
  length = 0;

  add(line: Buffer, start: number, end: number): void {
    const joint = this.length === 0 ? COOKIE_LINE : SEPARATOR;
    // The end of the line finds room too.
    const size = this.length + joint.length + end - start + CRLF.length;
    if (size > this.bytes.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(FIRST_ROOM, size * 2));
      this.bytes.copy(grown, 0, 0, this.length);
      this.bytes = grown;
    }
    this.length += joint.copy(this.bytes, this.length);
    this.length += line.copy(this.bytes, this.length, start, end);
  }

  /** Ends the line; offset of the end of its value. */
  close(): number {
    CRLF.copy(this.bytes, this.length);
    return this.length;
  }
}
