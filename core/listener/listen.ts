import type { Socket, TCPSocketListener } from "bun";
import { Deadline, type Deadlines, MeshError, messageOf } from "../base/mod.ts";
import { type ConnectionFacts, type Direction, socketHandlers, type Wire, type WireOwner } from "./wire.ts";

/** What a TLS listener needs of the identity; read anew for every connection, so that rotation touches none. */
export interface ServerTls {
  /** Options for `upgradeTLS`; null while there is no certificate yet: the connection is refused. */
  options(): object | null;
  /** SPIFFE ID of the peer, or null where its certificate names none. */
  peer(socket: Socket<unknown>): string | null;
  /** A peer without a SPIFFE ID is refused. */
  readonly requirePeer: boolean;
  /** Peers are asked for a certificate, and what TLS says of it counts. */
  verifiesPeer(): boolean;
}

/** Connections over all listeners of a worker, and how many there may be. */
export interface ConnectionLimit {
  open: number;
  readonly max: number;
}

export interface ListenOptions {
  /** For logs and metrics: "inbound", "outbound", or the service of an explicit listener. */
  readonly name: string;
  readonly direction: Direction;
  readonly hostname: string;
  /** 0: the kernel chooses. */
  readonly port: number;
  /** Several workers share the port. */
  readonly reusePort: boolean;
  /** `sniff` takes both: TLS where the first byte is a handshake record's, else plaintext. */
  readonly transport: "plain" | "tls" | "sniff";
  readonly tls: ServerTls | null;
  /**
   * With `sniff`: the app may speak first, so that a client in plaintext may
   * wait for it. One that says nothing for two seconds is taken for such: TLS
   * begins with the client, at once.
   */
  readonly speaksFirst?: () => boolean;
  readonly limit: ConnectionLimit;
  readonly deadlines: Deadlines;
  /** Writes what the event at hand produced. */
  readonly flush: () => void;
  readonly handshakeTimeoutMs: number;
  /** Gives the connection to a codec. */
  readonly accept: (wire: Wire, facts: ConnectionFacts) => WireOwner;
  /** A connection that never became one: over the limit, a failed handshake, a stranger. */
  readonly refused: (reason: string, remoteAddress: string) => void;
  /** Something was thrown that nobody threw on purpose. */
  readonly bug: (error: unknown) => void;
}

/** Longer than a first packet that was lost takes to be sent again. */
const SILENT_MS = 2_000;

const LISTEN_PROBLEMS: Readonly<Record<string, string>> = {
  EADDRINUSE: "the port is taken",
  EADDRNOTAVAIL: "this machine has no such address",
  EACCES: "this user may not bind the port",
};

/** The address cannot be bound. */
export class ListenFailed extends MeshError {
  override readonly name = "ListenFailed";
  readonly code = "MESH_LISTEN_FAILED";
  readonly source = "mesh";

  constructor(options: { readonly name: string; readonly hostname: string; readonly port: number }, cause: unknown) {
    const { code } = cause as { readonly code?: string };
    const why = LISTEN_PROBLEMS[code ?? ""] ?? messageOf(cause);
    const where = `${options.hostname}:${options.port}`;
    super(`Cannot listen on ${where} for "${options.name}": ${why}; choose another address, or port 0 for a free one`, {
      cause,
    });
  }
}

export interface Listener {
  readonly name: string;
  readonly hostname: string;
  readonly port: number;
  /** Takes no more connections; those it has go on. */
  stop(): void;
}

/**
 * Binds an address and hands every connection, once its peer is known, to a
 * codec.
 *
 * A TLS listener has no `data` handler: the raw half of an upgraded socket
 * would make a buffer of every ciphertext chunk for it.
 *
 * @throws {ListenFailed} when the address cannot be bound.
 */
export function listen(options: ListenOptions): Listener {
  const acceptor = new Acceptor(options);
  const handlers = options.transport === "tls" ? tlsHandlers(acceptor) : plainHandlers(acceptor);
  try {
    const server = Bun.listen<SocketState>({
      hostname: options.hostname,
      port: options.port,
      allowHalfOpen: true,
      ...({ reusePort: options.reusePort } as object),
      socket: handlers as never,
    }) as TCPSocketListener<SocketState>;
    return { name: options.name, hostname: options.hostname, port: server.port, stop: () => server.stop(false) };
  } catch (cause) {
    throw new ListenFailed(options, cause);
  }
}

/** What hangs on an accepted socket: the codec, or what waits for the first bytes or the handshake. */
interface SocketState {
  owner: WireOwner | null;
  pending: Pending | null;
}

type Accepted = Socket<SocketState>;

/** A connection that is not one yet. */
class Pending extends Deadline {
  silent: (() => void) | null = null;
  readonly #options: ListenOptions;
  #socket: Accepted;
  #isOver = false;

  constructor(options: ListenOptions, socket: Accepted) {
    super();
    this.#options = options;
    this.#socket = socket;
    options.deadlines.set(this, options.handshakeTimeoutMs);
  }

  override expire(): void {
    const { silent } = this;
    if (silent === null) this.refuse("handshake deadline");
    else silent();
  }

  /** Something was said: from now on it is the handshake that has a deadline. */
  heard(): void {
    if (this.silent === null) return;
    this.silent = null;
    this.#options.deadlines.set(this, this.#options.handshakeTimeoutMs);
  }

  /** What becomes of a connection on which nothing is said; null where that is refused. */
  await(silent: () => void): void {
    this.silent = silent;
    this.#options.deadlines.set(this, SILENT_MS);
  }

  /** From here on only the TLS half can end the connection: Bun ignores what the raw half is told. */
  upgraded(socket: Accepted): void {
    this.#socket = socket;
  }

  done(): void {
    this.#options.deadlines.clear(this);
  }

  /** Once: ending a handshake reports it as failed. */
  refuse(reason: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.done();
    this.#options.refused(reason, this.#socket.remoteAddress);
    this.#socket.terminate();
  }
}

class Acceptor {
  readonly options: ListenOptions;
  readonly #tlsSocket: object;

  constructor(options: ListenOptions) {
    this.options = options;
    this.#tlsSocket = {
      ...socketHandlers(options.flush, options.bug),
      handshake: (socket: Accepted, ok: boolean, error: Error | null) => this.#shaken(socket, ok, error),
    };
  }

  /** Counts the connection; false when there are too many. */
  admit(socket: Accepted): boolean {
    const { limit, refused } = this.options;
    limit.open++;
    if (limit.open <= limit.max) return true;
    refused("too many connections", socket.remoteAddress);
    socket.terminate();
    return false;
  }

  leave(): void {
    this.options.limit.open--;
  }

  /** Waits for what the client says first, or for its silence. */
  listenTo(socket: Accepted): void {
    const pending = new Pending(this.options, socket);
    socket.data = { owner: null, pending };
    if (this.options.speaksFirst?.() !== true) return;
    pending.await(() => {
      this.plain(socket);
      this.options.flush();
    });
  }

  plain(socket: Accepted): void {
    socket.data = { owner: null, pending: null };
    socket.data.owner = this.options.accept(socket as never, this.#facts(socket, null, false));
  }

  /** Begins TLS on a raw socket; `first` are bytes that were read already. */
  secure(raw: Accepted, first: Buffer | null): void {
    const tls = this.options.tls?.options() ?? null;
    const pending = raw.data?.pending ?? new Pending(this.options, raw);
    // In front of the upgrade: the raw half is another object then, with the data of this moment.
    raw.data = { owner: TLS_OWNER, pending };
    if (tls === null) {
      pending.refuse("no certificate yet");
      return;
    }
    const upgrade = {
      isServer: true,
      tls,
      data: { owner: null, pending } satisfies SocketState,
      socket: this.#tlsSocket,
      ...(first === null ? {} : { initialData: first }),
    };
    const [, secured] = raw.upgradeTLS(upgrade as never) as unknown as readonly [Accepted, Accepted];
    pending.upgraded(secured);
  }

  /** `ok`: TLS was agreed on; then `error` is what it thinks of the peer's certificate. */
  #shaken(socket: Accepted, ok: boolean, error: Error | null): void {
    const { pending } = socket.data;
    if (pending === null) return;
    pending.upgraded(socket);
    const { tls, accept, flush } = this.options;
    if (!ok || (error !== null && tls!.verifiesPeer())) {
      pending.refuse(`handshake failed: ${(error as { code?: string } | null)?.code ?? messageOf(error)}`);
      return;
    }
    const peer = tls!.peer(socket as never);
    if (peer === null && tls!.requirePeer) {
      pending.refuse("peer certificate names no SPIFFE ID of this mesh");
      return;
    }
    pending.done();
    socket.data.pending = null;
    socket.data.owner = accept(socket as never, this.#facts(socket, peer, true));
    flush();
  }

  #facts(socket: Accepted, peer: string | null, secure: boolean): ConnectionFacts {
    const { name, direction } = this.options;
    return {
      listener: name,
      direction,
      remoteHost: socket.remoteAddress,
      remoteAddress: `${socket.remoteAddress}:${socket.remotePort}`,
      localAddress: `${socket.localAddress}:${socket.localPort}`,
      peer,
      secure,
      serverName: secure ? textOf((socket as { servername?: unknown }).servername) : "",
      protocol: secure ? textOf((socket as { alpnProtocol?: unknown }).alpnProtocol) : "",
    };
  }
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function tlsHandlers(acceptor: Acceptor): object {
  return {
    open: (socket: Accepted) => {
      if (acceptor.admit(socket)) acceptor.secure(socket, null);
    },
    close: (socket: Accepted) => {
      acceptor.leave();
      socket.data?.pending?.done();
    },
    error: (_socket: Accepted, error: unknown) => acceptor.options.bug(error),
    drain: () => {},
    end: () => {},
  };
}

function plainHandlers(acceptor: Acceptor): object {
  const owned = socketHandlers(acceptor.options.flush, (error) => acceptor.options.bug(error));
  const sniffs = acceptor.options.transport === "sniff";
  const sniffFirst = (socket: Accepted, bytes: Buffer): void => {
    if (socket.data?.pending != null) sniff(acceptor, socket, bytes);
    else owned.data(socket, bytes);
  };
  return {
    ...owned,
    open: (socket: Accepted) => {
      if (!acceptor.admit(socket)) return;
      if (!sniffs) acceptor.plain(socket);
      else acceptor.listenTo(socket);
    },
    // Only what sniffs pays for the question: reading `data` of a socket is a call into Bun.
    data: sniffs ? sniffFirst : owned.data,
    close: (socket: Accepted, error?: unknown) => {
      acceptor.leave();
      socket.data?.pending?.done();
      owned.close(socket, error);
    },
  };
}

const TLS_HANDSHAKE = 0x16;

/** The first byte tells: 0x16 begins a TLS handshake record, and no HTTP method. */
function sniff(acceptor: Acceptor, socket: Accepted, bytes: Buffer): void {
  const { pending } = socket.data;
  if (socket.data.owner === TLS_OWNER) return;
  pending?.heard();
  if (bytes[0] === TLS_HANDSHAKE) {
    acceptor.secure(socket, bytes);
    return;
  }
  pending?.done();
  acceptor.plain(socket);
  socket.data.owner?.received(bytes);
  acceptor.options.flush();
}

/** Stands for the codec on the raw half of a TLS connection, which goes on delivering ciphertext that nobody reads. */
const TLS_OWNER: WireOwner = { received() {}, writable() {}, peerEnded() {}, closed() {} };
