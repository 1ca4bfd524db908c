import { expect, test } from "bun:test";
import { fakeClock } from "../../test/harness/fake-clock.ts";
import { Deadlines } from "../base/mod.ts";
import type { Wire, WireOwner } from "../listener/mod.ts";
import { Greeting, type Welcome } from "./greeting.ts";

const TIMEOUT_MS = 10_000;

test("a ClientHello that comes in pieces is read when it is whole, and goes on as it came", () => {
  const { greeting, wire, passed, names } = setUp();
  const hello = clientHello("a.example.com");

  greeting.received(hello.subarray(0, 3));
  greeting.received(hello.subarray(3, 40));
  expect(names).toEqual([]);
  greeting.received(hello.subarray(40));

  expect(names).toEqual(["a.example.com"]);
  expect(Buffer.concat(passed).equals(hello)).toBe(true);
  expect(wire.data.owner).not.toBe(greeting);
});

test("whoever takes too long is ended, once", () => {
  const { greeting, clock, wire, refused } = setUp();
  greeting.received(clientHello("a").subarray(0, 10));

  clock.advance(TIMEOUT_MS + 250);
  clock.advance(TIMEOUT_MS + 250);

  expect([refused, wire.calls]).toEqual([["handshake deadline"], ["terminate"]]);
});

test("what is no ClientHello ends the connection, and what follows is not read", () => {
  const { greeting, wire, refused, names } = setUp();

  greeting.received(Buffer.from("GET / HTTP/1.1\r\n"));
  greeting.received(clientHello("a"));

  expect(refused).toEqual(["no ClientHello: it is not TLS"]);
  expect([wire.calls, names]).toEqual([["terminate"], []]);
});

test("whoever leaves without a word is refused nothing, and forgotten", () => {
  const { greeting, clock, wire, refused } = setUp();

  greeting.peerEnded();
  greeting.closed();
  clock.advance(TIMEOUT_MS + 250);

  expect([refused, wire.calls, clock.pending]).toEqual([[], ["end"], 0]);
});

test("a refusal is told with its reason", () => {
  const { greeting, wire, refused } = setUp({ refused: "no listener" });

  greeting.received(clientHello("a"));

  expect([refused, wire.calls]).toEqual([["no listener"], ["terminate"]]);
});

test("a reason that TLS has a word for is told in it", () => {
  const { greeting, wire } = setUp({ refused: "no listener", alert: 112 });

  greeting.received(clientHello("a"));

  expect(wire.calls).toEqual(["write 15030300020270", "end"]);
});

test("TLS that cannot begin is a refusal too", () => {
  const opened = (): never => {
    throw new Error("nobody is to be served");
  };
  const { greeting, wire, refused } = setUp({ tls: {}, verifies: false, opened });

  greeting.received(clientHello("a"));

  expect(refused).toEqual(["certificate cannot be used: no such key"]);
  expect(wire.calls).toEqual(["terminate"]);
});

function setUp(welcome: Welcome | null = null) {
  const clock = fakeClock();
  const [refused, names, passed]: [string[], string[], Buffer[]] = [[], [], []];
  const calls: string[] = [];
  const next: WireOwner = { received() {}, writable() {}, peerEnded() {}, closed() {} };
  const wire = {
    calls,
    data: { owner: null as WireOwner | null },
    terminate: () => calls.push("terminate"),
    end: () => calls.push("end"),
    write: (bytes: Buffer) => calls.push(`write ${bytes.toString("hex")}`),
    upgradeTLS() {
      throw new Error("no such key");
    },
  };
  const greeting = new Greeting(wire as unknown as Wire, {
    deadlines: new Deadlines(clock),
    timeoutMs: TIMEOUT_MS,
    welcome: ({ serverName }) => {
      names.push(serverName);
      const passedTo = (first: Buffer): WireOwner => {
        passed.push(first);
        return next;
      };
      return welcome ?? { passedTo };
    },
    refused: (reason) => refused.push(reason),
    flush() {},
    bug() {},
  });
  wire.data.owner = greeting;
  return { greeting, clock, wire, refused, names, passed };
}

/** The least that TLS asks of a ClientHello, with a server name. */
function clientHello(name: string): Buffer {
  const vector = (size: number, ...parts: readonly (Buffer | number[])[]): Buffer => {
    const body = Buffer.concat(parts.map((part) => Buffer.from(part)));
    const length = Buffer.alloc(size);
    length.writeUIntBE(body.length, 0, size);
    return Buffer.concat([length, body]);
  };
  const serverName = vector(2, vector(2, [0], vector(2, Buffer.from(name))));
  const extensions = vector(2, [0, 0], serverName);
  const fixed = Buffer.concat([Buffer.from([3, 3]), Buffer.alloc(32, 7)]);
  const message = vector(3, fixed, vector(1), vector(2, [0x13, 0x01]), vector(1, [0]), extensions);
  return Buffer.concat([Buffer.from([0x16, 3, 1]), vector(2, [1], message)]);
}
