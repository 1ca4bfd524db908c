import { describe, expect, test } from "bun:test";
import { clientHello, helloMessage, records, vector } from "../../test/harness/client-hello.ts";
import { type Hello, readClientHello } from "./client-hello.ts";

const GREASE = 0x0a0a;

describe("readClientHello()", () => {
  test("finds the server name in lower case, and the protocols in their order", () => {
    const hello = clientHello({ serverName: "Shop.Example.COM", protocols: ["h2", "http/1.1"] });

    expect(readClientHello(hello)).toEqual({ serverName: "shop.example.com", protocols: ["h2", "http/1.1"] });
  });

  test("knows a client that names no server, and one that says nothing at all", () => {
    expect(readClientHello(clientHello({}))).toEqual({ serverName: "", protocols: [] });
    expect(readClientHello(records(withoutExtensions()))).toEqual({ serverName: "", protocols: [] });
  });

  test("passes over what it does not know, GREASE included", () => {
    const extensions = [[GREASE, Buffer.alloc(0)] as const, [0x1a1a, Buffer.of(0)] as const];

    expect(nameIn(clientHello({ serverName: "a.b", protocols: ["\x0a\x0a", "h2"], extensions }))).toBe("a.b");
  });

  test("takes a dot at the end of the name for none", () => {
    expect(nameIn(clientHello({ serverName: "a.b." }))).toBe("a.b");
  });

  test("reads a message spread over records, and one that comes byte by byte", () => {
    const hello = records(helloMessage({ serverName: "split.example" }), 7);

    for (let size = 0; size < hello.length; size++) expect(readClientHello(hello.subarray(0, size))).toBeNull();
    expect(nameIn(hello)).toBe("split.example");
  });

  test("reads one with keys as large as post-quantum ones", () => {
    expect(nameIn(clientHello({ serverName: "pq.example", extensions: [[51, Buffer.alloc(4_000)]] }))).toBe(
      "pq.example",
    );
  });

  test.each([
    ["it is not TLS", Buffer.from("GET / HTTP/1.1\r\n")],
    ["it is not TLS", Buffer.of(0x16, 2, 0, 0, 10)],
    ["its first message is no ClientHello", records(Buffer.of(2, 0, 0, 0))],
    ["a record of a length that is not allowed", Buffer.of(0x16, 3, 1, 0, 0)],
    ["a record of a length that is not allowed", Buffer.of(0x16, 3, 1, 0xff, 0xff)],
    ["its ClientHello is too large", records(Buffer.of(1, 1, 0, 0, 0))],
    ["too many records", records(helloMessage({ serverName: "a".repeat(60) }), 1)],
    ["bytes behind the ClientHello", records(Buffer.concat([helloMessage({}), Buffer.of(1)]))],
    ["an extension comes twice", clientHello({ extensions: twice(GREASE) })],
    ["a server name that is no host name", clientHello({ serverName: "a b" })],
    ["a server name that is no host name", clientHello({ serverName: "a..b" })],
    ["a server name that is no host name", clientHello({ serverName: "a\0.b" })],
    ["a server name that is no host name", clientHello({ extensions: [[0, vector(2, Buffer.of(1, 0, 1, 97))]] })],
    ["a length out of range", clientHello({ extensions: [[0, vector(2, Buffer.of(0, 0, 0))]] })],
    ["a length that does not add up", clientHello({ extensions: [[0, Buffer.of(0, 9, 0)]] })],
    ["a length out of range", clientHello({ extensions: [[16, vector(2, Buffer.alloc(0))]] })],
  ])("refuses what is none: %s", (problem, bytes) => {
    expect(readClientHello(bytes)).toEqual({ problem });
  });
});

function nameIn(bytes: Buffer): string | undefined {
  const hello: Hello = readClientHello(bytes);
  return hello !== null && "serverName" in hello ? hello.serverName : undefined;
}

function twice(type: number) {
  return [[type, Buffer.alloc(1)] as const, [type, Buffer.alloc(1)] as const];
}

/** As clients of the last century end it: behind the compressions. */
function withoutExtensions(): Buffer {
  const whole = helloMessage({}).subarray(4, -2);
  return Buffer.concat([Buffer.of(1), vector(3, whole)]);
}
