import { expect, test } from "bun:test";
import { X509Certificate } from "node:crypto";
import { x509 } from "./authority/x509.ts";
import { fingerprints, readCertificate, readLeaf } from "./certificate.ts";
import { MalformedDer } from "./der.ts";
import { encodePem } from "./pem.ts";

const CART = "spiffe://example.org/ns/shop/sa/cart";
test("a certificate gives its serial, its times, its URI names and its key", async () => {
  const { bytes, certificate } = await selfSigned([url(CART), dns("cart.example.org")]);

  const facts = readCertificate(bytes);

  expect(facts.serial).toBe("0102");
  expect(facts.notBefore).toBe(Date.UTC(2026, 0, 2, 3, 4, 5));
  expect(facts.notAfter).toBe(Date.UTC(2027, 0, 2, 3, 4, 5));
  expect(facts.uris).toEqual([CART]);
  expect(facts.isAuthority).toBe(false);
  expect(Buffer.from(facts.publicKey)).toEqual(Buffer.from(certificate.publicKey.rawData));
});

test("times after 2049 have four digits of a year", async () => {
  const { bytes } = await selfSigned([], new Date(Date.UTC(2055, 5, 6, 7, 8, 9)));

  expect(readCertificate(bytes).notAfter).toBe(Date.UTC(2055, 5, 6, 7, 8, 9));
});

test("a name that holds a separator stays one name", async () => {
  const { bytes } = await selfSigned([url(`spiffe://td/a, URI:${CART}`), dns(`a, URI:${CART}`)]);

  expect(readCertificate(bytes).uris).toEqual([`spiffe://td/a, URI:${CART}`]);
});

test("all URI names are told, so that a second one can be refused", async () => {
  const { bytes } = await selfSigned([url(CART), url("spiffe://td/b")]);

  expect(readCertificate(bytes).uris).toEqual([CART, "spiffe://td/b"]);
});

test("a certificate without extensions names nobody", async () => {
  expect(readCertificate((await selfSigned(null)).bytes).uris).toEqual([]);
});

test("an authority is known by its constraints or by its key usage", async () => {
  const constraints = await selfSigned([], undefined, [new x509.BasicConstraintsExtension(true, 0, true)]);
  const usage = await selfSigned([], undefined, [new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true)]);
  const crl = await selfSigned([], undefined, [new x509.KeyUsagesExtension(x509.KeyUsageFlags.cRLSign, true)]);
  const leaf = await selfSigned([], undefined, [
    new x509.BasicConstraintsExtension(false, undefined, true),
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
  ]);

  expect([constraints, usage, crl, leaf].map(({ bytes }) => readCertificate(bytes).isAuthority)).toEqual([
    true,
    true,
    true,
    false,
  ]);
});

test("an extension that stands twice is malformed", async () => {
  const twice = [new x509.SubjectAlternativeNameExtension([url("spiffe://td/b")])];
  const { bytes } = await selfSigned([url(CART)], undefined, twice);

  expect(() => readCertificate(bytes)).toThrow(MalformedDer);
});

test("every truncation and every flipped byte is read or is malformed, and nothing else is thrown", async () => {
  const { bytes } = await selfSigned([url(CART)]);

  for (let end = 0; end < bytes.length; end++)
    expect(() => readCertificate(bytes.subarray(0, end))).toThrow(MalformedDer);
  for (let at = 0; at < bytes.length; at++) {
    for (const flip of [0x01, 0x80, 0xff]) {
      const broken = new Uint8Array(bytes);
      broken[at]! ^= flip;
      expect(problemOf(broken)).toBeOneOf([null, MalformedDer]);
    }
  }
});

test("the leaf of a chain is its first certificate", async () => {
  const [leaf, other] = [await selfSigned([url(CART)]), await selfSigned([url("spiffe://td/b")])];

  expect(readLeaf(leaf.pem + other.pem).uris).toEqual([CART]);
  expect(() => readLeaf("")).toThrow(MalformedDer);
});

test("fingerprints are those that other tools print", async () => {
  const { pem } = await selfSigned([]);

  const told = new X509Certificate(pem).fingerprint256.replaceAll(":", "").toLowerCase();

  expect(fingerprints(pem + pem)).toEqual([told, told]);
});

async function selfSigned(
  names: x509.JsonGeneralNames | null,
  notAfter = new Date(Date.UTC(2027, 0, 2, 3, 4, 5)),
  more: x509.Extension[] = [],
) {
  const algorithm = { name: "ECDSA", namedCurve: "P-256" };
  const keys = (await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"])) as CryptoKeyPair;
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: "0102",
    name: "CN=test",
    notBefore: new Date(Date.UTC(2026, 0, 2, 3, 4, 5)),
    notAfter,
    keys,
    signingAlgorithm: { name: "ECDSA", hash: "SHA-256" },
    extensions: names === null ? more : [new x509.SubjectAlternativeNameExtension(names), ...more],
  });
  const bytes = new Uint8Array(certificate.rawData);
  return { certificate, bytes, pem: encodePem("CERTIFICATE", bytes) };
}

function problemOf(bytes: Uint8Array): unknown {
  try {
    readCertificate(bytes);
    return null;
  } catch (error) {
    return (error as Error).constructor;
  }
}

function url(value: string): x509.JsonGeneralName {
  return { type: "url", value };
}

function dns(value: string): x509.JsonGeneralName {
  return { type: "dns", value };
}
