import { encodePem } from "../pem.ts";
import type { Issuer } from "./certificates.ts";
import { x509 } from "./x509.ts";

/** A certificate and its key (PKCS #8), both PEM: how an authority is kept. */
export interface KeyedCertificate {
  readonly certificate: string;
  readonly privateKey: string;
}

/** Who signs leaves: an issuer, what a leaf is sent with, and the roots that whoever verifies it has to believe. */
export interface Signer extends Issuer {
  /** PEM of the certificates between a leaf and its root, nearest first. */
  readonly chain: string;
  /** PEM of the roots. */
  readonly bundle: string;
}

/** Reads a certificate and its key back from what was kept. */
export async function loadIssuer(kept: KeyedCertificate): Promise<Issuer> {
  const bytes = Buffer.from(kept.privateKey.replace(/-----[^-]+-----|\s/g, ""), "base64");
  const algorithm = { name: "ECDSA", namedCurve: "P-256" };
  const privateKey = await crypto.subtle.importKey("pkcs8", bytes, algorithm, true, ["sign"]);
  return { certificate: new x509.X509Certificate(kept.certificate), privateKey };
}

/** Writes a certificate and its key for keeping. */
export async function keep(certificate: x509.X509Certificate, key: CryptoKey): Promise<KeyedCertificate> {
  const bytes = new Uint8Array(await crypto.subtle.exportKey("pkcs8", key));
  return Object.freeze({ certificate: pemOf(certificate), privateKey: encodePem("PRIVATE KEY", bytes) });
}

/** Certificate as PEM that can be joined with others. */
export function pemOf(certificate: x509.X509Certificate): string {
  return encodePem("CERTIFICATE", new Uint8Array(certificate.rawData));
}
