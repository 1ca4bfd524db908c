import type { Socket } from "bun";
import { messageOf } from "../base/mod.ts";
import { socketHandlers, type Wire, type WireOwner } from "./wire.ts";

/** What TLS has agreed upon. */
export interface Agreed {
  /** Protocol (ALPN); "" without. */
  readonly protocol: string;
  /** The client has shown a certificate that its roots vouch for. */
  readonly isVerified: boolean;
}

export interface UpgradeOptions {
  /** What was read of the connection already: it begins with the ClientHello. */
  readonly first: Buffer;
  /** Options for `upgradeTLS`; the same object for every connection that is to have them. */
  readonly tls: object;
  /** What TLS says of the client's certificate decides whether it is served. */
  readonly verifies: boolean;
  /** Writes what the event at hand produced. */
  readonly flush: () => void;
  readonly bug: (error: unknown) => void;
  /** The handshake is over; who answers from here on. */
  readonly opened: (wire: Wire, agreed: Agreed) => WireOwner;
  /** The handshake has failed. It may be called before `upgrade` returns, with nothing begun. */
  readonly refused: (reason: string) => void;
}

interface Secured {
  owner: WireOwner | null;
}

/**
 * Begins TLS as the server of a connection that came in plaintext. From here
 * on only the wire that is returned can end the connection, and whoever owns
 * the raw one has to ignore what it delivers: ciphertext. Null where the
 * options cannot be used.
 */
export function upgrade(raw: Wire, options: UpgradeOptions): Wire | null {
  const state: Secured = { owner: null };
  const handlers = {
    ...socketHandlers(options.flush, options.bug),
    handshake: (socket: Socket<Secured>, ok: boolean, error: Error | null) => shaken(socket, ok, error, options),
  };
  const wanted = { isServer: true, tls: options.tls, data: state, socket: handlers, initialData: options.first };
  try {
    const [, secured] = (raw as unknown as Socket<unknown>).upgradeTLS(wanted as never) as readonly unknown[];
    return secured as Wire;
  } catch (error) {
    options.refused(`certificate cannot be used: ${messageOf(error)}`);
    return null;
  }
}

/** `ok`: TLS was agreed on; then `error` is what it thinks of the client's certificate. */
function shaken(socket: Socket<Secured>, ok: boolean, error: Error | null, options: UpgradeOptions): void {
  // Bun tells the end of a handshake as another one that failed.
  if (socket.data.owner !== null) return;
  if (!ok || (options.verifies && error !== null && error !== undefined)) {
    options.refused(`handshake failed: ${(error as { code?: string } | null)?.code ?? messageOf(error)}`);
    return;
  }
  const { alpnProtocol } = socket as { readonly alpnProtocol?: unknown };
  const protocol = typeof alpnProtocol === "string" ? alpnProtocol : "";
  const isVerified = (error === null || error === undefined) && options.verifies;
  socket.data.owner = options.opened(socket as never, { protocol, isVerified });
  options.flush();
}
