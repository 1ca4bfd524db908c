import { latin1 } from "../base/mod.ts";
import type { Words } from "./connection.ts";
import { refusalOf } from "./rescue.ts";

/** What a client is told that has asked for a connection by CONNECT (RFC 9110, section 9.3.6). */
export const CONNECT_WORDS: Words = Object.freeze({
  connected: latin1("HTTP/1.1 200 Connection Established\r\n\r\n"),
  refused: (error: unknown): Buffer => {
    const { status, flag, reason } = refusalOf(error);
    const body = Buffer.from(`${reason}\n`);
    const head = [
      `HTTP/1.1 ${status} Connection Refused`,
      "Content-Type: text/plain; charset=utf-8",
      `x-mesh-flag: ${flag}`,
      `Content-Length: ${body.length}`,
      "Connection: close",
    ];
    return Buffer.concat([latin1(`${head.join("\r\n")}\r\n\r\n`), body]);
  },
});
