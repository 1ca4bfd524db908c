import { createPrivateKey, X509Certificate } from "node:crypto";
import { createSecureContext } from "node:tls";
import type { KeyPairModel } from "../../snapshot/mod.ts";

/** What a certificate with its key is worth: usable, or why not. */
export type JudgedPair = { readonly pair: KeyPairModel } | { readonly problem: string };

/** What a bundle of authorities is worth. */
export type JudgedRoots = { readonly roots: string } | { readonly problem: string };

/** Checks what the Secret of a certificate holds: both readable, of each other, and such that TLS can be spoken with them. */
export function judgePair(data: Readonly<Record<string, string>>): JudgedPair {
  const certificate = data["tls.crt"];
  const privateKey = data["tls.key"];
  for (const [name, text] of [["tls.crt", certificate] as const, ["tls.key", privateKey] as const])
    if (text === undefined) return { problem: `it has no ${name}` };
  const leaf = read(() => new X509Certificate(certificate!));
  if (leaf === null) return { problem: "its tls.crt is not a certificate in PEM" };
  const key = read(() => createPrivateKey(privateKey!));
  if (key === null) return { problem: "its tls.key is not a private key in PEM" };
  if (!leaf.checkPrivateKey(key)) return { problem: "its tls.key is not the key of its tls.crt" };
  // The certificates behind the first, and kinds of keys that TLS does not take.
  const context = read(() => createSecureContext({ cert: certificate!, key: privateKey! }));
  if (context === null) return { problem: "TLS cannot be spoken with its tls.crt and tls.key: the chain is broken" };
  return { pair: { certificate: certificate!, privateKey: privateKey! } };
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

/** Checks a bundle of authorities: every one in it is readable, and there is one. */
export function judgeRoots(data: Readonly<Record<string, string>>): JudgedRoots {
  const bundle = data["ca.crt"];
  if (bundle === undefined) return { problem: "it has no ca.crt" };
  const certificates = bundle.match(CERTIFICATE) ?? [];
  if (certificates.length === 0) return { problem: "its ca.crt is not a certificate in PEM" };
  const broken = certificates.findIndex((pem) => read(() => new X509Certificate(pem)) === null);
  if (broken >= 0) return { problem: `certificate ${broken + 1} of its ca.crt cannot be read` };
  return { roots: bundle };
}

function read<T>(parse: () => T): T | null {
  try {
    return parse();
  } catch {
    // What the parser says may quote what it read.
    return null;
  }
}
