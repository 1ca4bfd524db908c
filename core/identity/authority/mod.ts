/**
 * Who signs: the certificate authority of a trust domain. Heavy (it loads a
 * certificate library), so only the control plane enters here.
 * @module
 */
export {
  Authority,
  type AuthorityKeys,
  type AuthorityOptions,
  type Issued,
  type KeyStore,
  openAuthority,
} from "./authority.ts";
export type { ServerNames } from "./certificates.ts";
export { type GivenAuthority, UnusableAuthority } from "./given.ts";
export { CsrRefused } from "./request.ts";
export type { KeyedCertificate } from "./signer.ts";
