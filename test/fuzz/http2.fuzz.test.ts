import { expect, test } from "bun:test";
import { DecoderScratch, type FieldSink, HpackDecoder, MAX_LINE_BYTES } from "../../core/http/h2/hpack-decoder.ts";
import { EncoderScratch, HpackEncoder } from "../../core/http/h2/hpack-encoder.ts";
import { seeded } from "../harness/http1-reader.ts";
import {
  answerFrames,
  block,
  CONTINUATION,
  connectHttp2,
  DATA,
  END_HEADERS,
  END_STREAM,
  frame,
  get,
  HEADERS,
  PING,
  post,
  RST_STREAM,
  SETTINGS,
  startHttp2Backend,
  uint32,
  WINDOW_UPDATE,
} from "../harness/http2.ts";
import { echo, eventually, startBackend } from "../harness/mod.ts";
import { startPlane } from "../harness/plane.ts";
import { pick } from "./smuggling.ts";

/** Set MESH_FUZZ_ROUNDS for a longer run; a failure names its seed and its input. */
const ROUNDS = Number(Bun.env["MESH_FUZZ_ROUNDS"] ?? 1);
const SEED = Number(Bun.env["MESH_FUZZ_SEED"] ?? 20260105);
const BLOCKS = 20_000 * ROUNDS;
const CONVERSATIONS = 300 * ROUNDS;

type Random = () => number;

test("bytes that are no HPACK are refused or taken, and never more than their due is held", () => {
  const random = seeded(SEED);
  const scratch = new DecoderScratch();
  let decoder = new HpackDecoder(4096, scratch);
  let taken = 0;
  const sink: FieldSink = {
    take(_line, nameLength, valueEnd) {
      taken++;
      expect(nameLength).toBeLessThanOrEqual(valueEnd);
      expect(valueEnd).toBeLessThanOrEqual(MAX_LINE_BYTES + 2);
    },
    tooLong() {},
  };

  for (let i = 0; i < BLOCKS; i++) {
    const input = mutated(block(get(`/${i}`, [["x-a", "b".repeat(i % 50)]])), random);
    if (!decoder.decode(input, 0, input.length, sink)) decoder = new HpackDecoder(4096, scratch);
    expect(decoder.size).toBeLessThanOrEqual(4096);
  }

  expect(taken).toBeGreaterThan(BLOCKS);
});

test("whatever is encoded is decoded to the same", () => {
  const random = seeded(SEED + 1);
  const out = new EncoderScratch();
  const encoder = new HpackEncoder(out);
  const decoder = new HpackDecoder(4096, new DecoderScratch());
  const names = ["x-a", "accept", "cookie", "x-long-name-of-some-header", "date"];

  for (let i = 0; i < BLOCKS / 4; i++) {
    const fields = Array.from({ length: 1 + Math.floor(random() * 8) }, () => {
      const value = "v".repeat(Math.floor(random() * 40)) + Math.floor(random() * 20);
      return [pick(names, random), value] as const;
    });
    if (random() < 0.01) encoder.resize(Math.floor(random() * 4097));
    encoder.begin();
    for (const [name, value] of fields) {
      const [n, v] = [Buffer.from(name), Buffer.from(value)];
      encoder.field(n, 0, n.length, v, 0, v.length, random() < 0.1, random() < 0.1);
    }
    const found: (readonly [string, string])[] = [];
    const sink: FieldSink = {
      take(line, nameLength, valueEnd) {
        found.push([line.latin1Slice(0, nameLength), line.latin1Slice(nameLength + 2, valueEnd)]);
      },
      tooLong() {},
    };
    expect(decoder.decode(Buffer.from(out.bytes), 0, out.length, sink)).toBe(true);
    expect(found).toEqual(fields as never);
  }
});

test("whatever frames a client sends, nothing is thrown, nothing is left, and others are served", async () => {
  await using backend = await startBackend(echo());
  await using plane = await startPlane(backend.port);
  await using other = await connectHttp2(plane.port);
  const random = seeded(SEED + 2);

  for (let i = 0; i < CONVERSATIONS; i++) {
    await using client = await connectHttp2(plane.port);
    client.polite = random() < 0.5;
    const bytes = mutated(conversation(random), random);
    for (let at = 0; at < bytes.length && !client.closed; ) {
      const next = Math.min(bytes.length, at + 1 + Math.floor(random() * 200));
      client.write(bytes.subarray(at, next));
      at = next;
      if (random() < 0.1) await Bun.sleep(0);
    }
    if (i % 20 === 0) {
      const response = await other.response(other.request(post("/"), `still ${i}`));
      expect(String(response.body)).toBe(`still ${i}`);
    }
  }

  await eventually(() => plane.active === 0);
  expect(plane.warnings).toEqual([]);
});

test("whatever frames a server sends, every request is answered or reset, and nothing is thrown", async () => {
  const random = seeded(SEED + 3);
  await using backend = await startHttp2Backend((peer, { stream }) => {
    const bytes = Buffer.concat([answerFrames(stream, 200, "hello", [["x-t", "1"]]), frame(PING, 0, 0, "12345678")]);
    peer.write(random() < 0.3 ? bytes : mutated(bytes, random));
    if (random() < 0.3) peer.socket.end();
  });
  await using plane = await startPlane(backend.port, { appProtocol: "http2" });
  await using client = await connectHttp2(plane.port);

  for (let i = 0; i < CONVERSATIONS; i++) {
    const stream = client.request(get("/"));
    await eventually(() => {
      // A server that says too little is waited for: time ends that, elsewhere.
      if (!client.hasEnded(stream)) for (const peer of backend.peers) peer.socket.terminate();
      return client.hasEnded(stream);
    });
    client.frames.length = 0;
  }

  await eventually(() => plane.active === 0);
  expect(plane.warnings).toEqual([]);
}, 60_000);

/** Frames that make sense one by one, if not together. */
function conversation(random: Random): Buffer {
  const streams = [1, 3, 5, 7, 2, 0];
  return Buffer.concat(
    Array.from({ length: 1 + Math.floor(random() * 12) }, () => {
      const stream = pick(streams, random);
      const ends = random() < 0.5 ? END_STREAM : 0;
      return pick(
        [
          () => frame(HEADERS, END_HEADERS | ends, stream, block(post("/"))),
          () => frame(HEADERS, ends, stream, block(get("/"))),
          () => frame(CONTINUATION, END_HEADERS, stream, block([["x-a", "b"]])),
          () => frame(DATA, ends, stream, "some bytes"),
          () => frame(RST_STREAM, 0, stream, uint32(8)),
          () => frame(SETTINGS, 0, 0, Buffer.concat([Buffer.of(0, 4), uint32(Math.floor(random() * 2 ** 31))])),
          () => frame(WINDOW_UPDATE, 0, stream, uint32(Math.floor(random() * 2 ** 31))),
          () => frame(PING, ends, 0, "12345678"),
          () =>
            frame(Math.floor(random() * 12), Math.floor(random() * 256), stream, "x".repeat(Math.floor(random() * 40))),
        ],
        random,
      )();
    }),
  );
}

function mutated(bytes: Buffer, random: Random): Buffer {
  let out = Buffer.from(bytes);
  const changes = Math.floor(random() * 4);
  for (let i = 0; i < changes && out.length > 0; i++) {
    const at = Math.floor(random() * out.length);
    const how = random();
    if (how < 0.6) out[at] = Math.floor(random() * 256);
    else if (how < 0.8) out = Buffer.concat([out.subarray(0, at), out.subarray(at + 1 + Math.floor(random() * 8))]);
    else out = Buffer.concat([out.subarray(0, at), out.subarray(Math.max(0, at - 20))]);
  }
  return out;
}
