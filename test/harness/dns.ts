import { createSocket, type Socket } from "node:dgram";

/** A DNS server on loopback that knows a few IPv4 addresses. */
export interface TestDns extends AsyncDisposable {
  readonly address: string;
  /** Addresses by name; a name that is not there does not exist. */
  readonly names: Map<string, readonly string[]>;
  /** Names that were asked for, in order. */
  readonly asked: readonly string[];
}

const TTL_SECONDS = 1;
const TYPE_A = 1;
const HEADER_BYTES = 12;

/** Starts a DNS server whose answers count for a second. */
export async function startDns(names: Readonly<Record<string, readonly string[]>>): Promise<TestDns> {
  const socket: Socket = createSocket("udp4");
  const known = new Map(Object.entries(names));
  const asked: string[] = [];
  socket.on("message", (query, peer) => {
    const { name, type, end } = questionOf(query);
    asked.push(name);
    socket.send(
      answerTo(query.subarray(0, end), type === TYPE_A ? known.get(name) : undefined),
      peer.port,
      peer.address,
    );
  });
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", () => resolve()));
  return {
    address: `127.0.0.1:${socket.address().port}`,
    names: known,
    asked,
    async [Symbol.asyncDispose]() {
      await new Promise<void>((resolve) => socket.close(() => resolve()));
    },
  };
}

function questionOf(query: Buffer): { readonly name: string; readonly type: number; readonly end: number } {
  const labels: string[] = [];
  let at = HEADER_BYTES;
  for (let length = query[at]!; length > 0; length = query[at]!) {
    labels.push(query.latin1Slice(at + 1, at + 1 + length));
    at += length + 1;
  }
  return { name: labels.join(".").toLowerCase(), type: query.readUInt16BE(at + 1), end: at + 5 };
}

/** RFC 1035, section 4.1: the question again, and a record for each address. */
function answerTo(question: Buffer, addresses: readonly string[] | undefined): Buffer {
  const head = Buffer.from(question);
  head[2] = 0x81;
  head[3] = addresses === undefined ? 0x83 : 0x80;
  head.writeUInt16BE(addresses?.length ?? 0, 6);
  head.writeUInt32BE(0, 8);
  const records = (addresses ?? []).map((address) => {
    const bytes = address.split(".").map(Number);
    return Buffer.from([0xc0, HEADER_BYTES, 0, TYPE_A, 0, 1, 0, 0, 0, TTL_SECONDS, 0, 4, ...bytes]);
  });
  return Buffer.concat([head, ...records]);
}
