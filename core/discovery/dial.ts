import type { Socket } from "bun";
import { type Clock, MeshError, messageOf } from "../base/mod.ts";
import { Link, type LinkReader } from "./link.ts";

/** Where a control plane listens for proxies. */
export interface ControlAddress {
  readonly host: string;
  readonly port: number;
}

/** No connection to the control plane came about. */
export class ControlUnreachable extends MeshError {
  override readonly name = "ControlUnreachable";
  readonly code = "MESH_CONTROL_UNREACHABLE";
  readonly source = "mesh";
  override readonly retryable = true;
}

/** What Bun's TLS sockets tell when the handshake is over. */
export type HandshakeSocket = Socket<unknown>;

export interface DialOptions {
  readonly address: ControlAddress;
  readonly clock: Clock;
  /** Options of `Bun.connect`; the chain is judged by `check`. */
  readonly tls: object;
  /** Says why the peer is not the one we look for; null when it is. */
  readonly check: (error: Error | null, socket: HandshakeSocket) => string | null;
  /** TCP and TLS handshakes together. */
  readonly deadlineMs: number;
  /** Longest frame taken. */
  readonly limit: number;
  readonly reader: LinkReader;
}

export function formatAddress(address: ControlAddress): string {
  return address.host.includes(":") ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}

/**
 * Opens a link to a control plane that has passed the check. Nothing is sent
 * before. A name is looked up each time, and its addresses are tried in order.
 *
 * @throws {ControlUnreachable} with the reason of the last address.
 */
export async function dial(options: DialOptions): Promise<Link> {
  let last = "its name has no address";
  for (const ip of await addressesOf(options.address)) {
    try {
      return await dialOne(options, ip);
    } catch (error) {
      last = messageOf(error);
    }
  }
  throw new ControlUnreachable(`Cannot connect to the control plane at ${formatAddress(options.address)}: ${last}`);
}

async function addressesOf(address: ControlAddress): Promise<readonly string[]> {
  if (/^[0-9.]+$/.test(address.host) || address.host.includes(":")) return [address.host];
  try {
    const found = await Bun.dns.lookup(address.host, {});
    return [...new Set(found.map((entry) => entry.address))];
  } catch (error) {
    throw new ControlUnreachable(
      `Cannot connect to the control plane at ${formatAddress(address)}: its name is not known (${messageOf(error)})`,
    );
  }
}

function dialOne(options: DialOptions, ip: string): Promise<Link> {
  const { promise, resolve, reject } = Promise.withResolvers<Link>();
  const dialing = new Dialing(options, resolve, reject);
  // Bun.connect knows neither timeouts nor aborts: a socket that opens too late is ended by Dialing.
  Bun.connect({ hostname: ip, port: options.address.port, tls: options.tls, socket: dialing } as never).catch((error) =>
    dialing.failed(messageOf(error)),
  );
  return promise;
}

/** Handlers of one socket, from the first packet to its end; fields, because Bun calls them without `this`. */
class Dialing {
  readonly #options: DialOptions;
  readonly #resolve: (link: Link) => void;
  readonly #reject: (error: Error) => void;
  readonly #timer;
  #link: Link | null = null;
  #over = false;
  #socket: Socket<unknown> | null = null;

  constructor(options: DialOptions, resolve: (link: Link) => void, reject: (error: Error) => void) {
    this.#options = options;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#timer = options.clock.after(options.deadlineMs, () =>
      this.failed(`no handshake within ${options.deadlineMs} ms`),
    );
  }

  readonly open = (socket: Socket<unknown>): void => {
    this.#socket = socket;
    if (this.#over) socket.terminate();
  };

  readonly handshake = (socket: Socket<unknown>, _ok: boolean, error: Error | null): void => {
    if (this.#over) return;
    const problem = this.#options.check(error, socket);
    if (problem !== null) {
      this.failed(problem);
      return;
    }
    this.#over = true;
    this.#timer.cancel();
    this.#link = new Link(socket, this.#options.clock, this.#options.limit, this.#options.reader);
    this.#resolve(this.#link);
  };

  readonly data = (_socket: Socket<unknown>, chunk: Buffer): void => {
    this.#link?.received(chunk);
  };

  readonly drain = (): void => {
    this.#link?.drained();
  };

  readonly end = (socket: Socket<unknown>): void => {
    this.#link?.lost(null);
    socket.end();
  };

  readonly close = (_socket: Socket<unknown>, error?: Error): void => {
    if (this.#link === null) this.failed(error === undefined ? "the peer closed the connection" : messageOf(error));
    else this.#link.lost(error ?? null);
  };

  readonly error = (_socket: Socket<unknown>, error: Error): void => {
    if (this.#link === null) this.failed(messageOf(error));
    else this.#link.lost(error);
  };

  readonly connectError = (_socket: Socket<unknown>, error: Error): void => {
    this.failed(messageOf(error));
  };

  failed(reason: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#timer.cancel();
    this.#socket?.terminate();
    this.#reject(new ControlUnreachable(reason));
  }
}
