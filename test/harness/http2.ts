import type { Socket } from "bun";
import { DecoderScratch, HpackDecoder } from "../../core/http/h2/hpack-decoder.ts";
import { eventually } from "./eventually.ts";

/** Frame types and flags, as the tests write them. */
export const DATA = 0;
export const HEADERS = 1;
export const PRIORITY = 2;
export const RST_STREAM = 3;
export const SETTINGS = 4;
export const PING = 6;
export const GOAWAY = 7;
export const WINDOW_UPDATE = 8;
export const CONTINUATION = 9;
export const END_STREAM = 1;
export const ACK = 1;
export const END_HEADERS = 4;

export type Fields = readonly (readonly [name: string, value: string])[];

/** A frame as it came; the fields of its block where it has one. */
export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
  readonly fields: Fields;
}

/** What came on a stream, put together. */
export interface Http2Response {
  readonly status: string;
  readonly fields: Fields;
  readonly trailers: Fields;
  readonly body: Buffer;
  /** Code of RST_STREAM; null where the stream ended by itself. */
  readonly reset: number | null;
}

const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

export function frame(type: number, flags: number, stream: number, payload: Uint8Array | string = ""): Buffer {
  const bytes = Buffer.from(payload as string, "latin1");
  const head = Buffer.alloc(9);
  head.writeUIntBE(bytes.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, bytes]);
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** A header block of literals that no table learns. */
export function block(fields: Fields): Buffer {
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.of(0), text(name), text(value)]));
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, "latin1");
  return Buffer.concat([integer(bytes.length), bytes]);
}

function integer(value: number): Buffer {
  if (value < 127) return Buffer.of(value);
  const bytes = [127];
  let rest = value - 127;
  for (; rest >= 128; rest >>= 7) bytes.push((rest & 127) | 128);
  return Buffer.from([...bytes, rest]);
}

export const GET: Fields = [
  [":method", "GET"],
  [":scheme", "http"],
  [":path", "/"],
  [":authority", "web"],
];

export function get(path: string, more: Fields = []): Fields {
  return [...GET.map(([name, value]) => [name, name === ":path" ? path : value] as const), ...more];
}

export function post(path: string, more: Fields = []): Fields {
  return get(path, more).map(([name, value]) => [name, name === ":method" ? "POST" : value] as const);
}

/** One side of an HTTP/2 connection that does exactly what a test says, and keeps all that it is told. */
export class Http2Peer {
  readonly frames: Frame[] = [];
  closed = false;
  /** Answers SETTINGS and PING, and opens windows for what it gets. */
  polite = true;
  #socket: Socket<Http2Peer> | null = null;
  #unread = Buffer.alloc(0);
  readonly #decoder = new HpackDecoder(4096, new DecoderScratch());
  #next = 1;
  #queue: Buffer[] = [];

  get socket(): Socket<Http2Peer> {
    return this.#socket!;
  }
  /** Own port of the client, by which the access log knows it. */
  get port(): number {
    return this.socket.localPort;
  }
  /** Bytes that the proxy has not taken. */
  get waiting(): number {
    return this.#queue.reduce((sum, bytes) => sum + bytes.length, 0);
  }

  opened(socket: Socket<Http2Peer>): void {
    this.#socket = socket;
  }

  write(...parts: readonly (Uint8Array | string)[]): void {
    this.#queue.push(
      Buffer.concat(parts.map((part) => (typeof part === "string" ? Buffer.from(part, "latin1") : part))),
    );
    this.flush();
  }

  flush(): void {
    while (this.#queue.length > 0) {
      const [first] = this.#queue as [Buffer];
      const taken = this.socket.write(first);
      if (taken < 0) this.#queue = [];
      else if (taken < first.length) {
        this.#queue[0] = first.subarray(taken);
        return;
      } else this.#queue.shift();
    }
  }

  received(bytes: Buffer): void {
    this.#unread = Buffer.concat([this.#unread, bytes]);
    if (this.#unread.subarray(0, 24).toString("latin1") === PREFACE) this.#unread = this.#unread.subarray(24);
    while (this.#unread.length >= 9) {
      const length = this.#unread.readUIntBE(0, 3);
      if (this.#unread.length < 9 + length) return;
      this.#take(this.#unread.subarray(0, 9 + length));
      this.#unread = this.#unread.subarray(9 + length);
    }
  }

  #take(bytes: Buffer): void {
    const [type, flags, stream] = [bytes[3]!, bytes[4]!, bytes.readUInt32BE(5)];
    const payload = Buffer.from(bytes.subarray(9));
    this.frames.push({ type, flags, stream, payload, fields: type === HEADERS ? this.#fields(payload) : [] });
    if (!this.polite) return;
    if (type === SETTINGS && (flags & ACK) === 0) this.write(frame(SETTINGS, ACK, 0));
    if (type === PING && (flags & ACK) === 0) this.write(frame(PING, ACK, 0, payload));
    if (type === DATA && payload.length > 0) {
      this.write(frame(WINDOW_UPDATE, 0, 0, uint32(payload.length)));
      if ((flags & END_STREAM) === 0) this.write(frame(WINDOW_UPDATE, 0, stream, uint32(payload.length)));
    }
  }

  #fields(payload: Buffer): Fields {
    const fields: [string, string][] = [];
    const sink = {
      take(line: Buffer, nameLength: number, valueEnd: number) {
        fields.push([line.toString("latin1", 0, nameLength), line.toString("latin1", nameLength + 2, valueEnd)]);
      },
      tooLong() {},
    };
    if (!this.#decoder.decode(payload, 0, payload.length, sink)) throw new Error("Cannot decode a block of the proxy");
    return fields;
  }

  /** Sends the preface and SETTINGS. */
  greet(settings: readonly (readonly [number, number])[] = []): void {
    this.write(PREFACE, this.settings(settings));
  }

  settings(settings: readonly (readonly [number, number])[]): Buffer {
    const payload = settings.map(([id, value]) => Buffer.concat([Buffer.of(id >> 8, id & 255), uint32(value)]));
    return frame(SETTINGS, 0, 0, Buffer.concat(payload));
  }

  /** Opens a stream with a request; its number. */
  request(fields: Fields, body: Uint8Array | string | null = null): number {
    const stream = this.#next;
    this.#next += 2;
    this.write(frame(HEADERS, END_HEADERS | (body === null ? END_STREAM : 0), stream, block(fields)));
    if (body !== null) this.write(frame(DATA, END_STREAM, stream, body));
    return stream;
  }

  of(stream: number): readonly Frame[] {
    return this.frames.filter((frame) => frame.stream === stream);
  }

  hasEnded(stream: number): boolean {
    return this.of(stream).some(
      ({ type, flags }) => type === RST_STREAM || (type <= HEADERS && (flags & END_STREAM) !== 0),
    );
  }

  /** All of a response, once its stream has ended. */
  async response(stream: number): Promise<Http2Response> {
    await eventually(() => this.hasEnded(stream) || this.closed);
    const frames = this.of(stream);
    const heads = frames.filter(({ type }) => type === HEADERS);
    const final = heads.findIndex(({ fields }) => !/^1/.test(fields[0]?.[1] ?? ""));
    const reset = frames.find(({ type }) => type === RST_STREAM);
    const fields = heads[final]?.fields ?? [];
    return {
      status: fields.find(([name]) => name === ":status")?.[1] ?? "",
      fields: fields.filter(([name]) => name !== ":status"),
      trailers: heads[final + 1]?.fields ?? [],
      body: Buffer.concat(frames.filter(({ type }) => type === DATA).map(({ payload }) => payload)),
      reset: reset === undefined ? null : reset.payload.readUInt32BE(0),
    };
  }

  /** Code of the last GOAWAY, once one has come. */
  async goneAway(): Promise<number> {
    await eventually(() => this.frames.some(({ type }) => type === GOAWAY));
    return this.frames.findLast(({ type }) => type === GOAWAY)!.payload.readUInt32BE(4);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket?.terminate();
  }
}

const HANDLERS = {
  data: (socket: Socket<Http2Peer>, bytes: Buffer) => socket.data.received(bytes),
  drain: (socket: Socket<Http2Peer>) => socket.data.flush(),
  close(socket: Socket<Http2Peer>) {
    socket.data.closed = true;
  },
  error() {},
};

/** Connects to a port and greets. */
export async function connectHttp2(
  port: number,
  settings: readonly (readonly [number, number])[] = [],
): Promise<Http2Peer> {
  const peer = new Http2Peer();
  peer.opened(await Bun.connect({ hostname: "127.0.0.1", port, data: peer, socket: HANDLERS }));
  peer.greet(settings);
  return peer;
}

export interface Http2Backend {
  readonly port: number;
  /** Its side of each connection, in the order they came. */
  readonly peers: Http2Peer[];
  [Symbol.asyncDispose](): Promise<void>;
}

/** An origin that speaks HTTP/2; `script` is told of each request head, and answers by frames. */
export async function startHttp2Backend(
  script: (peer: Http2Peer, request: Frame) => void,
  settings: readonly (readonly [number, number])[] = [],
): Promise<Http2Backend> {
  const peers: Http2Peer[] = [];
  const listener = Bun.listen<Http2Peer>({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      ...HANDLERS,
      open(socket) {
        const peer = new Http2Peer();
        socket.data = peer;
        peer.opened(socket);
        peers.push(peer);
        peer.write(peer.settings(settings));
      },
      data(socket, bytes) {
        const before = socket.data.frames.length;
        socket.data.received(bytes);
        for (const frame of socket.data.frames.slice(before)) if (frame.type === HEADERS) script(socket.data, frame);
      },
    },
  });
  return { port: listener.port, peers, [Symbol.asyncDispose]: async () => listener.stop(true) };
}

/** Frames of a whole response. */
export function answerFrames(stream: number, status: number, body: string, trailers: Fields = []): Buffer {
  const last = trailers.length === 0 ? END_STREAM : 0;
  return Buffer.concat([
    frame(HEADERS, END_HEADERS, stream, block([[":status", String(status)]])),
    frame(DATA, last, stream, body),
    ...(trailers.length === 0 ? [] : [frame(HEADERS, END_HEADERS | END_STREAM, stream, block(trailers))]),
  ]);
}
