/** What a connection needs of a socket: a Bun socket, plain or TLS, or a test's double. */
export interface Wire {
  /** Bytes the kernel took: fewer than asked when it is full, -1 when the socket is gone. Nothing is buffered. */
  write(bytes: Uint8Array, offset?: number, length?: number): number;
  pause(): void;
  resume(): void;
  /** FIN after what was written (TLS: close_notify first). */
  shutdown(): void;
  end(): void;
  /** RST: the other side sees that something broke. */
  terminate(): void;
}

/** Who answers the events of a socket. */
export interface WireOwner {
  received(bytes: Buffer): void;
  /** The kernel takes bytes again, after a short write. */
  writable(): void;
  /** The peer sends no more (FIN); our side may still write. */
  peerEnded(): void;
  /**
   * The socket is gone; nothing follows. Broken: by RST or an error. Else both
   * sides have said all; Bun tells a FIN that comes behind our own only so.
   */
  closed(isBroken: boolean): void;
}

/** A Bun socket whose `data` holds its owner. */
interface OwnedSocket {
  readonly data: { readonly owner: WireOwner | null } | null | undefined;
}

/** Gives the events of a socket to another owner from here on. */
export function handOver(wire: Wire, owner: WireOwner): void {
  (wire as unknown as { readonly data: { owner: WireOwner | null } }).data.owner = owner;
}

/**
 * Bun socket handlers that hand every event to the socket's owner, and write
 * what the event produced before they return. What an owner throws is a bug:
 * it costs this connection, and is reported.
 */
export function socketHandlers(flush: () => void, bug: (error: unknown) => void) {
  return {
    data(socket: OwnedSocket, bytes: Buffer): void {
      socket.data?.owner?.received(bytes);
      flush();
    },
    drain(socket: OwnedSocket): void {
      socket.data?.owner?.writable();
      flush();
    },
    end(socket: OwnedSocket): void {
      socket.data?.owner?.peerEnded();
      flush();
    },
    close(socket: OwnedSocket, error?: unknown): void {
      socket.data?.owner?.closed(error !== undefined && error !== null);
      flush();
    },
    /** Bun reports what a handler threw here, and would let the socket live on. */
    error(socket: { terminate(): void }, error: unknown): void {
      bug(error);
      socket.terminate();
    },
  };
}

/** Toward the local app, away from it, or from strangers at the edge of the mesh. */
export type Direction = "inbound" | "outbound" | "gateway";

/** What a listener knows of a connection before the first request. */
export interface ConnectionFacts {
  readonly listener: string;
  readonly direction: Direction;
  /** `address:port` of the peer and of our side. */
  readonly remoteAddress: string;
  readonly localAddress: string;
  /** Address of the peer without its port. */
  readonly remoteHost: string;
  /** SPIFFE ID the peer proved; null on plaintext. */
  readonly peer: string | null;
  readonly secure: boolean;
  /** Server name the client asked for; "" without. */
  readonly serverName: string;
  /** Protocol that TLS agreed upon (ALPN); "" without. */
  readonly protocol: string;
}
