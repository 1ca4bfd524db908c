import "reflect-metadata";
import * as x509 from "@peculiar/x509";
import { encodePem } from "../../core/identity/mod.ts";

/** A certificate that signs itself, with its key, as PEM. */
export async function keyPair(
  hostname = "example.com",
): Promise<{ readonly certificate: string; readonly privateKey: string }> {
  const algorithm = { name: "ECDSA", namedCurve: "P-256" };
  const keys = (await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"])) as CryptoKeyPair;
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: "01",
    name: `CN=${hostname}`,
    notBefore: new Date(Date.UTC(2026, 0, 1)),
    notAfter: new Date(Date.UTC(2036, 0, 1)),
    keys,
    signingAlgorithm: { name: "ECDSA", hash: "SHA-256" },
    extensions: [new x509.SubjectAlternativeNameExtension([{ type: "dns", value: hostname }])],
  });
  const key = new Uint8Array(await crypto.subtle.exportKey("pkcs8", keys.privateKey));
  return {
    certificate: encodePem("CERTIFICATE", new Uint8Array(certificate.rawData)),
    privateKey: encodePem("PRIVATE KEY", key),
  };
}
