import { der, objectId, Tag, unsigned } from "./der.ts";
import { encodePem } from "./pem.ts";

/** A new key and the request to certify it; `privateKey` is PKCS #8, PEM. */
export interface Request {
  readonly csr: string;
  readonly privateKey: string;
  /** SubjectPublicKeyInfo, DER: what the certificate must carry. */
  readonly publicKey: Uint8Array;
}

const EC_P256 = { name: "ECDSA", namedCurve: "P-256" } as const;
const ECDSA_SHA256 = { name: "ECDSA", hash: "SHA-256" } as const;
const EMPTY = new Uint8Array(0);
const ID_EXTENSION_REQUEST = "1.2.840.113549.1.9.14";
const ID_SUBJECT_ALT_NAME = "2.5.29.17";
const ID_ECDSA_WITH_SHA256 = "1.2.840.10045.4.3.2";

/**
 * Makes a key pair on P-256 and a PKCS #10 request, RFC 2986, with an empty
 * subject and the SPIFFE ID as its critical URI name.
 *
 * Written by hand: a certificate library would be half of what a proxy weighs.
 */
export async function createRequest(spiffeId: string): Promise<Request> {
  const pair = await crypto.subtle.generateKey(EC_P256, true, ["sign", "verify"]);
  const publicKey = new Uint8Array(await crypto.subtle.exportKey("spki", pair.publicKey));
  const privateKey = new Uint8Array(await crypto.subtle.exportKey("pkcs8", pair.privateKey));
  const info = requestInfo(spiffeId, publicKey);
  const signature = new Uint8Array(await crypto.subtle.sign(ECDSA_SHA256, pair.privateKey, info));
  const algorithm = der(Tag.SEQUENCE, objectId(ID_ECDSA_WITH_SHA256));
  const csr = der(Tag.SEQUENCE, info, algorithm, bitString(ecdsaSignature(signature)));
  return { csr: encodePem("CERTIFICATE REQUEST", csr), privateKey: encodePem("PRIVATE KEY", privateKey), publicKey };
}

function requestInfo(spiffeId: string, publicKey: Uint8Array): Uint8Array<ArrayBuffer> {
  const version = unsigned(Uint8Array.of(0));
  const subject = der(Tag.SEQUENCE, EMPTY);
  const extensions = der(Tag.SEQUENCE, subjectAltName(spiffeId));
  const attribute = der(Tag.SEQUENCE, objectId(ID_EXTENSION_REQUEST), der(Tag.SET, extensions));
  return der(Tag.SEQUENCE, version, subject, publicKey, der(0xa0, attribute));
}

// Critical, as RFC 5280 4.2.1.6 asks where the subject is empty.
function subjectAltName(spiffeId: string): Uint8Array {
  const uri = der(0x86, Buffer.from(spiffeId, "latin1"));
  const critical = der(Tag.BOOLEAN, Uint8Array.of(0xff));
  return der(Tag.SEQUENCE, objectId(ID_SUBJECT_ALT_NAME), critical, der(Tag.OCTET_STRING, der(Tag.SEQUENCE, uri)));
}

// WebCrypto gives r and s side by side; X.509 wants them as two integers, RFC 3279 2.2.3.
function ecdsaSignature(raw: Uint8Array): Uint8Array {
  const half = raw.length / 2;
  return der(Tag.SEQUENCE, unsigned(raw.subarray(0, half)), unsigned(raw.subarray(half)));
}

function bitString(bytes: Uint8Array): Uint8Array {
  return der(Tag.BIT_STRING, Uint8Array.of(0), bytes);
}
