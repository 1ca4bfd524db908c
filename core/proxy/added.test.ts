import { expect, test } from "bun:test";
import { servingDouble, snapshotOf } from "../../test/harness/serving.ts";
import type { Direction } from "../listener/mod.ts";
import { AddedLines } from "./added.ts";
import { RequestIds } from "./request-id.ts";

const PEER = "spiffe://example.org/ns/default/sa/shop";
const SELF = "spiffe://example.org/ns/default/sa/web";
const WAY = { direction: "inbound", route: () => false } as const;

test("a request without an id gets one, the same for every attempt, and another for the next request", () => {
  const { lines, exchange, double } = setUp();

  const first = lines();
  expect(first).toMatch(/^x-request-id: [0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\r\n$/);
  expect(lines()).toBe(first);
  exchange.clear();
  expect(lines(double.stream(WAY).begin({}))).not.toBe(first);
});

test("an id that a request has is left alone", () => {
  const { lines } = setUp([["x-request-id", "mine"]]);

  expect(lines()).toBe("");
});

test("an app is told who its peer is, and by whom: by the identity that we have now", () => {
  const { lines } = setUp([["x-request-id", "mine"]], PEER);

  expect(lines()).toBe(`x-forwarded-client-cert: By=${SELF};URI=${PEER}\r\n`);
  expect(lines(undefined, null)).toBe(`x-forwarded-client-cert: URI=${PEER}\r\n`);
  expect(lines(undefined, `${SELF}2`)).toBe(`x-forwarded-client-cert: By=${SELF}2;URI=${PEER}\r\n`);
});

test("identities of full length fit, beside an id", () => {
  const long = `spiffe://example.org/${"a".repeat(2027)}`;
  const { lines } = setUp([], long);

  expect(lines(undefined, long)).toEndWith(`By=${long};URI=${long}\r\n`);
});

test("what goes out is not told who called us: only the inbound side says so", () => {
  const { lines } = setUp([["x-request-id", "mine"]], PEER, "outbound");

  expect(lines()).toBe("");
});

test("an app behind a gateway learns the address its client came from, behind those that the client told", () => {
  const told = [
    ["x-request-id", "mine"],
    ["X-Forwarded-For", "6.6.6.6"],
    ["X-Forwarded-Proto", "https"],
    ["X_Forwarded_For", "7.7.7.7"],
    ["x-forwarded-for", "5.5.5.5"],
  ] as const;
  const { lines, exchange } = setUp(told, null, "gateway");

  expect(lines()).toBe("x-forwarded-for: 6.6.6.6, 5.5.5.5, 127.0.0.1\r\nx-forwarded-proto: http\r\n");
  // For another attempt it says the same, not more.
  expect(lines()).toBe("x-forwarded-for: 6.6.6.6, 5.5.5.5, 127.0.0.1\r\nx-forwarded-proto: http\r\n");
  expect([...exchange.request.hop.subarray(0, 5)]).toEqual([0, 1, 1, 1, 1]);
});

test("what a stranger tells of where it comes from goes on whole, however long it is", () => {
  const long = Array.from({ length: 1_500 }, (_, i) => `10.0.${i >> 8}.${i & 255}`).join(", ");
  const { lines } = setUp([["x-forwarded-for", long]], null, "gateway");

  expect(lines()).toContain(`x-forwarded-for: ${long}, 127.0.0.1\r\n`);
  expect(lines()).toMatch(/^x-request-id: [0-9a-f-]{36}\r\n/);
});

test("ten thousand ids are all different, and of version 4", () => {
  const ids = new RequestIds((bytes) => crypto.getRandomValues(bytes as Uint8Array<ArrayBuffer>));
  const to = Buffer.alloc(40);
  const seen = new Set<string>();

  for (let i = 0; i < 10_000; i++) {
    ids.write(to, 2);
    seen.add(to.latin1Slice(2, 38));
  }

  expect(seen.size).toBe(10_000);
  expect(
    [...seen].every((id) => /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(id)),
  ).toBe(true);
});

function setUp(
  headers: readonly (readonly [string, string])[] = [],
  peer: string | null = null,
  direction: Direction = "inbound",
) {
  const double = servingDouble(snapshotOf([]));
  const exchange = double.stream({ ...WAY, direction }, { direction, peer }).begin({ headers });
  const added = new AddedLines(new RequestIds((bytes) => crypto.getRandomValues(bytes as Uint8Array<ArrayBuffer>)));
  const lines = (of = exchange, self: string | null = SELF): string => {
    const { bytes, length } = added.of(of, self, 0);
    return bytes.toString("latin1", 0, length);
  };
  return { lines, exchange, double };
}
