import { x509 } from "./x509.ts";

/** From when until when, milliseconds since the epoch. */
export interface Validity {
  readonly from: number;
  readonly until: number;
}

/** Names beside the SPIFFE ID, for those who dial by name or address: only the control plane has them. */
export interface ServerNames {
  readonly dns: readonly string[];
  readonly addresses: readonly string[];
}

/** Who signs: the key and the certificate that goes with it. */
export interface Issuer {
  readonly certificate: x509.X509Certificate;
  readonly privateKey: CryptoKey;
}

const EC_P256 = { name: "ECDSA", namedCurve: "P-256" } as const;
const SHA256 = "SHA-256";

/** Makes a key pair of the authority; it can be exported, as it has to be stored. */
export function generateKey(): Promise<CryptoKeyPair> {
  return crypto.subtle.generateKey(EC_P256, true, ["sign", "verify"]) as Promise<CryptoKeyPair>;
}

/** Makes the self-signed root of a trust domain. */
export async function createRoot(trustDomain: string, keys: CryptoKeyPair, validity: Validity) {
  const fields = common(validity);
  return await x509.X509CertificateGenerator.createSelfSigned({
    ...fields,
    name: authorityName("root", trustDomain, fields.serialNumber),
    keys,
    signingAlgorithm: { name: "ECDSA", hash: SHA256 },
    extensions: await authorityExtensions(trustDomain, keys.publicKey, keys.publicKey, 1),
  });
}

/** Makes an intermediate: it signs leaves and nothing else. */
export async function createIntermediate(
  trustDomain: string,
  publicKey: CryptoKey,
  issuer: Issuer,
  validity: Validity,
): Promise<x509.X509Certificate> {
  const fields = common(validity);
  return await x509.X509CertificateGenerator.create({
    ...fields,
    subject: authorityName("intermediate", trustDomain, fields.serialNumber),
    publicKey,
    ...signedBy(issuer),
    extensions: await authorityExtensions(trustDomain, publicKey, issuer.certificate.publicKey, 0),
  });
}

/** Makes a workload's certificate, X509-SVID section 4. */
export async function createLeaf(
  spiffeId: string,
  names: ServerNames,
  publicKey: x509.PublicKey,
  issuer: Issuer,
  validity: Validity,
): Promise<x509.X509Certificate> {
  return await x509.X509CertificateGenerator.create({
    ...common(validity),
    subject: "O=mesh",
    publicKey,
    ...signedBy(issuer),
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth]),
      new x509.SubjectAlternativeNameExtension([
        { type: "url", value: spiffeId },
        ...names.dns.map((value) => ({ type: "dns" as const, value })),
        ...names.addresses.map((value) => ({ type: "ip" as const, value })),
      ]),
      await x509.SubjectKeyIdentifierExtension.create(publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.certificate.publicKey),
    ],
  });
}

function common(validity: Validity) {
  return {
    serialNumber: randomSerial(),
    // Certificates count whole seconds: a lifetime is never made shorter than was asked.
    notBefore: new Date(Math.floor(validity.from / 1000) * 1000),
    notAfter: new Date(Math.ceil(validity.until / 1000) * 1000),
  };
}

function signedBy(issuer: Issuer) {
  return {
    issuer: issuer.certificate.subjectName,
    signingKey: issuer.privateKey,
    signingAlgorithm: { ...issuer.privateKey.algorithm, hash: SHA256 },
  };
}

// Two roots of one trust domain may be believed at once: verifiers look issuers up by name, so names differ.
function authorityName(kind: string, trustDomain: string, serial: string): string {
  return `O=mesh, CN=${kind} ${serial.slice(0, 8)} of ${trustDomain}`;
}

// An authority's own name is its trust domain without a path, X509-SVID section 3.2.
async function authorityExtensions(trustDomain: string, key: CryptoKey, signer: x509.PublicKeyType, depth: number) {
  return [
    new x509.BasicConstraintsExtension(true, depth, true),
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
    new x509.SubjectAlternativeNameExtension([{ type: "url", value: `spiffe://${trustDomain}` }]),
    await x509.SubjectKeyIdentifierExtension.create(key),
    await x509.AuthorityKeyIdentifierExtension.create(signer),
  ];
}

// RFC 5280 4.1.2.2: positive, at most 20 bytes. The second highest bit is set so that all have 16.
function randomSerial(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[0] = (bytes[0]! & 0x3f) | 0x40;
  return Buffer.from(bytes).toString("hex");
}
