import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { DecoderScratch, type FieldSink, HpackDecoder } from "./hpack-decoder.ts";
import { EncoderScratch, HpackEncoder } from "./hpack-encoder.ts";
import { decodeHuffman } from "./hpack-huffman.ts";
import { SEPARATOR_BYTES } from "./hpack-line.ts";

const VECTORS = join(import.meta.dir, "../../../test/fixtures/vectors/hpack");
const scratch = new DecoderScratch();

interface Story {
  readonly cases: readonly { readonly header_table_size?: number; readonly wire: string; readonly headers: object[] }[];
}

for (const encoder of readdirSync(VECTORS)) {
  test(`every story that ${encoder} tells is decoded`, () => {
    for (const file of readdirSync(join(VECTORS, encoder)).filter((name) => name.endsWith(".json"))) {
      const { cases } = JSON.parse(readFileSync(join(VECTORS, encoder, file), "utf8")) as Story;
      // The sizes of a story are what its encoder chose; ours must offer the largest.
      const decoder = new HpackDecoder(Math.max(4096, ...cases.map((one) => one.header_table_size ?? 0)), scratch);

      for (const { wire, headers } of cases) {
        expect(decoded(decoder, Buffer.from(wire, "hex"))).toEqual(
          headers.map((header) => Object.entries(header)[0]! as [string, string]),
        );
      }
    }
  });
}

test("every story survives encoding and decoding, and shrinks on the way", () => {
  let before = 0;
  let after = 0;
  for (const file of readdirSync(join(VECTORS, "nghttp2")).filter((name) => name.endsWith(".json"))) {
    const { cases } = JSON.parse(readFileSync(join(VECTORS, "nghttp2", file), "utf8")) as Story;
    const out = new EncoderScratch();
    const encoder = new HpackEncoder(out);
    const decoder = new HpackDecoder(4096, scratch);

    for (const { headers } of cases) {
      const fields = headers.map((header) => Object.entries(header)[0]! as [string, string]);
      encodeAll(encoder, fields);

      expect(decoded(decoder, Buffer.from(out.bytes.subarray(0, out.length)))).toEqual(fields);
      before += fields.reduce((sum, [name, value]) => sum + name.length + value.length, 0);
      after += out.length;
    }
  }
  expect(after).toBeLessThan(before * 0.7);
});

test("a peer that lowers its table is obeyed before the next field", () => {
  const out = new EncoderScratch();
  const encoder = new HpackEncoder(out);
  const decoder = new HpackDecoder(4096, scratch);
  const fields: [string, string][] = [["x-one", "1"]];
  for (let i = 0; i < 3; i++) {
    encodeAll(encoder, fields);
    decoded(decoder, Buffer.from(out.bytes.subarray(0, out.length)));
  }
  expect(decoder.size).toBeGreaterThan(0);

  encoder.resize(0);
  encodeAll(encoder, fields);

  expect(decoded(decoder, Buffer.from(out.bytes.subarray(0, out.length)))).toEqual(fields);
  expect(decoder.size).toBe(0);
  for (let i = 0; i < 3; i++) encodeAll(encoder, fields);
  expect(out.bytes[0]! & 0xc0).toBe(0);
});

test("a secret is written as never to be indexed each time", () => {
  const out = new EncoderScratch();
  const encoder = new HpackEncoder(out);
  const line = Buffer.from("authorizationhunter2");
  for (let i = 0; i < 3; i++) {
    encoder.begin();
    encoder.field(line, 0, 13, line, 13, 20, true, false);
    expect(out.bytes[0]! & 0xf0).toBe(0x10);
  }
});

const BAD: Readonly<Record<string, string>> = {
  "index 0": "80",
  "an index behind the table": "be",
  "an integer without its end": "ff",
  "an integer of too many bytes": "ffffffffffff7f",
  "a string longer than the block": "40056162",
  "a size above what was offered": "3fe21f20",
  "a size update behind a field": "8220",
  "a name without a value": "400161",
  "Huffman padding of a whole byte": "4001618 2ffff".replace(" ", ""),
  "Huffman padding of zeros": "400161811e".replace("1e", "18"),
  "EOS in a string": "40016184ffffffff",
};

for (const [what, wire] of Object.entries(BAD)) {
  test(`${what} is no HPACK`, () => {
    const decoder = new HpackDecoder(4096, scratch);

    expect(decoder.decode(Buffer.from(wire, "hex"), 0, wire.length / 2, new Collected())).toBe(false);
  });
}

test("Huffman coding of any byte is read back", () => {
  // RFC 7541, C.4.1 and C.6.1.
  const to = Buffer.alloc(100);
  const coded = Buffer.from("f1e3c2e5f23a6ba0ab90f4ff", "hex");
  expect(to.toString("latin1", 0, decodeHuffman(coded, 0, coded.length, to, 0, 100))).toBe("www.example.com");
  const long = Buffer.from("fffffeff", "hex");
  expect(decodeHuffman(long, 0, 1, to, 0, 100)).toBe(-1);
});

test("an entry larger than the table empties it, and is told all the same", () => {
  const decoder = new HpackDecoder(64, scratch);
  expect(decoded(decoder, Buffer.from("400161016240016301", "hex").subarray(0, 5))).toEqual([["a", "b"]]);
  expect(decoder.size).toBe(34);
  const value = "v".repeat(100);
  const long = Buffer.concat([Buffer.from([0x40, 1, 0x61, 100]), Buffer.from(value)]);

  expect(decoded(decoder, long)).toEqual([["a", value]]);

  expect(decoder.size).toBe(0);
});

class Collected implements FieldSink {
  readonly fields: [string, string][] = [];

  take(line: Buffer, nameLength: number, valueEnd: number): void {
    this.fields.push([line.utf8Slice(0, nameLength), line.utf8Slice(nameLength + SEPARATOR_BYTES, valueEnd)]);
  }
  tooLong(): void {}
}

function decoded(decoder: HpackDecoder, block: Buffer): [string, string][] {
  const sink = new Collected();
  expect(decoder.decode(block, 0, block.length, sink)).toBe(true);
  return sink.fields;
}

function encodeAll(encoder: HpackEncoder, fields: readonly (readonly [string, string])[]): void {
  encoder.begin();
  for (const [name, value] of fields) {
    const [n, v] = [Buffer.from(name), Buffer.from(value)];
    encoder.field(n, 0, n.length, v, 0, v.length, false, false);
  }
}
