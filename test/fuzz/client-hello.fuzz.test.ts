import { test } from "bun:test";
import { type Hello, readClientHello } from "../../core/tcp/mod.ts";
import { clientHello, helloMessage, records } from "../harness/client-hello.ts";
import { seeded } from "../harness/http1-reader.ts";

/** Set MESH_FUZZ_ROUNDS for a longer run; a failure names its seed. */
const ROUNDS = 5_000 * Number(Bun.env["MESH_FUZZ_ROUNDS"] ?? 1);
const SEED = Number(Bun.env["MESH_FUZZ_SEED"] ?? 20260118);

/** What a refusal may say: it becomes the label of a metric. */
const PROBLEMS = new Set([
  "it is not TLS",
  "its first message is no ClientHello",
  "a record of a length that is not allowed",
  "its ClientHello is too large",
  "too many records",
  "bytes behind the ClientHello",
  "an extension comes twice",
  "a server name that is no host name",
  "a length out of range",
  "a length that does not add up",
]);

const SAMPLES = [
  clientHello({ serverName: "shop.example.com", protocols: ["h2", "http/1.1"] }),
  clientHello({ serverName: "a", extensions: [[0x2a2a, Buffer.alloc(3)]] }),
  records(helloMessage({ serverName: "in.pieces.example", protocols: ["h2"] }), 11),
  clientHello({}),
];

test("a ClientHello with bytes changed, cut out or put in is read or refused, and for a known reason", () => {
  const random = seeded(SEED);
  for (let i = 0; i < ROUNDS; i++) {
    const bytes = mutated(SAMPLES[i % SAMPLES.length]!, random);

    const found = readClientHello(bytes);

    if (!isSound(found))
      throw new Error(`seed ${SEED}, round ${i}: ${JSON.stringify(found)} of ${bytes.toString("hex")}`);
  }
});

test("what is refused from its first bytes is not taken when more of them come", () => {
  const random = seeded(SEED + 1);
  for (let i = 0; i < ROUNDS / 10; i++) {
    const bytes = mutated(SAMPLES[i % SAMPLES.length]!, random);
    const cut = Math.floor(random() * bytes.length);

    const early = readClientHello(bytes.subarray(0, cut));
    const late = readClientHello(bytes);

    const undone = early !== null && "problem" in early && (late === null || !("problem" in late));
    if (undone) throw new Error(`seed ${SEED + 1}, round ${i}: ${JSON.stringify(late)} of ${bytes.toString("hex")}`);
  }
});

function isSound(found: Hello): boolean {
  if (found === null) return true;
  if ("problem" in found) return PROBLEMS.has(found.problem);
  return found.serverName === found.serverName.toLowerCase() && !/[\s\0/]/.test(found.serverName);
}

function mutated(sample: Buffer, random: () => number): Buffer {
  let bytes = Buffer.from(sample);
  const times = 1 + Math.floor(random() * 3);
  for (let n = 0; n < times; n++) {
    const at = Math.floor(random() * bytes.length);
    const kind = Math.floor(random() * 3);
    if (kind === 0) bytes[at] = Math.floor(random() * 256);
    else if (kind === 1) bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1)]);
    else bytes = Buffer.concat([bytes.subarray(0, at), Buffer.of(Math.floor(random() * 256)), bytes.subarray(at)]);
  }
  return bytes;
}
