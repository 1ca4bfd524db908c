import { ListenFailed } from "./listen.ts";

/** A bound address that datagrams come to, and go out from. */
export interface DatagramListener {
  readonly name: string;
  readonly hostname: string;
  readonly port: number;
  /** Sends from the bound address, so that the client knows who answers. False where the kernel has no room for it. */
  send(bytes: Uint8Array, port: number, address: string): boolean;
  stop(): void;
}

export interface DatagramListenOptions {
  readonly name: string;
  readonly hostname: string;
  /** 0: the kernel chooses. */
  readonly port: number;
  /** Several workers share the port: the kernel gives all datagrams of one client to one of them. */
  readonly reusePort: boolean;
  readonly received: (bytes: Buffer, port: number, address: string) => void;
  readonly bug: (error: unknown) => void;
}

/** A socket that sends to one peer and hears nobody else. */
export interface DatagramPeer {
  /** False where the kernel has no room for it. */
  send(bytes: Uint8Array): boolean;
  close(): void;
}

export interface DatagramPeerOptions {
  /** IP literal. */
  readonly address: string;
  readonly port: number;
  readonly received: (bytes: Buffer) => void;
  /** The peer, or somebody on the way, has said that nobody is there. */
  readonly failed: (problem: string) => void;
  readonly bug: (error: unknown) => void;
}

/** What Bun gives for SO_REUSEPORT; its types do not know it. */
const REUSE_PORT = 4;

interface Socket {
  readonly port: number;
  send(bytes: Uint8Array, port?: number, address?: string): boolean;
  close(): void;
}

/** @throws {ListenFailed} */
export function listenDatagrams(options: DatagramListenOptions): DatagramListener {
  const { name, hostname, port, reusePort, received, bug } = options;
  const socket = opened(options, {
    ...{ hostname, port, flags: reusePort ? REUSE_PORT : 0 },
    socket: {
      data: (_: Socket, bytes: Buffer, from: number, address: string) =>
        guarded(() => received(bytes, from, address), bug),
      // What went out to a client that is gone comes back as an error: nobody waits for it.
      error() {},
    },
  });
  return {
    ...{ name, hostname, port: socket.port },
    send: (bytes, to, address) => sent(() => socket.send(bytes, to, address)),
    stop: () => socket.close(),
  };
}

/**
 * Opens a socket to a peer; nothing is sent.
 *
 * @throws where the kernel gives none.
 */
export function openPeer({ address, port, received, failed, bug }: DatagramPeerOptions): DatagramPeer {
  const socket = madeNow({
    connect: { hostname: address, port },
    socket: {
      data: (_: Socket, bytes: Buffer) => guarded(() => received(bytes), bug),
      error: (error: { readonly code?: string }) => guarded(() => failed(error?.code ?? "error"), bug),
    },
  });
  return { send: (bytes) => sent(() => socket.send(bytes)), close: () => socket.close() };
}

/** Binds the address and lets it go. @throws where it is taken. */
export function tryDatagrams(hostname: string, port: number): void {
  madeNow({ hostname, port, socket: {} }).close();
}

function opened(options: DatagramListenOptions, wanted: object): Socket {
  try {
    return madeNow(wanted);
  } catch (cause) {
    throw new ListenFailed(options, cause);
  }
}

/** Bun promises a socket and has it already: an address needs no lookup. */
function madeNow(wanted: object): Socket {
  const made = Bun.udpSocket(wanted as never);
  const socket = Bun.peek(made) as unknown;
  if (socket instanceof Promise) throw new Error("Cannot open a datagram socket: it is not there at once");
  return socket as Socket;
}

/** A datagram that is too large, or has no way, is lost as any other. */
function sent(send: () => boolean): boolean {
  try {
    return send();
  } catch {
    return false;
  }
}

function guarded(call: () => void, bug: (error: unknown) => void): void {
  try {
    call();
  } catch (error) {
    bug(error);
  }
}
