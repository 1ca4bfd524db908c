import { expect, test } from "bun:test";
import { problemOf } from "../../config/mod.ts";
import type { Resource } from "../../snapshot/mod.ts";
import { decodeCompiled, encodeCompiled } from "./message.ts";

const COMPILED = {
  resources: [{ kind: "mesh", name: "", version: "1", model: { trustDomain: "a\nb" } } as unknown as Resource],
  problems: [problemOf("a.yaml", "is ünusual", { severity: "warning" })],
  blobs: new Map([
    ["one", Uint8Array.of(0x0a, 0, 255)],
    ["none", new Uint8Array()],
    ["two", Uint8Array.of(7)],
  ]),
};

test("what was compiled reads in another process as it was written", () => {
  expect(decodeCompiled(encodeCompiled(COMPILED))).toEqual(COMPILED);
});

test("bytes that are not whole are refused", () => {
  const bytes = encodeCompiled(COMPILED);

  for (let length = 0; length < bytes.length; length++)
    expect(() => decodeCompiled(bytes.subarray(0, length))).toThrow(SyntaxError);
});
