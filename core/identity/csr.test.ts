import { expect, test } from "bun:test";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { x509 } from "./authority/x509.ts";
import { createRequest } from "./csr.ts";

const CART = "spiffe://example.org/ns/shop/sa/cart";

test("a certificate library reads the request, and finds it signed by its own key", async () => {
  const { csr, publicKey } = await createRequest(CART);

  const request = new x509.Pkcs10CertificateRequest(csr);

  expect(await request.verify()).toBe(true);
  expect(request.subject).toBe("");
  expect(Buffer.from(request.publicKey.rawData)).toEqual(Buffer.from(publicKey));
});

test("the request names the SPIFFE ID, critically, and nothing else", async () => {
  const { csr } = await createRequest(CART);

  const { extensions } = new x509.Pkcs10CertificateRequest(csr);

  expect(extensions.map((extension) => extension.type)).toEqual(["2.5.29.17"]);
  expect(extensions[0]!.critical).toBe(true);
  const { names } = new x509.SubjectAlternativeNameExtension(extensions[0]!.rawData);
  expect(names.items.map(({ type, value }) => ({ type, value }))).toEqual([{ type: "url", value: CART }]);
});

test("a request with the longest id is read", async () => {
  const longest = `spiffe://${"d".repeat(255)}/${"a".repeat(2048 - 265)}`;
  const { csr } = await createRequest(longest);

  const request = new x509.Pkcs10CertificateRequest(csr);

  expect(await request.verify()).toBe(true);
});

test("every signature is well formed, also where r or s begin with zeros or a high bit", async () => {
  const verdicts = await Promise.all(
    Array.from({ length: 64 }, async () => new x509.Pkcs10CertificateRequest((await createRequest(CART)).csr).verify()),
  );

  expect(verdicts).toEqual(Array.from({ length: 64 }, () => true));
});

test("every request has a key of its own", async () => {
  const [one, two] = await Promise.all([createRequest(CART), createRequest(CART)]);

  expect(one.privateKey).not.toBe(two.privateKey);
});

test.skipIf(Bun.which("openssl") === null)("openssl verifies the request and prints its name", async () => {
  const { csr, privateKey } = await createRequest(CART);
  const folder = await mkdtemp(join(tmpdir(), "csr-"));
  const file = join(folder, "request.pem");
  await writeFile(file, csr);

  const req = Bun.spawnSync(["openssl", "req", "-in", file, "-verify", "-noout", "-text"]);
  const key = Bun.spawnSync(["openssl", "pkey", "-noout", "-check"], { stdin: Buffer.from(privateKey) });
  await rm(folder, { recursive: true });

  expect(req.stdout.toString()).toContain(`URI:${CART}`);
  expect(req.stdout.toString()).toContain("X509v3 Subject Alternative Name: critical");
  expect(req.stderr.toString()).toContain("verify OK");
  expect(req.exitCode).toBe(0);
  expect(key.stdout.toString()).toContain("Key is valid");
});
