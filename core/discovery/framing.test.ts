import { expect, test } from "bun:test";
import { BadFrame, encodeFrame, encodeText, FrameReader } from "./framing.ts";

test("frames come out whole however the bytes are cut", () => {
  const bytes = Buffer.concat([encodeText(7, '{"a":"ä"}'), encodeFrame(9, new Uint8Array(0)), encodeText(8, "{}")]);

  for (let size = 1; size <= bytes.length; size++) {
    const reader = new FrameReader(1024);
    const seen: string[] = [];
    for (let at = 0; at < bytes.length; at += size) {
      reader.push(Buffer.from(bytes.subarray(at, at + size)));
      for (let frame = reader.next(); frame !== null; frame = reader.next())
        seen.push(`${frame.type} ${frame.payload.toString()}`);
    }
    expect(seen).toEqual(['7 {"a":"ä"}', "9 ", "8 {}"]);
  }
});

test("a frame over the limit is refused from its head alone", () => {
  const reader = new FrameReader(16);

  reader.push(encodeFrame(1, new Uint8Array(16)).subarray(0, 5));

  expect(() => reader.next()).toThrow(BadFrame);
});

test("a frame of exactly the limit passes, and an empty one does not", () => {
  const reader = new FrameReader(17);

  reader.push(encodeFrame(1, new Uint8Array(16)));
  expect(reader.next()?.payload.length).toBe(16);

  reader.push(Buffer.from([0, 0, 0, 0, 1]));
  expect(() => reader.next()).toThrow(BadFrame);
});

test("a large frame in small chunks is gathered in linear time", () => {
  const reader = new FrameReader(8 << 20);
  const frame = encodeFrame(3, new Uint8Array(4 << 20).fill(5));

  let got = 0;
  for (let at = 0; at < frame.length; at += 1024) {
    reader.push(frame.subarray(at, at + 1024));
    got += reader.next()?.payload.length ?? 0;
  }

  expect(got).toBe(4 << 20);
});
