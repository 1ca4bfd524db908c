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
  readonly remoteAddress?: string;
  readonly localAddress?: string;
  readonly localPort?: number;
}

/** Who answers the events of a socket. */
export interface WireOwner {
  received(bytes: Buffer): void;
  /** The kernel takes bytes again, after a short write. */
  writable(): void;
  /** The peer sends no more (FIN); our side may still write. */
  peerEnded(): void;
  /** The socket is gone; nothing follows. */
  closed(): void;
}
