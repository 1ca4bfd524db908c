import { type DerElement, MalformedDer, readDer, Tag } from "./der.ts";
import { decodePem } from "./pem.ts";

/** What a certificate says, as far as the mesh asks. */
export interface CertificateFacts {
  /** Hex, without leading zeros. */
  readonly serial: string;
  /** Milliseconds since the epoch. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** URI names of the subject, as they stand. */
  readonly uris: readonly string[];
  /** DNS names of the subject, as they stand; they may begin with "*.". */
  readonly hosts: readonly string[];
  /** IP addresses of the subject as text. */
  readonly addresses: readonly string[];
  /** It may sign other certificates, by its basic constraints or its key usage. */
  readonly isAuthority: boolean;
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Uint8Array;
}

const ID_KEY_USAGE = "551d0f";
const ID_SUBJECT_ALT_NAME = "551d11";
const ID_BASIC_CONSTRAINTS = "551d13";
const DNS_NAME = 0x82;
const URI_NAME = 0x86;
const IP_NAME = 0x87;
const EXTENSIONS = 0xa3;
const VERSION = 0xa0;
// keyCertSign and cRLSign, bits 5 and 6 counted from the most significant one.
const SIGNING_USAGE = 0x06;

/**
 * Reads a certificate, RFC 5280 section 4.1, without judging it: signatures
 * and times are checked by TLS.
 *
 * An own reader, because a certificate's names are only unambiguous in its
 * bytes (printed names can hold a comma that looks like a separator), and
 * because node:crypto would cost a proxy half a megabyte.
 *
 * @throws {MalformedDer} when the bytes are not a certificate.
 */
export function readCertificate(bytes: Uint8Array): CertificateFacts {
  const [toBeSigned] = children(only(readDer(bytes), Tag.SEQUENCE));
  const fields = readChildren(toBeSigned);
  if (fields[0]?.tag === VERSION) fields.shift();
  const [serial, , , validity, , publicKey] = fields;
  const [from, until] = children(only(validity, Tag.SEQUENCE));
  const extensions = readExtensions(fields.find((field) => field.tag === EXTENSIONS));
  const names = subjectNames(extensions.get(ID_SUBJECT_ALT_NAME));
  return Object.freeze({
    serial: hex(only(serial, Tag.INTEGER).body).replace(/^(00)+/, ""),
    notBefore: timeOf(from),
    notAfter: timeOf(until),
    uris: namesOf(URI_NAME, names),
    hosts: namesOf(DNS_NAME, names),
    addresses: addressesOf(names),
    isAuthority: isAuthority(extensions.get(ID_BASIC_CONSTRAINTS), extensions.get(ID_KEY_USAGE)),
    publicKey: only(publicKey, Tag.SEQUENCE).whole,
  });
}

/**
 * Reads the first certificate of a PEM text: in a chain, the leaf.
 *
 * @throws {MalformedDer} when there is none.
 */
export function readLeaf(pem: string): CertificateFacts {
  const leaf = decodePem("CERTIFICATE", pem)[0];
  if (leaf === undefined) throw new MalformedDer("no certificate in the text");
  return readCertificate(leaf);
}

/** SHA-256 of each certificate of a PEM text, hex: what a join token pins a root by. */
export function fingerprints(pem: string): string[] {
  return decodePem("CERTIFICATE", pem).map((bytes) => new Bun.CryptoHasher("sha256").update(bytes).digest("hex"));
}

function readExtensions(element: DerElement | undefined): Map<string, Uint8Array> {
  const found = new Map<string, Uint8Array>();
  if (element === undefined) return found;
  for (const extension of readChildren(children(element)[0])) {
    const parts = children(extension);
    const id = hex(only(parts[0], Tag.OBJECT_ID).body);
    // RFC 5280 4.2: more than one of a kind is malformed, and a way to show two readers two things.
    if (found.has(id)) throw new MalformedDer("an extension stands twice");
    found.set(id, only(parts.at(-1), Tag.OCTET_STRING).body);
  }
  return found;
}

function subjectNames(extension: Uint8Array | undefined): readonly DerElement[] {
  return extension === undefined ? [] : readChildren(readDer(extension)[0]);
}

function namesOf(kind: number, names: readonly DerElement[]): string[] {
  return names.filter(({ tag }) => tag === kind).map(({ body }) => Buffer.from(body).toString("latin1"));
}

function addressesOf(names: readonly DerElement[]): string[] {
  return names.filter(({ tag }) => tag === IP_NAME).map(({ body }) => addressText(body));
}

/** IPv6 with all its groups: whoever compares writes the other one so too. */
function addressText(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join(".");
  const groups = Array.from({ length: bytes.length >> 1 }, (_, i) => (bytes[i * 2]! << 8) | bytes[i * 2 + 1]!);
  return groups.map((group) => group.toString(16)).join(":");
}

function isAuthority(constraints: Uint8Array | undefined, usage: Uint8Array | undefined): boolean {
  const first = constraints === undefined ? undefined : readChildren(readDer(constraints)[0])[0];
  if (first?.tag === Tag.BOOLEAN && first.body[0] !== 0) return true;
  // The first byte of a bit string counts its idle bits.
  return usage !== undefined && ((readDer(usage)[0]?.body[1] ?? 0) & SIGNING_USAGE) !== 0;
}

function timeOf(element: DerElement | undefined): number {
  if (element === undefined) throw new MalformedDer("a time is missing");
  const text = Buffer.from(element.body).toString("latin1");
  const digits = /^(\d{2}|\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})Z$/.exec(text);
  const yearDigits = element.tag === Tag.UTC_TIME ? 2 : element.tag === Tag.GENERALIZED_TIME ? 4 : 0;
  if (digits?.[1]?.length !== yearDigits) throw new MalformedDer("a time of another form");
  const [year, month, day, hour, minute, second] = digits.slice(1).map(Number) as [number, ...number[]];
  // RFC 5280 4.1.2.5.1: two digits mean 1950 to 2049.
  const fullYear = yearDigits === 4 ? year : year + (year >= 50 ? 1900 : 2000);
  return Date.UTC(fullYear, month! - 1, day, hour, minute, second);
}

function only(element: DerElement | readonly DerElement[] | undefined, tag: number): DerElement {
  const one = Array.isArray(element) ? (element.length === 1 ? element[0] : undefined) : element;
  if (one?.tag !== tag) throw new MalformedDer("an element is missing or of another kind");
  return one;
}

function children(element: DerElement): DerElement[] {
  return readDer(element.body);
}

function readChildren(element: DerElement | undefined): DerElement[] {
  return children(only(element, Tag.SEQUENCE));
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
