import type { Socket, TLSOptions } from "bun";
import { within } from "./eventually.ts";

/** How a connection ended, as this side saw it. */
export type Ending = "fin" | "reset";

/** Bytes kept for a test that reads slowly; above this the socket is paused. */
const HIGH_WATER = 256 * 1024;

const NONE = Buffer.alloc(0);

/** The peer ended while more bytes were needed; `read` is what came of them. */
export class CutShort extends Error {
  override readonly name = "CutShort";
  readonly ending: Ending;
  readonly read: Buffer;

  constructor(what: string, ending: Ending, read: Buffer) {
    super(`Cannot read ${what}: the connection ended (${ending}) after ${read.length} bytes of it`);
    this.ending = ending;
    this.read = read;
  }
}

/** One TCP or TLS connection in a test: exact bytes out, bytes in on demand, and how it ended. */
export class Connection {
  readonly #ended = Promise.withResolvers<Ending>();
  #socket: Socket<unknown> | null = null;
  #received: Buffer = NONE;
  #ending: Ending | null = null;
  #paused = false;
  #holding = false;
  #wake: (() => void) | null = null;
  #drained: (() => void) | null = null;

  /** How the peer ended; resolves once. */
  get ended(): Promise<Ending> {
    return this.#ended.promise;
  }
  get isOpen(): boolean {
    return this.#ending === null;
  }
  get socket(): Socket<unknown> {
    if (this.#socket === null) throw new Error("Cannot use the connection: it is not open yet");
    return this.#socket;
  }

  /** Sends bytes, text as latin1; resolves when the kernel has taken all of them or the connection ended. */
  async write(bytes: string | Uint8Array): Promise<void> {
    let rest: Uint8Array = typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes;
    while (rest.length > 0) {
      const taken = this.socket.write(rest);
      if (taken < 0) return;
      rest = rest.subarray(taken);
      if (rest.length > 0) await new Promise<void>((resolve) => (this.#drained = resolve));
      if (this.#ending === "reset") return;
    }
  }

  /** No more from this side; the other may go on. */
  shutdown(): void {
    this.socket.shutdown();
  }
  close(): void {
    this.socket.end();
  }
  reset(): void {
    this.socket.terminate();
  }
  /** Stops reading from the kernel until `resume`, as a peer that hangs does. */
  pause(): void {
    this.#holding = true;
    this.socket.pause();
  }
  resume(): void {
    this.#holding = false;
    this.socket.resume();
  }

  /** Bytes up to and with the mark. @throws {CutShort} */
  async until(what: string, mark: string): Promise<Buffer> {
    for (;;) {
      const at = this.#received.indexOf(mark, 0, "latin1");
      if (at >= 0) return this.#take(at + mark.length);
      await this.#more(what);
    }
  }

  /** Exactly so many bytes. @throws {CutShort} */
  async exactly(what: string, length: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    let missing = length;
    while (missing > 0) {
      const part = this.#take(Math.min(missing, this.#received.length));
      parts.push(part);
      missing -= part.length;
      if (missing > 0) {
        try {
          await this.#more(what);
        } catch (error) {
          throw error instanceof CutShort ? new CutShort(what, error.ending, Buffer.concat(parts)) : error;
        }
      }
    }
    return Buffer.concat(parts);
  }

  /** All bytes until the peer's FIN. @throws {CutShort} when it is a reset */
  async rest(what: string): Promise<Buffer> {
    const parts: Buffer[] = [];
    for (;;) {
      parts.push(this.#take(this.#received.length));
      if (this.#ending === "fin") return Buffer.concat(parts);
      try {
        await this.#more(what);
      } catch (error) {
        if (!(error instanceof CutShort)) throw error;
        if (error.ending === "reset") throw new CutShort(what, "reset", Buffer.concat(parts));
      }
    }
  }

  /** Whatever has come, at least one byte; empty after the peer's FIN. */
  async some(what: string): Promise<Buffer> {
    while (this.#received.length === 0 && this.#ending === null) await this.#more(what).catch(() => {});
    return this.#take(this.#received.length);
  }

  /** Waits for a first byte as long as it takes. @throws {CutShort} when none comes any more */
  async ready(): Promise<void> {
    while (this.#received.length === 0) {
      if (this.#ending !== null) throw new CutShort("anything", this.#ending, NONE);
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  /** Bytes that came and were not read. */
  get unread(): Buffer {
    return this.#received;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket?.terminate();
  }

  /** @internal for those that open sockets */
  opened(socket: Socket<unknown>): void {
    this.#socket = socket;
  }
  /** @internal */
  received(bytes: Buffer): void {
    this.#received = this.#received.length === 0 ? bytes : Buffer.concat([this.#received, bytes]);
    if (this.#received.length > HIGH_WATER && !this.#paused) {
      this.#paused = true;
      this.socket.pause();
    }
    this.#wakeUp();
  }
  /** @internal */
  writable(): void {
    this.#drained?.();
    this.#drained = null;
  }
  /** @internal */
  over(ending: Ending): void {
    this.#ending ??= ending;
    this.#ended.resolve(this.#ending);
    this.writable();
    this.#wakeUp();
  }

  #wakeUp(): void {
    this.#wake?.();
    this.#wake = null;
  }

  #take(length: number): Buffer {
    const taken = this.#received.subarray(0, length);
    this.#received = this.#received.subarray(length);
    if (this.#paused && !this.#holding && this.#received.length <= HIGH_WATER) {
      this.#paused = false;
      this.socket.resume();
    }
    return taken;
  }

  async #more(what: string): Promise<void> {
    if (this.#ending !== null) throw new CutShort(what, this.#ending, this.#received);
    if (this.#paused && !this.#holding) {
      this.#paused = false;
      this.socket.resume();
    }
    await within(what, new Promise<void>((resolve) => (this.#wake = resolve)));
  }
}

/** Handlers that feed a `Connection` from a Bun socket; `data` of the socket is the connection. */
export const feed = {
  data: (socket: Socket<Connection>, bytes: Buffer): void => socket.data.received(bytes),
  drain: (socket: Socket<Connection>): void => socket.data.writable(),
  end: (socket: Socket<Connection>): void => socket.data?.over("fin"),
  error: (socket: Socket<Connection | undefined>): void => socket.data?.over("reset"),
  close: (socket: Socket<Connection | undefined>, error?: Error): void => socket.data?.over(error ? "reset" : "fin"),
};

/** Where to connect, and as whom. */
export interface Target {
  /** @default "127.0.0.1" */
  readonly hostname?: string;
  readonly port: number;
  readonly tls?: TLSOptions | undefined;
}

/** Opens a connection; with `tls`, after the handshake. @throws when it is refused */
export async function open(target: Target | number): Promise<Connection> {
  const { hostname = "127.0.0.1", port, tls } = typeof target === "number" ? { port: target } : target;
  const connection = new Connection();
  const shaken = Promise.withResolvers<void>();
  shaken.promise.catch(() => {});
  if (!tls) shaken.resolve();
  const socket = await Bun.connect<Connection>({
    hostname,
    port,
    data: connection,
    allowHalfOpen: true,
    ...(tls ? { tls } : {}),
    socket: {
      ...feed,
      handshake(_, __, error) {
        if (error && tls?.rejectUnauthorized !== false) shaken.reject(error);
        else shaken.resolve();
      },
      close(socket, error) {
        shaken.reject(new Error("Cannot complete the TLS handshake: the connection was closed"));
        feed.close(socket, error);
      },
    },
  });
  connection.opened(socket as Socket<unknown>);
  await within("the TLS handshake", shaken.promise);
  return connection;
}
