/**
 * Requests made to be read in two ways, and a second reader to hold the first
 * to: regular expressions of the grammar, strings, no state.
 * @module
 */
const CHUNKED = -1;

/** Most of the time the plain choice, now and then one of the odd ones. */
function mostly(plain: string, odd: readonly string[], random: () => number): string {
  return random() < 0.8 ? plain : pick(odd, random);
}

const LENGTHS = [
  "5",
  "5",
  "5",
  "0",
  "05",
  "+5",
  "-5",
  "5 5",
  "5,5",
  "0x5",
  "",
  "5;a",
  "5.0",
  "9007199254740993",
  "\xb2",
];
const CODINGS = [
  "chunked",
  "Chunked",
  "chunked",
  "chunked, identity",
  "identity",
  "xchunked",
  "chunked ",
  '"chunked"',
  "",
  ",chunked",
];
const FRAMING_NAMES = ["Content-Length", "Transfer-Encoding", "content-length", "TRANSFER-ENCODING", "Content_Length"]
  .concat([
    "Transfer_Encoding",
    "Transfer-Encoding ",
    "Transfer-Encoding\t",
    " Transfer-Encoding",
    "Content-Length\0",
    "Content-Lengt\xe8",
  ])
  .concat(["X-Content-Length", "Transfer-Encodings"]);

/** A request that frames its body twice, badly, or well, and another one behind it. */
export function smuggled(random: () => number): string {
  const eol = () => (random() < 0.97 ? "\r\n" : pick(["\n", "\r", "\r\r\n", " \r\n", "\r\n "], random));
  const field = (): string => {
    const name = mostly(pick(FRAMING_NAMES.slice(0, 2), random), FRAMING_NAMES, random);
    const value = /encod/i.test(name) ? mostly("chunked", CODINGS, random) : mostly("5", LENGTHS, random);
    return `${name}:${mostly(" ", ["", "\t", "  ", " \t"], random)}${value}${eol()}`;
  };
  const host =
    random() < 0.95 ? `Host: a${eol()}` : pick(["", `Host: a\r\nHost: a${eol()}`, `Host: a@b${eol()}`], random);
  const connection =
    random() < 0.8
      ? ""
      : `Connection: ${pick(["close", "keep-alive", "x", "content-length", "transfer-encoding"], random)}${eol()}`;
  const fields = Array.from({ length: pick([0, 1, 1, 1, 2], random) }, field).join("");
  const version = mostly("1.1", ["1.0", "1.2", "2.0", "0.9"], random);
  const size = () =>
    `${mostly("5", ["05", "5 ", " 5", "5;a=b", "5;", "5 ;a", "5;a=", "0x5", "G", '5;a="b"', "5\t"], random)}${eol()}`;
  const trailer =
    random() < 0.8
      ? ""
      : `${pick(["X: y", "Content-Length: 5", "transfer-encoding: chunked", "X : y", "Content_Length: 5"], random)}${eol()}`;
  const chunks = `${size()}hello${eol()}0${eol()}${trailer}\r\n`;
  const body = pick(["hello", chunks, chunks, ""], random);
  return `POST / HTTP/${version}\r\n${host}${connection}${fields}\r\n${body}GET /next HTTP/1.1\r\nHost: a\r\n\r\n`;
}

const TCHAR = "[!#$%&'*+.^_`|~0-9A-Za-z-]";
const LINE = `${TCHAR}+:[\\t\\x20-\\x7e\\x80-\\xff]*\\r\\n`;
const HEAD = new RegExp(`^(?:\\r\\n)*(${TCHAR}+) (/[!"$-~]*) HTTP/1\\.([0-9])\\r\\n((?:${LINE})*)\\r\\n`);
const EXTENSION = `(?:;${TCHAR}+(?:=(?:${TCHAR}+|"[^"\\\\\\x00-\\x08\\x0a-\\x1f\\x7f]*"))?)*`;
const CHUNK = new RegExp(`^([0-9a-fA-F]{1,13})${EXTENSION}\\r\\n`);
const TRAILERS = new RegExp(`^((?:${LINE})*)\\r\\n`);
const NOT_IN_A_TRAILER = /^(host|content[-_]length|transfer[-_]encoding|connection):/im;

/** Bodies of the requests that the grammar finds, and whether it ends in bytes that are none. */
export function readByGrammar(text: string): { bodies: string[]; refused: boolean } {
  const bodies: string[] = [];
  let rest = text;
  while (rest !== "") {
    const head = HEAD.exec(rest);
    if (head === null) return { bodies, refused: /\r\n\r\n/.test(rest) || !couldGoOn(rest) };
    const framed = frame(head[4]!, Number(head[3]));
    if (framed === null) return { bodies, refused: true };
    const body = takeBody(rest.slice(head[0].length), framed.length);
    if (typeof body === "string") return { bodies, refused: body === "refused" };
    bodies.push(body.body);
    rest = body.rest;
    if (framed.close) break;
  }
  return { bodies, refused: false };
}

/** Every input of the generator ends in a whole request: only a body that swallows it can end early. */
function couldGoOn(rest: string): boolean {
  return /^[!#$%&'*+.^_`|~0-9A-Za-z-]*$/.test(rest);
}

function frame(fields: string, minor: number): { length: number; close: boolean } | null {
  const all = fields
    .split("\r\n")
    .slice(0, -1)
    .map(
      (line) =>
        [
          line.slice(0, line.indexOf(":")).toLowerCase(),
          line.slice(line.indexOf(":") + 1).replace(/^[ \t]+|[ \t]+$/g, ""),
        ] as const,
    );
  const values = (name: string) => all.filter(([key]) => key === name).map(([, value]) => value);
  const [lengths, codings, options] = [values("content-length"), values("transfer-encoding"), values("connection")];
  if (all.some(([name]) => /^(content_length|transfer_encoding)$/.test(name))) return null;
  if (values("host").length > 1 || (values("host").length === 0 && minor > 0) || values("host").includes("a@b"))
    return null;
  if (lengths.length + codings.length > 1) return null;
  if (codings.length === 1 && (minor === 0 || codings[0]!.toLowerCase() !== "chunked")) return null;
  if (lengths.length === 1 && !/^(0|[1-9][0-9]{0,14})$/.test(lengths[0]!)) return null;
  if (options.includes("content-length") && lengths.length === 1) return null;
  const close = options.includes("close") || (minor === 0 && !options.includes("keep-alive"));
  return { length: codings.length === 1 ? CHUNKED : Number(lengths[0] ?? 0), close };
}

function takeBody(text: string, length: number): { body: string; rest: string } | "refused" | "incomplete" {
  if (length !== CHUNKED) {
    return text.length < length ? "incomplete" : { body: text.slice(0, length), rest: text.slice(length) };
  }
  let body = "";
  let rest = text;
  for (;;) {
    const chunk = CHUNK.exec(rest);
    if (chunk === null) return rest === "" ? "incomplete" : "refused";
    const size = Number.parseInt(chunk[1]!, 16);
    rest = rest.slice(chunk[0].length);
    if (size === 0) {
      const trailers = TRAILERS.exec(rest);
      if (trailers === null || NOT_IN_A_TRAILER.test(trailers[1]!)) return "refused";
      return { body, rest: rest.slice(trailers[0].length) };
    }
    if (rest.length < size + 2) return "incomplete";
    if (rest.slice(size, size + 2) !== "\r\n") return "refused";
    body += rest.slice(0, size);
    rest = rest.slice(size + 2);
  }
}

/** One of them. */
export function pick<T>(from: readonly T[], random: () => number): T {
  return from[Math.floor(random() * from.length)]!;
}
