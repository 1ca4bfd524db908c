import type { Svid } from "./model.ts";

/** What a side may be asked to speak, most wanted first. */
export type Protocols = readonly string[];

/** TLS options as `Bun.connect`, `Bun.listen` and `upgradeTLS` take them. */
export interface TlsOptions {
  readonly cert?: string;
  readonly key?: string;
  readonly ca?: string;
  readonly requestCert?: boolean;
  readonly rejectUnauthorized: boolean;
  readonly minVersion: number;
  /** Absent: no protocol is agreed upon. */
  readonly ALPNProtocols?: Buffer;
  readonly serverName?: string;
}

// Numbers, as the text forms of versions are refused by Bun's sockets.
const TLS_1_2 = 0x0303;
const TLS_1_3 = 0x0304;

/**
 * Options of a server inside the mesh: both sides prove who they are, or no
 * byte is delivered.
 *
 * Make them once for an SVID and pass the same ones for every connection: the
 * TLS context is cached by what they say, so passing those of a newer SVID is
 * all that rotation takes, and live connections keep theirs.
 */
export function serverTls(svid: Svid, protocols: Protocols): TlsOptions {
  return Object.freeze({ ...presenting(svid), ...mutual(protocols), requestCert: true, rejectUnauthorized: true });
}

/**
 * Options of a server that also answers peers without a certificate, as the
 * control plane does for those who come to join. Bytes of unverified peers ARE
 * delivered: `verifyClient()` says who is on the other side.
 */
export function joinableTls(svid: Svid, protocols: Protocols): TlsOptions {
  return Object.freeze({ ...presenting(svid), ...mutual(protocols), requestCert: true, rejectUnauthorized: false });
}

/**
 * Options of a server at the edge of the mesh: clients prove nothing, and may
 * be as old as TLS 1.2. The certificate may be one of the web, without a SPIFFE ID.
 */
export function edgeTls(own: Pick<Svid, "certificate" | "privateKey">, protocols: Protocols): TlsOptions {
  const { certificate: cert, privateKey: key } = own;
  const offered = protocols.length === 0 ? {} : { ALPNProtocols: alpn(protocols) };
  return Object.freeze({ cert, key, rejectUnauthorized: false, minVersion: TLS_1_2, ...offered });
}

/**
 * Options of a client inside the mesh. They let every server through, because
 * servers are known by SPIFFE ID and not by host name, which Bun cannot be told:
 * the handshake handler must ask `verifyServer()` and end the connection
 * unless it says null. To be made once for an SVID and a server name.
 */
export function clientTls(svid: Svid, protocols: Protocols, serverName: string): TlsOptions {
  return Object.freeze({ ...presenting(svid), ...mutual(protocols), rejectUnauthorized: false, serverName });
}

/**
 * Options of a client that has no identity yet and believes the roots of a
 * bundle, or, with null, none at all: then `verifyServer()` fails, and whatever
 * the server says must be checked by other means.
 */
export function anonymousTls(bundle: string | null, protocols: Protocols, serverName: string): TlsOptions {
  const ca = bundle === null ? {} : { ca: bundle };
  return Object.freeze({ ...ca, ...mutual(protocols), rejectUnauthorized: false, serverName });
}

/** What a client shows and believes that speaks to servers outside the mesh. */
export interface BackendTrust {
  /** Named in the ClientHello, unless it is an address (RFC 6066, section 3). */
  readonly serverName: string;
  /** PEM; "" for those that came with the program. */
  readonly roots: string;
  readonly proof: { readonly certificate: string; readonly privateKey: string } | null;
}

/**
 * Options of a client toward a server outside the mesh. As inside, the
 * handshake handler must ask, here `verifyBackend()`, and end the connection
 * unless it says null.
 */
export function backendTls({ serverName, roots, proof }: BackendTrust, protocols: Protocols): TlsOptions {
  return Object.freeze({
    ...(roots === "" ? {} : { ca: roots }),
    ...(proof === null ? {} : { cert: proof.certificate, key: proof.privateKey }),
    ...(protocols.length === 0 ? {} : { ALPNProtocols: alpn(protocols) }),
    ...(isAddress(serverName) ? {} : { serverName }),
    rejectUnauthorized: false,
    minVersion: TLS_1_2,
  });
}

function isAddress(name: string): boolean {
  return name.includes(":") || /^[0-9.]+$/.test(name);
}

/** Writes a list of protocols as TLS does, RFC 7301 3.1: each after its length. Bun's sockets take no other form. */
export function alpn(protocols: Protocols): Buffer {
  return Buffer.concat(protocols.flatMap((name) => [Buffer.from([Buffer.byteLength(name)]), Buffer.from(name)]));
}

function presenting(svid: Svid) {
  return { cert: svid.certificate, key: svid.privateKey, ca: svid.bundle };
}

function mutual(protocols: Protocols) {
  return protocols.length === 0 ? { minVersion: TLS_1_3 } : { minVersion: TLS_1_3, ALPNProtocols: alpn(protocols) };
}
