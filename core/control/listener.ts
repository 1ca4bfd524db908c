import type { Socket } from "bun";
import { type Clock, type Log, messageOf, type Timer } from "../base/mod.ts";
import { Link, MAX_GREETING_BYTES } from "../discovery/mod.ts";
import { type HandshakeError, type TlsOptions, verifyClient } from "../identity/mod.ts";
import type { ControlCounts } from "./metrics.ts";
import { type Peer, type Reception, Session } from "./session.ts";

export interface StreamListenerOptions {
  readonly hostname: string;
  readonly port: number;
  readonly clock: Clock;
  readonly log: Log;
  readonly counts: ControlCounts;
  readonly reception: Reception;
  /** Options of the newest certificate; the same object until it is renewed. */
  readonly tls: () => TlsOptions;
  /** The identity of a certificate of ours (DER) that expired a little while ago; null for any other. */
  readonly lapsed: (certificate: Uint8Array) => string | null;
  /** Time for the TLS handshake, and again for the first request. */
  readonly greetingMs: number;
  /** Connections at once, those that are still shaking hands included. */
  readonly maxConnections: number;
}

/** One accepted socket; the raw half and the TLS half share it. */
interface Accepted {
  link: Link | null;
  deadline: Timer;
}

export interface StreamListener {
  readonly hostname: string;
  readonly port: number;
  close(): void;
}

/**
 * Listens for proxies. A client without a certificate is let in, to join; one
 * whose certificate does not verify is told so and sent away.
 *
 * Handlers of the raw half have no `data` key on purpose: with one, Bun makes
 * a Buffer of every piece of ciphertext.
 */
export function listenForProxies(options: StreamListenerOptions): StreamListener {
  const open = new Set<Socket<Accepted>>();
  const handlers = tlsHandlers(options);
  const listener = Bun.listen<Accepted>({
    hostname: options.hostname,
    port: options.port,
    socket: {
      open(raw: Socket<Accepted>) {
        if (open.size >= options.maxConnections) {
          raw.terminate();
          return;
        }
        open.add(raw);
        const deadline = options.clock.after(options.greetingMs, () => raw.terminate());
        raw.data = { link: null, deadline };
        upgrade(raw, options, handlers);
      },
      close(raw: Socket<Accepted>) {
        open.delete(raw);
        raw.data?.deadline.cancel();
      },
      error() {},
      drain() {},
    } as never,
  });
  return {
    hostname: listener.hostname,
    port: listener.port,
    close() {
      listener.stop(false);
      for (const raw of open) raw.terminate();
    },
  };
}

function upgrade(raw: Socket<Accepted>, options: StreamListenerOptions, handlers: object): void {
  try {
    raw.upgradeTLS({ isServer: true, tls: options.tls(), data: raw.data, socket: handlers } as never);
  } catch (error) {
    options.log.error(`Cannot start TLS for a proxy: ${messageOf(error)}`);
    raw.terminate();
  }
}

function tlsHandlers(options: StreamListenerOptions) {
  return {
    handshake(socket: Socket<Accepted>, ok: boolean, error: HandshakeError | null) {
      // `ok` only says that both sides speak TLS; who the peer is, is for `verifyClient()`.
      if (ok) shaken(socket, error, options);
      else socket.terminate();
    },
    data(socket: Socket<Accepted>, chunk: Buffer) {
      socket.data.link?.received(chunk);
    },
    drain(socket: Socket<Accepted>) {
      socket.data.link?.drained();
    },
    end(socket: Socket<Accepted>) {
      socket.data.link?.lost(null);
      socket.end();
    },
    close(socket: Socket<Accepted>) {
      socket.data.deadline.cancel();
      socket.data.link?.lost(null);
    },
    error(socket: Socket<Accepted>, error: Error) {
      socket.data.link?.lost(error);
      socket.terminate();
    },
  };
}

/** The handshake is over; what the peer has proved decides what it may ask. */
function shaken(socket: Socket<Accepted>, error: HandshakeError | null, options: StreamListenerOptions): void {
  socket.data.deadline.cancel();
  const peer = peerOf(socket, error, options);
  const session = new Session(options.reception, peer ?? NOBODY, options.greetingMs);
  const link = new Link(socket, options.clock, MAX_GREETING_BYTES, session);
  socket.data.link = link;
  session.attach(link);
  if (peer !== null) return;
  options.counts.refusals++;
  const reason = error?.code ?? "it holds no SPIFFE ID";
  options.log.warn(`Refused a proxy: its certificate does not verify (${reason})`, { remote: socket.remoteAddress });
  link.fail("identity", `Cannot take the proxy's certificate: ${reason}`);
}

const NOBODY: Peer = { identity: null, expired: false };

// What BoringSSL says of a client that sent no certificate at all.
const NO_CERTIFICATE = "UNABLE_TO_GET_ISSUER_CERT";
// It says this of an untrusted chain too: the signatures have to be looked at again.
const EXPIRED = "CERT_HAS_EXPIRED";

/** Who is there; null for a certificate that proves nothing. */
function peerOf(socket: Socket<Accepted>, error: HandshakeError | null, options: StreamListenerOptions): Peer | null {
  const identity = verifyClient(error, socket);
  if (identity !== null) return { identity, expired: false };
  const certificate = socket.getPeerX509Certificate();
  if (!certificate) return error?.code === NO_CERTIFICATE ? NOBODY : null;
  if (error?.code !== EXPIRED) return null;
  const lapsed = options.lapsed(certificate.raw);
  return lapsed === null ? null : { identity: lapsed, expired: true };
}
