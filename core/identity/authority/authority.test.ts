import { afterAll, expect, test } from "bun:test";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fakeClock } from "../../../test/harness/mod.ts";
import { systemClock } from "../../base/mod.ts";
import { fingerprints, readCertificate, readLeaf } from "../certificate.ts";
import { createRequest } from "../csr.ts";
import { decodePem } from "../pem.ts";
import {
  type Authority,
  type AuthorityKeys,
  type AuthorityOptions,
  type KeyStore,
  openAuthority,
} from "./authority.ts";
import { UnusableAuthority } from "./given.ts";
import { CsrRefused } from "./request.ts";
import { x509 } from "./x509.ts";

const CART = "spiffe://example.org/ns/shop/sa/cart";
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const START = Date.UTC(2026, 0, 1);

const folder = await mkdtemp(join(tmpdir(), "authority-"));
afterAll(() => rm(folder, { recursive: true }));

test("an SVID names its workload, lives an hour, and may be used on both sides", async () => {
  const authority = await open();

  const { certificate } = await issue(authority, CART);

  const leaf = new x509.X509Certificate(decodePem("CERTIFICATE", certificate)[0]!);
  expect(leaf.notAfter.getTime()).toBe(START + HOUR_MS);
  expect(leaf.notBefore.getTime()).toBe(START - 60_000);
  expect(leaf.getExtension(x509.BasicConstraintsExtension)).toMatchObject({ ca: false, critical: true });
  expect(leaf.getExtension(x509.KeyUsagesExtension)!.usages).toBe(x509.KeyUsageFlags.digitalSignature);
  expect(leaf.getExtension(x509.ExtendedKeyUsageExtension)!.usages.map(String)).toEqual([
    x509.ExtendedKeyUsage.serverAuth,
    x509.ExtendedKeyUsage.clientAuth,
  ]);
  expect(readLeaf(certificate).uris).toEqual([CART]);
});

test("the chain is leaf and intermediate; the bundle is the root and is not sent", async () => {
  const authority = await open();

  const { certificate, bundle } = await issue(authority, CART);

  const [leaf, intermediate, ...more] = facts(certificate);
  const roots = facts(bundle);
  expect([leaf!.isAuthority, intermediate!.isAuthority, more.length]).toEqual([false, true, 0]);
  expect(roots.map((root) => [root.isAuthority, root.notAfter])).toEqual([[true, START + 3650 * DAY_MS]]);
  expect(intermediate!.notAfter).toBe(START + 365 * DAY_MS);
  expect(authority.rootFingerprint).toBe(fingerprints(bundle)[0]!);
});

test("serial numbers are 16 random bytes", async () => {
  const authority = await open();

  const serials = await Promise.all(
    Array.from({ length: 20 }, async () => readLeaf((await issue(authority, CART)).certificate).serial),
  );

  expect(new Set(serials).size).toBe(20);
  expect(serials.every((serial) => /^[4-7][0-9a-f]{31}$/.test(serial))).toBe(true);
});

test("a lifetime of seconds ends when it says", async () => {
  const authority = await open({ leafLifetimeMs: 2000 });

  expect(readLeaf((await issue(authority, CART)).certificate).notAfter).toBe(START + 2000);
});

test("the second start has the authority of the first", async () => {
  const store = memoryStore();
  const first = await open({ store });

  const second = await open({ store });

  expect(second.bundle).toBe(first.bundle);
  expect(store.saves).toBe(1);
});

test("an authority is kept before it has signed anything, or it does not open", async () => {
  const store = memoryStore();
  store.save = async () => {
    throw new Error("disk full");
  };

  await expect(open({ store })).rejects.toThrow("disk full");
});

test("the intermediate is renewed in the last third of its life, once for all who wait, and the root stays", async () => {
  const clock = fakeClock(START);
  const store = memoryStore();
  const authority = await open({ clock, store });
  const before = await issue(authority, CART);

  clock.advance(200 * DAY_MS);
  const early = await issue(authority, CART);
  clock.advance(100 * DAY_MS);
  const late = await Promise.all([issue(authority, CART), issue(authority, CART)]);

  expect(intermediateOf(early)).toBe(intermediateOf(before));
  expect(intermediateOf(late[0]!)).not.toBe(intermediateOf(before));
  expect(intermediateOf(late[1]!)).toBe(intermediateOf(late[0]!));
  expect(facts(late[0]!.certificate)[1]!.notAfter).toBe(START + 665 * DAY_MS);
  expect(late[0]!.bundle).toBe(before.bundle);
  expect(store.saves).toBe(2);
  expect(intermediateOf(await issue(await open({ clock, store }), CART))).toBe(intermediateOf(late[0]!));
});

test("no certificate outlives the one that signed it", async () => {
  const authority = await open({ rootLifetimeMs: DAY_MS, leafLifetimeMs: 10 * DAY_MS });

  const { certificate } = await issue(authority, CART);

  expect(facts(certificate).map((one) => one.notAfter)).toEqual([START + DAY_MS, START + DAY_MS]);
});

test("a request for another identity than the attested one is refused", async () => {
  const authority = await open();
  const { csr } = await createRequest("spiffe://example.org/ns/shop/sa/admin");

  await expect(authority.issue(csr, CART)).rejects.toThrow(
    `Cannot certify "${CART}": the request is for "spiffe://example.org/ns/shop/sa/admin"`,
  );
});

test("an identity of another trust domain is refused", async () => {
  const authority = await open();
  const foreign = "spiffe://example.com/ns/shop/sa/cart";

  await expect(issue(authority, foreign)).rejects.toThrow(CsrRefused);
});

test("a request whose signature is broken is refused", async () => {
  const authority = await open();
  const der = Buffer.from(decodePem("CERTIFICATE REQUEST", (await createRequest(CART)).csr)[0]!);
  der[der.length - 1]! ^= 1;

  await expect(authority.issue(der.toString("base64"), CART)).rejects.toThrow(
    `Cannot certify "${CART}": the request is not signed by its key`,
  );
});

test("requests with two names, no name, another kind of key, or no request at all are refused", async () => {
  const authority = await open();
  const p256 = { name: "ECDSA", namedCurve: "P-256" };
  const requests = [
    await foreignRequest(p256, [CART, CART]),
    await foreignRequest(p256, []),
    await foreignRequest({ name: "ECDSA", namedCurve: "P-384" }, [CART]),
    "nonsense",
    "",
    "A".repeat(20_000),
  ];

  for (const csr of requests) await expect(authority.issue(csr, CART)).rejects.toThrow(CsrRefused);
});

test("what a request asks for beside its identity is not granted", async () => {
  const authority = await open();
  const csr = await foreignRequest({ name: "ECDSA", namedCurve: "P-256" }, [CART], "CN=admin", ["bank.example"]);

  const { certificate } = await authority.issue(csr, CART);

  const leaf = new x509.X509Certificate(decodePem("CERTIFICATE", certificate)[0]!);
  expect(leaf.subject).toBe("O=mesh");
  expect(leaf.getExtension(x509.BasicConstraintsExtension)!.ca).toBe(false);
  expect(leaf.getExtension(x509.SubjectAlternativeNameExtension)!.names.items.map((name) => name.value)).toEqual([
    CART,
  ]);
});

test("the control plane's certificate has the names and addresses it is dialled by", async () => {
  const authority = await open();
  const id = "spiffe://example.org/mesh/control";
  const { csr } = await createRequest(id);

  const { certificate } = await authority.issue(csr, id, { dns: ["localhost"], addresses: ["127.0.0.1", "::1"] });

  const leaf = new x509.X509Certificate(decodePem("CERTIFICATE", certificate)[0]!);
  const names = leaf.getExtension(x509.SubjectAlternativeNameExtension)!.names.items;
  expect(names.map((name) => `${name.type} ${name.value}`)).toEqual([
    `url ${id}`,
    "dns localhost",
    "ip 127.0.0.1",
    "ip ::1",
  ]);
});

test("a given authority signs instead, with the chain up to its root", async () => {
  const store = memoryStore();
  const given = await givenAuthority();

  const authority = await open({ given, store });
  const { certificate, bundle } = await issue(authority, CART);

  expect(facts(certificate).map((one) => one.isAuthority)).toEqual([false, true]);
  expect(intermediateOf({ certificate })).toBe(fingerprints(given.certificate)[0]!);
  expect(fingerprints(bundle)).toEqual([fingerprints(given.certificate)[1]!]);
  expect(store.saves).toBe(0);
});

test("a given authority that cannot sign is refused with the reason", async () => {
  const given = await givenAuthority();
  const [first] = given.certificate.split(/(?<=-----END CERTIFICATE-----\n)/);
  const leaf = await issue(await open(), CART);
  const other = await createRequest(CART);
  const cases = [
    [{ ...given, certificate: "" }, "no certificate in the file"],
    [{ ...given, certificate: first! }, "the file must end with the root certificate"],
    [{ ...given, certificate: leaf.certificate }, '"O=mesh" may not sign certificates'],
    [{ ...given, privateKey: other.privateKey }, "the key is not the key of"],
    [{ ...given, privateKey: "nonsense" }, "the key file is not an unencrypted PEM private key"],
  ] as const;

  for (const [broken, reason] of cases) {
    await expect(open({ given: broken })).rejects.toThrow(UnusableAuthority);
    await expect(open({ given: broken })).rejects.toThrow(reason);
  }
  await expect(open({ given, clock: fakeClock(START + 4000 * DAY_MS) })).rejects.toThrow("it expired at");
});

test.skipIf(Bun.which("openssl") === null)("openssl verifies the chain, also of a given RSA authority", async () => {
  const own = await open({ clock: systemClock });
  const given = await open({ clock: systemClock, given: opensslAuthority() });

  for (const authority of [own, given]) {
    const { certificate, bundle } = await issue(authority, CART);
    expect(await opensslVerify(certificate, bundle, "sslserver")).toContain("leaf.pem: OK");
    expect(await opensslVerify(certificate, bundle, "sslclient")).toContain("leaf.pem: OK");
  }
  const foreign = await issue(own, CART);
  expect(await opensslVerify(foreign.certificate, given.bundle, "sslserver")).not.toContain("OK");
});

function open(options: Partial<AuthorityOptions> = {}): Promise<Authority> {
  return openAuthority({ trustDomain: "example.org", clock: fakeClock(START), store: memoryStore(), ...options });
}

async function issue(authority: Authority, spiffeId: string) {
  return await authority.issue((await createRequest(spiffeId)).csr, spiffeId);
}

function facts(pem: string) {
  return decodePem("CERTIFICATE", pem).map(readCertificate);
}

function intermediateOf({ certificate }: { readonly certificate: string }): string {
  return fingerprints(certificate)[1]!;
}

function memoryStore(): KeyStore & { saves: number } {
  let kept: AuthorityKeys | null = null;
  return {
    saves: 0,
    async load() {
      return kept;
    },
    async save(keys) {
      kept = keys;
      this.saves++;
    },
  };
}

async function foreignRequest(algorithm: EcAlgorithm, uris: readonly string[], name = "", dns: readonly string[] = []) {
  const keys = (await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"])) as CryptoKeyPair;
  const names = [
    ...uris.map((value) => ({ type: "url" as const, value })),
    ...dns.map((value) => ({ type: "dns" as const, value })),
  ];
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name,
    keys,
    signingAlgorithm: { name: "ECDSA", hash: "SHA-256" },
    extensions: [
      new x509.BasicConstraintsExtension(true, 2, true),
      ...(names.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension(names)]),
    ],
  });
  return request.toString("pem");
}

interface EcAlgorithm {
  readonly name: string;
  readonly namedCurve: string;
}

// The intermediate of one of our own authorities, as an operator would bring it: with its root and its key.
async function givenAuthority() {
  const store = memoryStore();
  await open({ store });
  const { root, intermediate } = (await store.load())!;
  return { certificate: intermediate.certificate + root.certificate, privateKey: intermediate.privateKey };
}

function opensslAuthority() {
  const key = Bun.spawnSync(["openssl", "genrsa", "-traditional", "2048"]).stdout.toString();
  const extensions = ["-addext", "basicConstraints=critical,CA:true", "-addext", "keyUsage=critical,keyCertSign"];
  const args = ["-subj", "/CN=given", "-days", "2", ...extensions, "-key", "/dev/stdin"];
  const certificate = Bun.spawnSync(["openssl", "req", "-x509", "-new", ...args], { stdin: Buffer.from(key) }).stdout;
  return { certificate: certificate.toString(), privateKey: key };
}

async function opensslVerify(certificate: string, bundle: string, purpose: string): Promise<string> {
  const [leaf, chain, roots] = ["leaf.pem", "chain.pem", "roots.pem"].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  await Promise.all([writeFile(leaf, certificate), writeFile(chain, certificate), writeFile(roots, bundle)]);
  const args = ["-x509_strict", "-purpose", purpose, "-CAfile", roots, "-untrusted", chain, leaf];
  const { stdout, stderr } = Bun.spawnSync(["openssl", "verify", ...args]);
  return `${stdout}${stderr}`;
}
