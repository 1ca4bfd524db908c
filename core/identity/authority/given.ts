import { createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";
import { MeshError } from "../../base/mod.ts";
import { pemOf, type Signer } from "./signer.ts";
import { x509 } from "./x509.ts";

/** A certificate authority that the operator brought. */
export interface GivenAuthority {
  /** The certificate that signs, then those between it and its root, then the root; PEM. */
  readonly certificate: string;
  /** Key of the first certificate, PEM. */
  readonly privateKey: string;
}

/** A given authority that cannot sign for the mesh. */
export class UnusableAuthority extends MeshError {
  override readonly name = "UnusableAuthority";
  readonly code = "MESH_UNUSABLE_AUTHORITY";
  readonly source = "mesh";

  constructor(problem: string, options?: ErrorOptions) {
    super(`Cannot use the given certificate authority: ${problem}`, options);
  }
}

/**
 * Makes a signer of a given authority. Leaves are signed by it directly; the
 * mesh makes no authority of its own below it.
 *
 * @throws {UnusableAuthority} when what it signs could not be verified.
 */
export async function loadGiven(given: GivenAuthority, now: number): Promise<Signer> {
  const certificates = readCertificates(given.certificate);
  const [first] = certificates;
  if (first === undefined) throw new UnusableAuthority("no certificate in the file");
  if (!canSign(first)) throw new UnusableAuthority(`"${first.subject}" may not sign certificates`);
  if (first.notAfter.getTime() <= now) throw new UnusableAuthority(`it expired at ${first.notAfter.toISOString()}`);
  const key = readKey(given.privateKey);
  if (!isKeyOf(key, first)) throw new UnusableAuthority(`the key is not the key of "${first.subject}"`);
  const roots = certificates.filter((certificate) => certificate.subject === certificate.issuer);
  if (roots.length === 0) throw new UnusableAuthority("the file must end with the root certificate");
  return {
    certificate: first,
    privateKey: await importKey(key),
    chain: certificates
      .filter((certificate) => !roots.includes(certificate))
      .map(pemOf)
      .join(""),
    bundle: roots.map(pemOf).join(""),
  };
}

function readCertificates(pem: string): x509.X509Certificate[] {
  try {
    return x509.PemConverter.decodeWithHeaders(pem)
      .filter((block) => block.type === "CERTIFICATE")
      .map((block) => new x509.X509Certificate(block.rawData));
  } catch (cause) {
    throw new UnusableAuthority("the certificate file is not PEM", { cause });
  }
}

function canSign(certificate: x509.X509Certificate): boolean {
  const constraints = certificate.getExtension(x509.BasicConstraintsExtension);
  const usage = certificate.getExtension(x509.KeyUsagesExtension);
  return constraints?.ca === true && (usage === null || (usage.usages & x509.KeyUsageFlags.keyCertSign) !== 0);
}

// Any form a key file may have: PKCS #8, SEC 1, PKCS #1. The cause is left out, as it could quote the file.
function readKey(pem: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch {
    throw new UnusableAuthority("the key file is not an unencrypted PEM private key");
  }
}

function isKeyOf(key: KeyObject, certificate: x509.X509Certificate): boolean {
  const own = createPublicKey(key).export({ type: "spki", format: "der" });
  return own.equals(Buffer.from(certificate.publicKey.rawData));
}

async function importKey(key: KeyObject): Promise<CryptoKey> {
  const algorithm = algorithmOf(key);
  const bytes = new Uint8Array(key.export({ type: "pkcs8", format: "der" }));
  return await crypto.subtle.importKey("pkcs8", bytes, algorithm, false, ["sign"]);
}

function algorithmOf(key: KeyObject) {
  if (key.asymmetricKeyType === "rsa") return { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" };
  const curve = key.asymmetricKeyDetails?.namedCurve;
  if (curve === "prime256v1") return { name: "ECDSA", namedCurve: "P-256" };
  if (curve === "secp384r1") return { name: "ECDSA", namedCurve: "P-384" };
  throw new UnusableAuthority("its key is neither RSA nor on the curves P-256 or P-384");
}
