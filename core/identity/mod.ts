/**
 * Who a workload is: SPIFFE IDs, SVIDs, trust bundles, and the TLS that proves
 * them. The authority that signs is a room of its own: `authority/mod.ts`.
 * @module
 */
export { type CertificateFacts, fingerprints, readCertificate, readLeaf } from "./certificate.ts";
export { createRequest, type Request } from "./csr.ts";
export { MalformedDer } from "./der.ts";
export type { Svid } from "./model.ts";
export {
  type HandshakeError,
  type PeerSocket,
  peerIdentity,
  type ServerName,
  svidIdOf,
  verifyBackend,
  verifyClient,
  verifyServer,
} from "./peer.ts";
export { decodePem, encodePem } from "./pem.ts";
export {
  Rotation,
  type RotationOptions,
  type RotationState,
  type SignedCertificate,
  UnusableSvid,
} from "./rotation.ts";
export {
  controlId,
  InvalidSpiffeId,
  isOurDomain,
  isSameIdentity,
  parseSpiffeId,
  problemOfTrustDomain,
  readSpiffeId,
  type SpiffeId,
  type TrustDomains,
  type WorkloadName,
  workloadId,
  workloadOf,
} from "./spiffe-id.ts";
export { type SvidTexts, svidOf } from "./svid.ts";
export {
  alpn,
  anonymousTls,
  type BackendTrust,
  backendTls,
  clientTls,
  edgeTls,
  joinableTls,
  type Protocols,
  serverTls,
  type TlsOptions,
} from "./tls.ts";
