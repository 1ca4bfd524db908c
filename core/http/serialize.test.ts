import { expect, test } from "bun:test";
import { latin1, NO_BYTES } from "../base/mod.ts";
import type { Wire } from "../listener/mod.ts";
import { RequestHead } from "./head.ts";
import { DEFAULT_HEAD_LIMITS, parseRequestHead } from "./parse.ts";
import { Sender, Stage } from "./sender.ts";
import { type Edits, writeRequestHead } from "./serialize.ts";

test("a usual head goes on byte for byte, but for what ends here and what is added", () => {
  const line = "GET /a?b=c HTTP/1.1\r\nhost:web:80\r\n";

  expect(written(`${line}A: 1\r\nConnection: close\r\nB: 2\r\n\r\n`)).toBe(`${line}A: 1\r\nB: 2\r\nadded: x\r\n\r\n`);
  expect(written(`${line}A: 1\r\nB: 2\r\n\r\n`, drop("a", "C: 3\r\n"))).toBe(`${line}B: 2\r\nC: 3\r\nadded: x\r\n\r\n`);
  expect(written(`${line}\r\n`)).toBe(`${line}added: x\r\n\r\n`);
});

test("Host goes on whatever the edits say of it", () => {
  for (const first of ["", "A: 1\r\n"]) {
    expect(written(`GET / HTTP/1.1\r\n${first}Host: web\r\n\r\n`, drop("host", ""))).toBe(
      `GET / HTTP/1.1\r\nHost: web\r\n${first}added: x\r\n\r\n`,
    );
  }
});

test("any other head is made anew: origin form, HTTP/1.1, Host first", () => {
  const anew = "GET /a HTTP/1.1\r\nHost: web\r\nadded: x\r\n\r\n";

  expect(written("GET http://web/a HTTP/1.1\r\nHost: other\r\n\r\n")).toBe(anew);
  expect(written("GET /a HTTP/1.2\r\nHost: web\r\n\r\n")).toBe(anew);
  expect(written("GET /a HTTP/1.0\r\nHost: web\r\n\r\n")).toBe(anew);
  expect(written("GET /a HTTP/1.0\r\n\r\n")).toBe(anew);
  expect(written("GET /a HTTP/1.1\r\nA: 1\r\nHost: web\r\n\r\n")).toBe(
    "GET /a HTTP/1.1\r\nHost: web\r\nA: 1\r\nadded: x\r\n\r\n",
  );
});

/** What a head becomes on its way; "web" is the authority of one that names none. */
function written(text: string, edits: Edits | null = null): string {
  const head = new RequestHead();
  const bytes = latin1(`before\n${text}`);
  expect(parseRequestHead(head, bytes, 7, bytes.length, DEFAULT_HEAD_LIMITS)).toBe(bytes.length);
  let out = "";
  const wire = {
    write(piece: Buffer, offset: number, length: number): number {
      out += piece.latin1Slice(offset, offset + length);
      return length;
    },
  } as unknown as Wire;
  const stage = new Sender(wire, new Stage()).open();
  const line = latin1("added: x\r\n");
  writeRequestHead(stage, head, latin1("web"), edits, null, { bytes: line, length: line.length }, null);
  stage.flush();
  return out;
}

function drop(name: string, lines: string): Edits {
  return { drops: (head, i) => head.nameText(i) === name, lines: lines === "" ? NO_BYTES : latin1(lines) };
}
