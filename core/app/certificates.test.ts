import { afterAll, beforeAll, expect, test } from "bun:test";
import { type Certificates, certificates, type IdentityFiles } from "../../test/harness/certificates.ts";
import type { GatewayTlsModel } from "../snapshot/mod.ts";
import { ListenerCertificates } from "./certificates.ts";

const ID = "spiffe://example.org/ns/default/sa/edge";

const made = {} as { authority: Certificates; web: IdentityFiles; wild: IdentityFiles; other: IdentityFiles };

beforeAll(async () => {
  const authority = await certificates();
  const [web, wild, other] = await Promise.all(
    ["web.example.com", "*.example.com,DNS:Example.com", "other.org"].map((name) => authority.issue(ID, 3600, name)),
  );
  Object.assign(made, { authority, web, wild, other });
});

afterAll(() => made.authority[Symbol.asyncDispose]());

test("a name gets the certificate that has it, then the one whose wildcard takes it, then the first", () => {
  const found = chooser({ certificates: [made.other, made.wild, made.web] });

  expect(["web.example.com", "api.example.com", "example.com", "elsewhere.net", ""].map(found)).toEqual([
    made.web.certificate,
    made.wild.certificate,
    made.wild.certificate,
    made.other.certificate,
    made.other.certificate,
  ]);
});

test("without a certificate there is none to show, and one that cannot be read has no names", () => {
  const broken = { certificate: "no PEM", privateKey: "" };

  expect(chooser({ certificates: [] })("web.example.com")).toBeUndefined();
  expect(chooser({ certificates: [made.other, broken] })("web.example.com")).toBe(made.other.certificate);
});

test("the same options serve every connection: TLS finds its context by them", () => {
  const all = new ListenerCertificates(model({ certificates: [made.web] }), true, 1);

  expect(all.for("web.example.com")).toBe(all.for("elsewhere.net"));
});

test("clients are asked for a certificate where their roots are given, and judged by it where they must have one", () => {
  const clients = (mode: "AllowValidOnly" | "AllowInsecureFallback") => {
    const all = new ListenerCertificates(
      model({ certificates: [made.web], clients: { roots: "roots", mode } }),
      true,
      1,
    );
    return [all.verifies, all.for("")];
  };

  expect(new ListenerCertificates(model({ certificates: [made.web] }), true, 1).for("")).not.toHaveProperty("ca");
  expect(clients("AllowValidOnly")).toMatchObject([true, { ca: "roots", requestCert: true, rejectUnauthorized: true }]);
  expect(clients("AllowInsecureFallback")).toMatchObject([
    false,
    { ca: "roots", requestCert: true, rejectUnauthorized: false },
  ]);
});

test("no protocol is offered where no HTTP is spoken inside", () => {
  const inside = (isHttp: boolean) =>
    new ListenerCertificates(model({ certificates: [made.web] }), isHttp, 1).for("")?.ALPNProtocols?.toString();

  expect([inside(true), inside(false)]).toEqual(["\x02h2\x08http/1.1", undefined]);
});

function model(tls: Partial<GatewayTlsModel>): GatewayTlsModel {
  return { mode: "Terminate", certificates: [], ...tls };
}

function chooser(tls: Partial<GatewayTlsModel>): (name: string) => string | undefined {
  const all = new ListenerCertificates(model(tls), true, 1);
  return (name) => all.for(name)?.cert;
}
