import type { Socket, TLSOptions } from "bun";
import { Connection, CutShort, feed } from "./connection.ts";
import {
  type Body,
  bytesOf,
  chunkOf,
  type FieldLines,
  framingOf,
  headText,
  Malformed,
  readBody,
  readHead,
} from "./message.ts";

/** A request as a backend got it. */
export interface Received {
  readonly method: string;
  readonly target: string;
  readonly fields: FieldLines;
  /** The head, byte for byte. */
  readonly raw: string;
  /** Number of its connection, from 0. */
  readonly connection: number;
  /** Comes with the last byte; rejects when the sender stops before. */
  readonly body: Promise<Body>;
}

/** What a backend does with a request, from the moment its head has come. */
export type Script = (request: Received, to: Connection) => void | Promise<void>;

/** An origin on raw sockets that does what a script says, however wrong. */
export interface Backend {
  readonly port: number;
  /** `127.0.0.1:port` */
  readonly address: string;
  /** Heads in the order they came. */
  readonly requests: Received[];
  /** Connections in the order they came, ended ones too. */
  readonly connections: Connection[];
  /** What the next requests get. */
  script: Script;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Starts a backend on a free port. Bytes that are no request end their connection, and are not recorded. */
export async function startBackend(script: Script = ok("hello"), tls?: TLSOptions): Promise<Backend> {
  const connections: Connection[] = [];
  const backend = { script, requests: [] as Received[], connections };
  const listener = Bun.listen<Connection>({
    hostname: "127.0.0.1",
    port: 0,
    allowHalfOpen: true,
    ...(tls ? { tls } : {}),
    socket: {
      ...feed,
      open(socket: Socket<Connection>) {
        const connection = new Connection();
        socket.data = connection;
        connection.opened(socket as Socket<unknown>);
        connections.push(connection);
        void converse(backend, connection, connections.length - 1);
      },
    },
  });
  return Object.assign(backend, {
    port: listener.port,
    address: `127.0.0.1:${listener.port}`,
    [Symbol.asyncDispose]: async () => listener.stop(true),
  });
}

/** Answers one request after the other until the connection ends. */
async function converse(backend: Pick<Backend, "script" | "requests">, connection: Connection, number: number) {
  try {
    while (connection.isOpen || connection.unread.length > 0) {
      const request = await readRequest(connection, number);
      backend.requests.push(request);
      await backend.script(request, connection);
      await request.body;
    }
  } catch (error) {
    if (error instanceof Malformed) connection.reset();
    else if (!(error instanceof CutShort)) connection.close();
  }
  connection.close();
}

async function readRequest(connection: Connection, number: number): Promise<Received> {
  await connection.ready();
  const { line, fields, raw } = await readHead(connection);
  const match = /^(\S+) (\S+) HTTP\/1\.1$/.exec(line);
  if (!match) throw new Malformed("a request line is not one", line);
  const body = readBody(connection, fields, framingOf(fields, "none"));
  body.catch(() => {});
  return { method: match[1]!, target: match[2]!, fields, raw, connection: number, body };
}

/** 200 with a body of known length, once the request is whole. */
export function ok(body: string | Uint8Array, fields: FieldLines = []): Script {
  return answer(200, body, fields);
}

/** A status with a body of known length, once the request is whole. */
export function answer(status: number, body: string | Uint8Array = "", fields: FieldLines = []): Script {
  return async (request, to) => {
    await request.body;
    const bytes = bytesOf(body);
    const head = headText(`HTTP/1.1 ${status} Scripted`, [...fields, ["Content-Length", String(bytes.length)]]);
    await to.write(Buffer.concat([Buffer.from(head, "latin1"), request.method === "HEAD" ? Buffer.alloc(0) : bytes]));
  };
}

/** The request's body, back. */
export function echo(): Script {
  return async (request, to) => ok((await request.body).bytes)(request, to);
}

/** 200 in chunks of its own, with trailers. */
export function chunked(parts: readonly (string | Uint8Array)[], trailers: FieldLines = []): Script {
  return async (request, to) => {
    await request.body;
    await to.write(headText("HTTP/1.1 200 OK", [["Transfer-Encoding", "chunked"]]));
    for (const part of parts) await to.write(chunkOf(part));
    await to.write(headText("0", trailers));
  };
}

/** Bytes as they are, then FIN if `close`. */
export function raw(bytes: string | Uint8Array, close = false): Script {
  return async (request, to) => {
    await request.body;
    await to.write(bytes);
    if (close) to.close();
  };
}

/** 200 whose body ends with the connection. */
export function untilClose(body: string): Script {
  return raw(`HTTP/1.1 200 OK\r\n\r\n${body}`, true);
}

/** 200 that promises more bytes than it sends, then FIN. */
export function truncated(body: string, promised: number): Script {
  return raw(`HTTP/1.1 200 OK\r\nContent-Length: ${promised}\r\n\r\n${body}`, true);
}

/** 200 in chunks that end without the last one, then FIN. */
export function truncatedChunked(parts: readonly string[]): Script {
  return raw(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${parts.map((p) => chunkOf(p)).join("")}`, true);
}

/** RST, after some bytes if given. */
export function reset(after = ""): Script {
  return async (request, to) => {
    await request.body;
    await to.write(after);
    to.reset();
  };
}

/** FIN without an answer, as a server that restarts. */
export function hangUp(): Script {
  return async (request, to) => {
    await request.body;
    to.close();
  };
}

/** Some bytes if given, then nothing more, ever. */
export function stall(after = ""): Script {
  return async (_, to) => {
    await to.write(after);
    await to.ended;
  };
}

/** One byte in one packet each. */
export function dribble(bytes: string): Script {
  return async (request, to) => {
    await request.body;
    for (const byte of Buffer.from(bytes, "latin1")) {
      await to.write(Uint8Array.of(byte));
      await Bun.sleep(0);
    }
  };
}

/** Informational responses, then what the script says. */
export function informational(status: number, fields: FieldLines, then: Script): Script {
  return async (request, to) => {
    await to.write(headText(`HTTP/1.1 ${status} Scripted`, fields));
    await then(request, to);
  };
}

/** What the script says, after a while. */
export function slowly(ms: number, then: Script): Script {
  return async (request, to) => {
    await Bun.sleep(ms);
    await then(request, to);
  };
}

/** Scripts in turn, one a request; the last one goes on. */
export function inTurn(...scripts: readonly [Script, ...Script[]]): Script {
  let next = 0;
  return (request, to) => scripts[Math.min(next++, scripts.length - 1)]!(request, to);
}

/** Ends each connection with FIN after so many of its answers, without a word in their heads. */
export function closingAfter(answers: number, script: Script): Script {
  const counts = new Map<Connection, number>();
  return async (request, to) => {
    const count = (counts.get(to) ?? 0) + 1;
    counts.set(to, count);
    await script(request, to);
    if (count >= answers) to.close();
  };
}

/** 101, then every byte back. */
export function tunnel(protocol: string): Script {
  return async (_, to) => {
    await to.write(
      headText("HTTP/1.1 101 Switching Protocols", [
        ["Connection", "upgrade"],
        ["Upgrade", protocol],
      ]),
    );
    for (let bytes = await to.some("bytes"); bytes.length > 0; bytes = await to.some("bytes")) await to.write(bytes);
  };
}
