import { X509Certificate } from "node:crypto";
import { decodePem, readCertificate, svidIdOf } from "../identity/mod.ts";

/**
 * Reads who a certificate was for that one of our issuers signed and that
 * expired less than `graceMs` ago; null for any other.
 *
 * TLS has seen that its bearer holds the key, and stops at the date. The
 * signature has to be checked here: of a chain that is both untrusted and
 * expired, TLS only tells the latter. A proxy whose machine slept, or that
 * outlived its control plane, gets a new certificate this way and needs no token.
 */
export function lapsedIdentity(
  certificate: Uint8Array,
  issuers: readonly X509Certificate[],
  now: number,
  graceMs: number,
): string | null {
  try {
    const facts = readCertificate(certificate);
    if (facts.notAfter + graceMs <= now || facts.notBefore > now) return null;
    const leaf = new X509Certificate(certificate);
    const signed = issuers.some((issuer) => leaf.checkIssued(issuer) && leaf.verify(issuer.publicKey));
    return signed ? svidIdOf(facts) : null;
  } catch {
    // Not a certificate as we make them.
    return null;
  }
}

/** The issuers in a chain: every certificate but the leaf. */
export function issuersOf(chain: string): readonly X509Certificate[] {
  return decodePem("CERTIFICATE", chain)
    .slice(1)
    .map((bytes) => new X509Certificate(bytes));
}
