import { type CertificateFacts, readCertificate } from "./certificate.ts";
import { isSameIdentity, readSpiffeId, type TrustDomains } from "./spiffe-id.ts";

/** The part of a TLS socket that knows its peer; Bun's sockets are such. */
export interface PeerSocket {
  /** Bun gives nothing where the peer sent no certificate, whatever its types say. */
  getPeerX509Certificate(): { readonly raw: Uint8Array } | undefined | null;
}

/** A handshake's complaint; Bun puts the reason of the verification into `code`. */
export interface HandshakeError {
  readonly code?: string;
  readonly message: string;
}

// The name that was dialled is not in the certificate. Bun says so only where the chain is good: servers of
// the mesh are known by SPIFFE ID, so this alone is no complaint.
const NAME_DIFFERS = "ERR_TLS_CERT_ALTNAME_INVALID";

/**
 * Reads the SPIFFE ID of a peer whose chain TLS has verified; null when its
 * certificate is not an X.509-SVID, X509-SVID sections 4 and 5: a leaf with
 * exactly one URI name, which is a SPIFFE ID with a path.
 *
 * Only meaningful after a handshake without an error. To be read once per
 * connection.
 */
export function peerIdentity(socket: PeerSocket): string | null {
  const facts = peerFacts(socket);
  return facts === null ? null : svidIdOf(facts);
}

/**
 * Reads who a client is from what the handshake handler of a server was given;
 * null when it proved nothing. `ok` of the handler says nothing about that.
 */
export function verifyClient(error: HandshakeError | null | undefined, socket: PeerSocket): string | null {
  return error === null || error === undefined ? peerIdentity(socket) : null;
}

/**
 * Judges a server from what the handshake handler of a client was given: null
 * when it proved to be `expected`, else the reason to end the connection
 * before a byte is sent.
 */
export function verifyServer(
  error: HandshakeError | null | undefined,
  socket: PeerSocket,
  expected: string,
  domains: TrustDomains,
): string | null {
  if (error !== null && error !== undefined && error.code !== NAME_DIFFERS) return reasonOf(error);
  const found = peerIdentity(socket);
  if (found === null) return "its certificate holds no single SPIFFE ID";
  return isSameIdentity(found, expected, domains) ? null : `it is "${found}", not "${expected}"`;
}

/** A name of which the certificate of a server must have one. */
export interface ServerName {
  readonly type: "Hostname" | "URI";
  readonly value: string;
}

/**
 * Judges a server outside the mesh from what the handshake handler of a client
 * was given: null when its chain is good and its certificate has one of the
 * names, else the reason to end the connection before a byte is sent.
 */
export function verifyBackend(
  error: HandshakeError | null | undefined,
  socket: PeerSocket,
  names: readonly ServerName[],
): string | null {
  if (error !== null && error !== undefined && error.code !== NAME_DIFFERS) return reasonOf(error);
  const facts = peerFacts(socket);
  if (facts === null) return "it has shown no certificate that can be read";
  if (names.some((name) => isNamed(facts, name))) return null;
  const found = [...facts.hosts, ...facts.addresses, ...facts.uris].join(", ");
  return `its certificate is for ${found === "" ? "no name" : found}, not for ${names.map(({ value }) => value).join(" or ")}`;
}

function isNamed({ hosts, addresses, uris }: CertificateFacts, { type, value }: ServerName): boolean {
  if (type === "URI") return uris.includes(value);
  const wanted = value.toLowerCase();
  return addresses.includes(wanted) || hosts.some((host) => takesHost(host.toLowerCase(), wanted));
}

/** RFC 9525, section 6.3: a "*" is a whole first label, and stands for one label. */
function takesHost(pattern: string, host: string): boolean {
  if (!pattern.startsWith("*.")) return pattern === host;
  const dot = host.indexOf(".");
  return dot > 0 && host.slice(dot) === pattern.slice(1) && pattern.indexOf(".", 2) > 0;
}

function reasonOf(error: HandshakeError): string {
  return error.code === undefined ? error.message : `${error.code}: ${error.message}`;
}

function peerFacts(socket: PeerSocket): CertificateFacts | null {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined || certificate === null) return null;
  try {
    return readCertificate(certificate.raw);
  } catch {
    // TLS took it, we cannot read it: it names nobody.
    return null;
  }
}

/** The SPIFFE ID of a certificate that is an X.509-SVID of a workload; null for every other. */
export function svidIdOf(facts: CertificateFacts): string | null {
  if (facts.isAuthority || facts.uris.length !== 1) return null;
  const id = readSpiffeId(facts.uris[0]!);
  return id === null || id.path === "" ? null : id.text;
}
