import { expect, test } from "bun:test";
import { keyPair } from "../../../test/harness/mod.ts";
import { judgePair, judgeRoots } from "./certificate.ts";

test("a certificate is usable with its own key only", async () => {
  const [one, other] = [await keyPair(), await keyPair()];
  const secret = { "tls.crt": one.certificate, "tls.key": one.privateKey };

  expect(judgePair(secret)).toEqual({ pair: one });
  expect(judgePair({ ...secret, "tls.crt": one.certificate + other.certificate })).toHaveProperty("pair");
  expect(judgePair({ ...secret, "tls.key": other.privateKey })).toEqual({
    problem: "its tls.key is not the key of its tls.crt",
  });
});

test("what is wrong with a certificate is told without what it holds", async () => {
  const { certificate, privateKey } = await keyPair();

  expect(judgePair({ "tls.crt": certificate })).toEqual({ problem: "it has no tls.key" });
  expect(judgePair({ "tls.key": privateKey })).toEqual({ problem: "it has no tls.crt" });
  expect(judgePair({ "tls.crt": "secret", "tls.key": privateKey })).toEqual({
    problem: "its tls.crt is not a certificate in PEM",
  });
  expect(judgePair({ "tls.crt": certificate, "tls.key": "secret" })).toEqual({
    problem: "its tls.key is not a private key in PEM",
  });
});

test("a certificate with a chain that cannot be read behind it is not usable", async () => {
  const { certificate, privateKey } = await keyPair();
  const cut = certificate.slice(0, certificate.length / 2);
  const broken = "-----BEGIN CERTIFICATE-----\nSGVsbG8=\n-----END CERTIFICATE-----\n";

  for (const chain of [broken, cut])
    expect(judgePair({ "tls.crt": certificate + chain, "tls.key": privateKey })).toEqual({
      problem: "TLS cannot be spoken with its tls.crt and tls.key: the chain is broken",
    });
});

test("a bundle of authorities is usable where every certificate in it can be read", async () => {
  const { certificate } = await keyPair();
  const broken = "-----BEGIN CERTIFICATE-----\nSGVsbG8=\n-----END CERTIFICATE-----\n";

  expect(judgeRoots({ "ca.crt": certificate })).toEqual({ roots: certificate });
  expect(judgeRoots({ "ca.crt": certificate + broken })).toEqual({
    problem: "certificate 2 of its ca.crt cannot be read",
  });
  expect(judgeRoots({ "ca.crt": "text" })).toEqual({ problem: "its ca.crt is not a certificate in PEM" });
  expect(judgeRoots({})).toEqual({ problem: "it has no ca.crt" });
});
