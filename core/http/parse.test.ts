import { describe, expect, test } from "bun:test";
import { latin1 } from "../base/mod.ts";
import { Field } from "./field.ts";
import { CHUNKED, Method, RequestHead, ResponseHead, UNTIL_CLOSE } from "./head.ts";
import {
  DEFAULT_HEAD_LIMITS,
  type HeadLimits,
  INCOMPLETE,
  parseRequestHead,
  parseResponseHead,
  REFUSED,
  TOO_LARGE,
  UNSUPPORTED,
} from "./parse.ts";

describe("parseRequestHead() takes", () => {
  test("a request in origin form apart by offsets, wherever in the bytes it stands", () => {
    const bytes = latin1("xxGET /a/b?c=d&e HTTP/1.1\r\nHost: Example.com:8080\r\nX-A:\t v \r\n\r\nyy");

    const head = new RequestHead();
    const after = parseRequestHead(head, bytes, 2, bytes.length, DEFAULT_HEAD_LIMITS);

    expect(after).toBe(bytes.length - 2);
    expect(head.method).toBe(Method.Get);
    expect([head.pathText(), head.queryText(), head.authorityText()]).toEqual(["/a/b", "c=d&e", "Example.com:8080"]);
    expect(head.text(head.authorityStart, head.hostEnd)).toBe("Example.com");
    expect(head.port).toBe(8080);
    expect(head.get("x-a")).toBe("v");
    expect(head.text(head.fieldsEnd, after)).toBe("\r\n");
  });

  test("nothing over from the head before", () => {
    const head = new RequestHead();
    parseInto(head, "CONNECT a:1 HTTP/1.0\r\nConnection: keep-alive, upgrade, x\r\nX: 1\r\nContent-Length: 0\r\n\r\n");

    parseInto(head, request());

    expect(scalarsOf(head)).toEqual(scalarsOf(parsed(request())));
    expect([head.hop[0], head.ids[0]]).toEqual([1, Field.Host]);
    parseInto(head, "GET / HTTP/1.1\r\nX-A: b\r\nHost: a\r\n\r\n");
    expect([head.hop[0], head.ids[0]]).toEqual([0, Field.Unknown]);
  });

  test.each([
    ["/", "/", null],
    ["/a?", "/a", ""],
    ["/?a?b", "/", "a?b"],
    ["//a/../b/./%2e%2E/c;d", "//a/../b/./%2e%2E/c;d", null],
    ['/"<>[]^`{|}~\\', '/"<>[]^`{|}~\\', null],
    ["*", "*", null],
    ["http://a", "/", null],
    ["HTTP://a?q", "/", "q"],
    ["http://a:80/b/?q", "/b/", "q"],
    ["http://[::1]:80/b", "/b", null],
  ])("target %p as path %p, query %p: it decides nothing about dots and escapes", (target, path, query) => {
    const head = parsed(`OPTIONS ${target} HTTP/1.1\r\nHost: a\r\n\r\n`);

    expect(head.problem).toBe("");
    expect(head.pathText()).toBe(path);
    expect(head.hasQuery ? head.queryText() : null).toBe(query);
  });

  test("the authority from an absolute target, or from CONNECT, before the one of Host", () => {
    const absolute = parsed("GET http://b:81/ HTTP/1.1\r\nHost: a:80\r\n\r\n");
    const connect = parsed("CONNECT b:443 HTTP/1.1\r\nHost: a:80\r\n\r\n");

    expect([absolute.absolute, absolute.authorityText(), absolute.port]).toEqual([true, "b:81", 81]);
    expect([connect.absolute, connect.authorityText(), connect.port, connect.pathText()]).toEqual([
      false,
      "b:443",
      443,
      "",
    ]);
  });

  test("every method by name, and any other token as its bytes", () => {
    for (const method of [
      "GET",
      "HEAD",
      "POST",
      "PUT",
      "DELETE",
      "OPTIONS",
      "PATCH",
      "TRACE",
      "get",
      "PROPFIND",
      "A",
    ]) {
      expect(parsed(`${method} / HTTP/1.1\r\nHost: a\r\n\r\n`).methodText()).toBe(method);
    }
    expect(parsed("get / HTTP/1.1\r\nHost: a\r\n\r\n").method).toBe(Method.Other);
  });

  test("empty lines before a request for nothing", () => {
    expect(parsed(`\r\n\r\n${request()}`).methodText()).toBe("GET");
  });

  test.each([
    ["", 0],
    ["Content-Length: 0\r\n", 0],
    ["Content-Length: 999999999999999\r\n", 999_999_999_999_999],
    ["content-length:12\r\n", 12],
    ["Transfer-Encoding: chunked\r\n", CHUNKED],
    ["TRANSFER-ENCODING:\t ChUnKeD \t\r\n", CHUNKED],
  ])("the framing of %p", (fields, length) => {
    expect(parsed(request(fields)).contentLength).toBe(length);
  });

  test.each([
    ["1.1", "", true],
    ["1.1", "Connection: close\r\n", false],
    ["1.1", "Connection: keep-alive\r\n", true],
    ["1.1", "Connection: CLOSE\r\n", false],
    ["1.1", "Connection: x, \tclose ,keep-alive\r\n", false],
    ["1.1", "Connection: close\r\nConnection: keep-alive\r\n", false],
    ["1.1", "Connection: keep-alive\r\nConnection: close\r\n", false],
    ["1.1", "Connection: closed\r\n", true],
    ["1.1", "Proxy-Connection: close\r\n", true],
    ["1.0", "", false],
    ["1.0", "Connection: Keep-Alive\r\n", true],
    ["1.0", "Connection: close\r\nConnection: keep-alive\r\n", false],
    ["1.9", "", true],
  ])("HTTP/%s with %p as a connection that goes on: %p", (version, fields, keepAlive) => {
    expect(parsed(request(fields, version)).keepAlive).toBe(keepAlive);
  });

  test.each([
    ["Connection: Upgrade\r\nUpgrade: websocket\r\n", true],
    ["Upgrade: websocket\r\nConnection: keep-alive, upgrade\r\n", true],
    ["Connection: upgrade\r\nUpgrade: IRC/6.9\r\n", true],
    ["Upgrade: websocket\r\n", false],
    ["Connection: upgrade\r\n", false],
    ["Connection: upgrade\r\nUpgrade: h2c\r\n", false],
    ["Connection: upgrade, HTTP2-Settings\r\nUpgrade: H2C\r\nHTTP2-Settings: a\r\n", false],
    ["Connection: upgrade\r\nUpgrade: HTTP/2.0\r\n", false],
    ["Connection: upgrade\r\nUpgrade: TLS/1.2\r\n", false],
    ["Connection: upgrade\r\nUpgrade: websocket, h2c\r\n", false],
    ["Connection: upgrade\r\nUpgrade: h2c\r\nUpgrade: websocket\r\n", false],
    ["Connection: upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n", false],
    ["Connection: upgrade\r\nUpgrade: a/b/c\r\n", false],
    ["Connection: upgrade\r\nUpgrade:\r\n", false],
    ["Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n", false],
  ])("%p as an upgrade that may pass: %p", (fields, upgrade) => {
    expect(parsed(request(fields)).upgrade).toBe(upgrade);
    expect(parsed(request(fields, "1.0")).upgrade).toBe(false);
  });

  test("Expect: 100-continue from HTTP/1.1 only", () => {
    expect(parsed(request("Expect: 100-Continue\r\n")).expectContinue).toBe(true);
    expect(parsed(request("Expect: 100-continue\r\n", "1.0")).expectContinue).toBe(false);
  });

  test("connection fields, and those that Connection names, as ending at this hop", () => {
    const head = parsed(
      request(
        "X-One: 1\r\nConnection: x-one, X-Two ,, nobody\r\nKeep-Alive: 5\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\n" +
          "Trailer: x\r\nUpgrade: a\r\nProxy-Authorization: b\r\nProxy-Connection: c\r\nX-Forwarded-Client-Cert: URI=spiffe://a/b\r\nx-two: 2\r\nx-two: 3\r\nx-three: 4\r\n",
      ),
    );
    const ending = Array.from({ length: head.count }, (_, i) => i).filter((i) => head.hop[i] === 1);

    expect(ending.map((i) => head.nameText(i)).sort()).toEqual(
      ["connection", "host", "keep-alive", "proxy-authorization", "proxy-connection", "te"]
        .concat(["transfer-encoding", "upgrade", "x-forwarded-client-cert", "x-one", "x-two", "x-two"])
        .sort(),
    );
  });

  test("an HTTP/1.0 request without Host", () => {
    const head = parsed("GET / HTTP/1.0\r\n\r\n");

    expect(head.problem).toBe("");
    expect(head.authorityEnd - head.authorityStart).toBe(0);
  });
});

type Refusal = readonly [name: string, text: string, problem: string, code?: number];

const REFUSED_LINES: readonly Refusal[] = [
  ["no method", " / HTTP/1.1\r\n", "method is not a token followed by one space"],
  ["two spaces after the method", "GET  / HTTP/1.1\r\n", "request target holds a byte that is not allowed"],
  ["a tab after the method", "GET\t/ HTTP/1.1\r\n", "method is not a token followed by one space"],
  ["a control byte in the method", "G\x01T / HTTP/1.1\r\n", "method is not a token followed by one space"],
  ["a byte above 127 in the method", "G\xc9T / HTTP/1.1\r\n", "method is not a token followed by one space"],
  ["a bare line feed before the request", "\nGET / HTTP/1.1\r\n", "method is not a token followed by one space"],
  ["a bare CR before the request", "\rGET / HTTP/1.1\r\n", "bare CR"],
  ["NUL in the target", "GET /\0 HTTP/1.1\r\n", "request target holds a byte that is not allowed"],
  ["a tab in the target", "GET /\t HTTP/1.1\r\n", "request target holds a byte that is not allowed"],
  ["a byte above 127 in the target", "GET /\xe4 HTTP/1.1\r\n", "request target holds a byte that is not allowed"],
  ["a space in the target", "GET /a b HTTP/1.1\r\n", "request line does not end in HTTP/1.1 and CRLF"],
  ["a fragment in the target", "GET /a#b HTTP/1.1\r\n", "request target holds a byte that is not allowed"],
  ["a target that is no path", "GET a HTTP/1.1\r\n", "target is neither a path nor an http:// URI"],
  ["another scheme", "GET ftp://a/ HTTP/1.1\r\n", "target is neither a path nor an http:// URI"],
  ["a scheme cut short", "GET http:/a HTTP/1.1\r\n", "target is neither a path nor an http:// URI"],
  ["a scheme without a host", "GET http:// HTTP/1.1\r\n", "target is neither a path nor an http:// URI"],
  ["an absolute target without a host", "GET http:///a HTTP/1.1\r\n", "authority of the target is not host[:port]"],
  ["userinfo in the target", "GET http://u@a/ HTTP/1.1\r\n", "authority of the target is not host[:port]"],
  ["userinfo with password", "GET http://u:p@a/ HTTP/1.1\r\n", "authority of the target is not host[:port]"],
  ["a backslash in the authority", "GET http://a\\@b/ HTTP/1.1\r\n", "authority of the target is not host[:port]"],
  ["* for GET", "GET * HTTP/1.1\r\n", "target * is for OPTIONS only"],
  ["HTTP/2's preface", "PRI * HTTP/2.0\r\n", "target * is for OPTIONS only"],
  ["CONNECT without a port", "CONNECT a HTTP/1.1\r\n", "CONNECT needs host:port"],
  ["CONNECT to a path", "CONNECT /a HTTP/1.1\r\n", "CONNECT needs host:port"],
  ["CONNECT with userinfo", "CONNECT u@a:1 HTTP/1.1\r\n", "CONNECT needs host:port"],
  ["HTTP/0.9", "GET /\r\n", "request target holds a byte that is not allowed"],
  ["a version in lower case", "GET / http/1.1\r\n", "request line does not end in HTTP/1.1 and CRLF"],
  ["a version with two digits", "GET / HTTP/1.10\r\n", "request line does not end in HTTP/1.1 and CRLF"],
  ["a space behind the version", "GET / HTTP/1.1 \r\n", "request line does not end in HTTP/1.1 and CRLF"],
  ["a request line that ends in LF", "GET / HTTP/1.1\n", "request line does not end in HTTP/1.1 and CRLF"],
  ["a request line that ends in CR", "GET / HTTP/1.1\rH", "request line does not end in HTTP/1.1 and CRLF"],
  ["HTTP/2.0", "GET / HTTP/2.0\r\n", "HTTP version is not 1.x", UNSUPPORTED],
  ["HTTP/0.9 by number", "GET / HTTP/0.9\r\n", "HTTP version is not 1.x", UNSUPPORTED],
];

const REFUSED_FIELDS: readonly Refusal[] = [
  ["a space before the colon", "X-A : b\r\n", "white space before the colon"],
  ["a tab before the colon", "X-A\t: b\r\n", "white space before the colon"],
  ["a line without a colon", "X-A\r\n", "field name holds a byte that is not allowed"],
  ["an empty name", ": b\r\n", "empty field name"],
  ["a folded line", "X-A: b\r\n c\r\n", "line begins with white space (obs-fold)"],
  ["a line folded with a tab", "X-A: b\r\n\tc\r\n", "line begins with white space (obs-fold)"],
  ["NUL in a name", "X\0A: b\r\n", "field name holds a byte that is not allowed"],
  ["a byte above 127 in a name", "X\xe4: b\r\n", "field name holds a byte that is not allowed"],
  ["a bracket in a name", "X(: b\r\n", "field name holds a byte that is not allowed"],
  ["NUL in a value", "X: a\0b\r\n", "control byte"],
  ["a control byte in a value", "X: a\x0bb\r\n", "control byte"],
  ["DEL in a value", "X: a\x7fb\r\n", "control byte"],
  ["a bare LF in a value", "X: a\nY: b\r\n", "bare LF"],
  ["a bare LF behind a name", "X\n", "bare LF"],
  ["a bare CR in a value", "X: a\rY: b\r\n", "bare CR"],
  ["two CR before a LF", "X: a\r\r\n", "bare CR"],
  ["a bare LF as the empty line", "X: a\r\n\n", "bare LF"],
  // Framing.
  [
    "two equal Content-Length",
    "Content-Length: 1\r\nContent-Length: 1\r\n",
    "Content-Length or Transfer-Encoding repeated",
  ],
  [
    "two different Content-Length",
    "Content-Length: 1\r\ncontent-length: 2\r\n",
    "Content-Length or Transfer-Encoding repeated",
  ],
  ["a list of Content-Length", "Content-Length: 1, 1\r\n", "Content-Length is not one decimal number"],
  ["an empty Content-Length", "Content-Length:\r\n", "Content-Length is not one decimal number"],
  ["a signed Content-Length", "Content-Length: +1\r\n", "Content-Length is not one decimal number"],
  ["a negative Content-Length", "Content-Length: -1\r\n", "Content-Length is not one decimal number"],
  ["a hexadecimal Content-Length", "Content-Length: 0x1\r\n", "Content-Length is not one decimal number"],
  ["a Content-Length with a fraction", "Content-Length: 1.0\r\n", "Content-Length is not one decimal number"],
  ["a Content-Length with a space in it", "Content-Length: 1 0\r\n", "Content-Length is not one decimal number"],
  ["a Content-Length of octal look", "Content-Length: 010\r\n", "Content-Length is not one decimal number"],
  [
    "a Content-Length beyond reason",
    `Content-Length: 1${"0".repeat(15)}\r\n`,
    "Content-Length is not one decimal number",
  ],
  [
    "Content-Length, then Transfer-Encoding",
    "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
    "Content-Length together with Transfer-Encoding",
  ],
  [
    "Transfer-Encoding, then Content-Length",
    "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n",
    "Content-Length together with Transfer-Encoding",
  ],
  [
    "Content-Length 0 with Transfer-Encoding",
    "Content-Length: 0\r\nTransfer-Encoding: identity\r\n",
    "Content-Length together with Transfer-Encoding",
  ],
  [
    "two Transfer-Encoding",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    "Content-Length or Transfer-Encoding repeated",
  ],
  ["chunked twice", "Transfer-Encoding: chunked, chunked\r\n", "transfer coding other than chunked", UNSUPPORTED],
  ["gzip before chunked", "Transfer-Encoding: gzip, chunked\r\n", "transfer coding other than chunked", UNSUPPORTED],
  ["identity", "Transfer-Encoding: identity\r\n", "transfer coding other than chunked", UNSUPPORTED],
  ["xchunked", "Transfer-Encoding: xchunked\r\n", "transfer coding other than chunked", UNSUPPORTED],
  ["chunked with a parameter", "Transfer-Encoding: chunked;a=b\r\n", "transfer coding other than chunked", UNSUPPORTED],
  ["chunked in quotes", 'Transfer-Encoding: "chunked"\r\n', "transfer coding other than chunked", UNSUPPORTED],
  ["an empty Transfer-Encoding", "Transfer-Encoding:\r\n", "transfer coding other than chunked", UNSUPPORTED],
  ["chunked behind a vertical tab", "Transfer-Encoding: \x0bchunked\r\n", "control byte"],
  [
    "a form feed after Transfer-Encoding",
    "Transfer-Encoding\x0c: chunked\r\n",
    "field name holds a byte that is not allowed",
  ],
  // Names that a variable cannot tell from a framing field.
  ["Content_Length", "Content_Length: 1\r\n", "name with _ reads like a framing field"],
  ["transfer_encoding", "transfer_encoding: chunked\r\n", "name with _ reads like a framing field"],
  ["X-Forwarded_Client-Cert", "X-Forwarded_Client-Cert: a\r\n", "name with _ reads like a framing field"],
  // Connection.
  ["Connection that names Host", "Connection: host\r\n", "Connection names a field that must reach the other side"],
  [
    "Connection that names Content-Length",
    "Content-Length: 1\r\nConnection: close, Content-Length\r\n",
    "Connection names a field that must reach the other side",
  ],
  [
    "Connection that names Authorization",
    "Connection: authorization\r\nAuthorization: a\r\n",
    "Connection names a field that must reach the other side",
  ],
  [
    "Connection that names Cookie",
    "Cookie: a\r\nConnection: cookie\r\n",
    "Connection names a field that must reach the other side",
  ],
  [
    "Connection that names X-Forwarded-For",
    "X-Forwarded-For: a\r\nConnection: x-forwarded-for\r\n",
    "Connection names a field that must reach the other side",
  ],
  ["Connection with a quoted option", 'Connection: "close"\r\n', "Connection holds something that is not a token"],
  [
    "Connection with two options without a comma",
    "Connection: close x\r\n",
    "Connection holds something that is not a token",
  ],
  ["Connection with very many options", `Connection: ${"a,".repeat(33)}\r\n`, "Connection names too much"],
  ["an expectation we do not know", "Expect: 200-ok\r\n", "Expect is not 100-continue"],
];

describe("parseRequestHead() refuses", () => {
  for (const [name, line, problem, code = REFUSED] of REFUSED_LINES) {
    test(`${name}: ${JSON.stringify(line)}`, () => {
      const head = new RequestHead();

      expect([parseInto(head, `${line}Host: a\r\n\r\n`), head.problem]).toEqual([code, problem]);
    });
  }

  for (const [name, lines, problem, code = REFUSED] of REFUSED_FIELDS) {
    test(`${name}: ${JSON.stringify(lines)}`, () => {
      const head = new RequestHead();

      expect([parseInto(head, request(lines)), head.problem]).toEqual([code, problem]);
    });
  }

  test("a folded line behind the request line", () => {
    expect(parsed("GET / HTTP/1.1\r\n Host: a\r\n\r\n").problem).toBe("line begins with white space (obs-fold)");
  });

  test("no Host, and two of them, in any order and of any version that needs one", () => {
    expect(parsed("GET / HTTP/1.1\r\n\r\n").problem).toBe("no Host");
    expect(parsed("GET http://a/ HTTP/1.1\r\n\r\n").problem).toBe("no Host");
    expect(parsed("GET / HTTP/1.7\r\n\r\n").problem).toBe("no Host");
    expect(parsed(request("Host: a\r\n")).problem).toBe("more than one Host");
    expect(parsed(request("X: y\r\nhOST: b\r\n", "1.0")).problem).toBe("more than one Host");
    expect(parsed("GET http://a/ HTTP/1.1\r\nHost: u@a\r\n\r\n").problem).toBe("Host is not host[:port]");
  });

  test("Host with an underscore for its missing dash in none, for it has none", () => {
    expect(parsed(request("ho_st: b\r\n")).problem).toBe("");
  });

  test("Transfer-Encoding in HTTP/1.0, which has none", () => {
    expect(parsed(request("Transfer-Encoding: chunked\r\n", "1.0")).problem).toBe("Transfer-Encoding in HTTP/1.0");
  });

  test("CONNECT with a body", () => {
    for (const field of ["Content-Length: 1", "Transfer-Encoding: chunked"]) {
      expect(parsed(`CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n${field}\r\n\r\n`).problem).toBe("CONNECT with a body");
    }
  });
});

describe("the limits of a head", () => {
  const text = request("X-A: 123\r\nX-B: 4\r\n");

  test("hold to the byte, however much came at once", () => {
    for (const size of [text.length, text.length + 100]) {
      const bytes = latin1(text.padEnd(size, "x"));
      expect(parseWith({ maxBytes: text.length, maxFields: 9 }, bytes)).toBe(text.length);
      expect(parseWith({ maxBytes: text.length - 1, maxFields: 9 }, bytes)).toBe(TOO_LARGE);
    }
  });

  test("are reached by a head that does not end", () => {
    const head = latin1("GET / HTTP/1.1\r\nX: ".padEnd(100, "a"));

    expect(parseWith({ maxBytes: 101, maxFields: 9 }, head)).toBe(INCOMPLETE);
    expect(parseWith({ maxBytes: 100, maxFields: 9 }, head)).toBe(TOO_LARGE);
  });

  test("come before what is wrong behind them, so that a cut changes nothing", () => {
    const head = latin1(`${"GET / HTTP/1.1\r\nX: ".padEnd(100, "a")}\0\r\n\r\n`);

    expect(parseWith({ maxBytes: 100, maxFields: 9 }, head)).toBe(TOO_LARGE);
    expect(parseWith({ maxBytes: 101, maxFields: 9 }, head)).toBe(REFUSED);
  });

  test("count fields, never more than a head can hold", () => {
    expect(parseWith({ maxBytes: 1e6, maxFields: 3 }, latin1(text))).toBe(text.length);
    expect(parseWith({ maxBytes: 1e6, maxFields: 2 }, latin1(text))).toBe(TOO_LARGE);
    expect(parseWith({ maxBytes: 1e6, maxFields: 1e6 }, latin1(request("a:b\r\n".repeat(200))))).toBe(TOO_LARGE);
  });

  test("count empty lines before a request too", () => {
    expect(parseWith({ maxBytes: 100, maxFields: 9 }, latin1("\r\n".repeat(50)))).toBe(TOO_LARGE);
  });
});

describe("parseResponseHead()", () => {
  test("takes a status line apart", () => {
    const head = new ResponseHead();
    const after = respond(head, "HTTP/1.1 404 Not  Found\r\nX: y\r\n\r\n");

    expect(after).toBe(33);
    expect([head.status, head.minor, head.text(head.reasonStart, head.reasonEnd)]).toEqual([404, 1, "Not  Found"]);
    expect(head.get("x")).toBe("y");
  });

  test.each(["HTTP/1.1 200\r\n\r\n", "HTTP/1.1 200 \r\n\r\n", "HTTP/1.0 200 Ori\xebntatie\r\n\r\n"])(
    "takes %p",
    (text) => {
      expect(respond(new ResponseHead(), text)).toBe(text.length);
    },
  );

  test.each([
    ["HTTP/2.0 200 OK\r\n\r\n", "status line is not HTTP/1.x and three digits"],
    ["HTTP/1.1  200 OK\r\n\r\n", "status line is not HTTP/1.x and three digits"],
    ["HTTP/1.1\t200 OK\r\n\r\n", "status line is not HTTP/1.x and three digits"],
    ["http/1.1 200 OK\r\n\r\n", "status line is not HTTP/1.x and three digits"],
    ["\r\nHTTP/1.1 200 OK\r\n\r\n", "status line is not HTTP/1.x and three digits"],
    ["HTTP/1.1 2x0 OK\r\n\r\n", "status line is not HTTP/1.x and three digits"],
    ["HTTP/1.1 2000 OK\r\n\r\n", "status is not followed by a space"],
    ["HTTP/1.1 099 OK\r\n\r\n", "status is not 100 to 599"],
    ["HTTP/1.1 600 OK\r\n\r\n", "status is not 100 to 599"],
    ["HTTP/1.1 200 O\0K\r\n\r\n", "control byte"],
    ["HTTP/1.1 200 OK\n\r\n", "bare LF"],
    ["HTTP/1.1 200 OK\r\r\n", "bare CR"],
    ["HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", "line begins with white space (obs-fold)"],
    [
      "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
      "Content-Length or Transfer-Encoding repeated",
    ],
    [
      "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
      "Content-Length together with Transfer-Encoding",
    ],
    [
      "HTTP/1.1 204 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
      "Content-Length together with Transfer-Encoding",
    ],
    ["HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "Transfer-Encoding in HTTP/1.0"],
    ["HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "transfer coding other than chunked"],
    ["HTTP/1.1 200 OK\r\nContent_Length: 1\r\n\r\n", "name with _ reads like a framing field"],
  ])("refuses %p", (text, problem) => {
    const head = new ResponseHead();

    expect(respond(head, text)).toBeLessThan(0);
    expect(head.problem).toBe(problem);
  });

  const LENGTH = "Content-Length: 5\r\n";
  const CODED = "Transfer-Encoding: chunked\r\n";
  test.each([
    [Method.Get, 200, "1.1", LENGTH, 5, true],
    [Method.Get, 200, "1.1", CODED, CHUNKED, true],
    [Method.Get, 200, "1.1", "", UNTIL_CLOSE, false],
    [Method.Get, 200, "1.1", "Connection: keep-alive\r\n", UNTIL_CLOSE, false],
    [Method.Get, 200, "1.1", `${LENGTH}Connection: close\r\n`, 5, false],
    [Method.Get, 200, "1.0", LENGTH, 5, false],
    [Method.Get, 200, "1.0", `${LENGTH}Connection: keep-alive\r\n`, 5, true],
    [Method.Head, 200, "1.1", LENGTH, 0, true],
    [Method.Head, 200, "1.1", CODED, 0, true],
    [Method.Head, 200, "1.1", "", 0, true],
    [Method.Get, 304, "1.1", LENGTH, 0, true],
    [Method.Get, 204, "1.1", "", 0, true],
    [Method.Get, 204, "1.1", "Content-Length: 0\r\n", 0, true],
    [Method.Get, 204, "1.1", LENGTH, 0, false],
    [Method.Get, 204, "1.1", CODED, 0, false],
    [Method.Get, 100, "1.1", "", 0, true],
    [Method.Get, 103, "1.1", LENGTH, 0, false],
    [Method.Connect, 200, "1.1", CODED, 0, false],
    [Method.Connect, 200, "1.1", "", 0, true],
    [Method.Connect, 403, "1.1", LENGTH, 5, true],
  ])("frames an answer to method %p, status %p, HTTP/%s, %p", (method, status, version, fields, length, keepAlive) => {
    const head = new ResponseHead();

    respond(head, `HTTP/${version} ${status} X\r\n${fields}\r\n`, method);

    expect([head.contentLength, head.keepAlive]).toEqual([length, keepAlive]);
  });

  test.each([
    [Method.Get, 204, 1],
    [Method.Get, 101, 1],
    [Method.Connect, 200, 1],
    [Method.Get, 304, 0],
    [Method.Head, 200, 0],
    [Method.Get, 200, 0],
  ])(
    "says of Content-Length in an answer to method %p, status %p, whether it ends here: %p",
    (method, status, ends) => {
      const head = new ResponseHead();

      respond(head, `HTTP/1.1 ${status} X\r\nContent-Length: 5\r\n\r\n`, method);

      expect(head.hop[0]).toBe(ends);
    },
  );
});

/** All that a head says but for the room it keeps for fields. */
function scalarsOf(head: RequestHead): object {
  return { ...head, spans: null, ids: null, hop: null };
}

function request(fields = "", version = "1.1"): string {
  return `GET / HTTP/${version}\r\nHost: a\r\n${fields}\r\n`;
}

function parsed(text: string): RequestHead {
  const head = new RequestHead();
  parseInto(head, text);
  return head;
}

function parseInto(head: RequestHead, text: string): number {
  const bytes = latin1(text);
  return parseRequestHead(head, bytes, 0, bytes.length, DEFAULT_HEAD_LIMITS);
}

function parseWith(limits: HeadLimits, bytes: Buffer): number {
  return parseRequestHead(new RequestHead(), bytes, 0, bytes.length, limits);
}

function respond(head: ResponseHead, text: string, method: Method = Method.Get): number {
  const bytes = latin1(text);
  return parseResponseHead(head, bytes, 0, bytes.length, DEFAULT_HEAD_LIMITS, method);
}
