/**
 * How long the HTTP/1 parser takes for one head: `npx bun test/bench/http1-parse.bench.ts`.
 *
 * Each row is the best of many short runs: on a shared machine the fastest run
 * is the one nobody disturbed. Heads lie at changing offsets of one buffer, as
 * they do in what a socket hands over, and each differs in path and cookie.
 * @module
 */
import { BodyReader } from "../../core/http/body.ts";
import { CHUNKED, Method, RequestHead, ResponseHead } from "../../core/http/head.ts";
import { DEFAULT_HEAD_LIMITS as LIMITS, parseRequestHead, parseResponseHead } from "../../core/http/parse.ts";

const ROUNDS = 60;
const HEADS = 64;
const PASSES = 100;

const WRK = (i: number) =>
  `GET /item/${i}?q=${i * 7919} HTTP/1.1\r\nHost: web.shop.svc.cluster.local:8080\r\nUser-Agent: wrk/4.2.0\r\n` +
  `Accept: */*\r\ntraceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\nX-Request-Id: ${i}\r\n\r\n`;

const BROWSER = (i: number) =>
  `GET /shop/cart/${i}?from=start&utm_source=mail HTTP/1.1\r\nHost: www.example.com\r\nConnection: keep-alive\r\n` +
  `Cache-Control: max-age=0\r\nsec-ch-ua: "Chromium";v="128", "Not;A=Brand";v="24"\r\nsec-ch-ua-mobile: ?0\r\n` +
  `User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/128.0.0.0 Safari/537.36\r\n` +
  `Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n` +
  `Sec-Fetch-Site: same-origin\r\nReferer: https://www.example.com/shop\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n` +
  `Accept-Language: en-GB,en;q=0.9,de;q=0.8\r\n` +
  `Cookie: session=${"0123456789abcdef".repeat(4)}${i}; theme=dark; _ga=GA1.2.1234567890.1712345678; cart=${i}\r\n\r\n`;

const RESPONSE = (i: number) =>
  `HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Mon, 05 Jan 2026 12:00:${String(i % 60).padStart(2, "0")} GMT\r\n` +
  `Content-Type: application/json; charset=utf-8\r\nContent-Length: ${100 + i}\r\nConnection: keep-alive\r\nETag: "${i}-abc"\r\n\r\n`;

const CHUNKS = (i: number) =>
  `${"64\r\n".concat("x".repeat(100), "\r\n").repeat(4)}${(i % 9) + 1};a=b\r\n${"y".repeat((i % 9) + 1)}\r\n0\r\n\r\n`;

const request = new RequestHead();
const response = new ResponseHead();
const body = new BodyReader();

const ROWS: Readonly<
  Record<string, { text: (i: number) => string; parse: (bytes: Buffer, start: number, end: number) => number }>
> = {
  "request, 5 fields": { text: WRK, parse: parseRequest },
  "request, 12 fields and cookies": { text: BROWSER, parse: parseRequest },
  "response, 6 fields": {
    text: RESPONSE,
    parse: (b, s, e) => parseResponseHead(response, b, s, e, LIMITS, Method.Get),
  },
  "chunked body, 5 chunks": { text: CHUNKS, parse: readChunks },
};

for (const [name, { text, parse }] of Object.entries(ROWS)) {
  const { nsEach, bytesEach } = measure(text, parse);
  console.log(
    `${name.padEnd(32)} ${nsEach.toFixed(0).padStart(6)} ns   ${(nsEach / bytesEach).toFixed(2)} ns/byte   ${bytesEach.toFixed(0)} bytes`,
  );
}

function parseRequest(bytes: Buffer, start: number, end: number): number {
  return parseRequestHead(request, bytes, start, end, LIMITS);
}

function readChunks(bytes: Buffer, start: number, end: number): number {
  body.begin(CHUNKED);
  let p = start;
  while (!body.done && body.problem === "") p = body.next(bytes, p, end, LIMITS);
  return p;
}

function measure(text: (i: number) => string, parse: (bytes: Buffer, start: number, end: number) => number) {
  const texts = Array.from({ length: HEADS }, (_, i) => text(i));
  const bytes = Buffer.from(texts.join(""), "latin1");
  let nsEach = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const start = Bun.nanoseconds();
    for (let pass = 0; pass < PASSES; pass++) parseAll(bytes, parse);
    nsEach = Math.min(nsEach, (Bun.nanoseconds() - start) / (PASSES * HEADS));
  }
  return { nsEach, bytesEach: bytes.length / HEADS };
}

function parseAll(bytes: Buffer, parse: (bytes: Buffer, start: number, end: number) => number): void {
  let p = 0;
  while (p < bytes.length) {
    const after = parse(bytes, p, bytes.length);
    if (after <= p) throw new Error(`Cannot measure: the parser answers ${after} at ${p}`);
    p = after;
  }
}
