import { readLeaf } from "./certificate.ts";
import { MalformedDer } from "./der.ts";
import type { Svid } from "./model.ts";
import { svidIdOf } from "./peer.ts";

/** The three texts an SVID is made of, as files or an authority give them; PEM. */
export interface SvidTexts {
  readonly certificate: string;
  readonly privateKey: string;
  readonly bundle: string;
}

/**
 * Makes an SVID of its texts; what its certificate says is read from it.
 *
 * @throws {MalformedDer} when the first certificate is not an X.509-SVID.
 */
export function svidOf(texts: SvidTexts): Svid {
  const leaf = readLeaf(texts.certificate);
  const spiffeId = svidIdOf(leaf);
  if (spiffeId === null) throw new MalformedDer("the certificate is not an X.509-SVID: it needs one SPIFFE ID");
  const { certificate, privateKey, bundle } = texts;
  return Object.freeze({
    spiffeId,
    certificate,
    privateKey,
    bundle,
    notBefore: leaf.notBefore,
    notAfter: leaf.notAfter,
  });
}
