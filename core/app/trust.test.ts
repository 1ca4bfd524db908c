import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { X509Certificate } from "node:crypto";
import { type Certificates, certificates, type IdentityFiles } from "../../test/harness/certificates.ts";
import { ClusterState, Endpoint } from "../cluster/mod.ts";
import type { MeshModel } from "../snapshot/mod.ts";
import { Trust } from "./trust.ts";

const WEB = "spiffe://example.org/ns/default/sa/web";
const SHOP = "spiffe://example.org/ns/default/sa/shop";
const ABROAD = "spiffe://abroad.org/ns/default/sa/shop";
const MESH: MeshModel = {
  trustDomain: "example.org",
  trustDomainAliases: [],
  mtls: "STRICT",
  egress: "ALLOW_ANY",
  requestTimeoutMs: 0,
};

const made = {} as { authority: Certificates; web: IdentityFiles; shop: IdentityFiles; abroad: IdentityFiles };

beforeAll(async () => {
  const authority = await certificates();
  const [web, shop, abroad] = await Promise.all([WEB, SHOP, ABROAD].map((id) => authority.issue(id)));
  Object.assign(made, { authority, web, shop, abroad });
});

afterAll(() => made.authority[Symbol.asyncDispose]());

test("without a certificate there is nothing to prove with, inside or outside", () => {
  const trust = new Trust(() => MESH);

  expect([trust.server(true).options(), trust.client().options(endpoint(WEB), "http1"), trust.principal]).toEqual([
    null,
    null,
    null,
  ]);
});

test("a newer certificate is what connections from now on prove, and the options of the old one stay as they were", () => {
  const trust = trusting();
  const [server, client] = [trust.server(true), trust.client()];
  const before = [server.options(), client.options(endpoint(WEB), "http1")] as { cert: string }[];

  trust.identify({ ...made.shop, spiffeId: SHOP });

  expect(before.map(({ cert }) => cert)).toEqual([made.web.certificate, made.web.certificate]);
  expect(server.options()).toMatchObject({ cert: made.shop.certificate, key: made.shop.privateKey });
  expect(client.options(endpoint(WEB), "http1")).toMatchObject({ cert: made.shop.certificate });
  expect(trust.principal).toBe(SHOP);
  // The same object for every connection: the TLS context is found by it.
  expect(server.options()).toBe(server.options());
});

describe("a peer", () => {
  test("is who its certificate says", () => {
    expect(trusting().server(true).peer(socket(made.shop))).toBe(SHOP);
  });

  test("of another trust domain is nobody of the mesh, though our own roots signed it, unless an alias says so", () => {
    const aliased = new Trust(() => ({ ...MESH, trustDomainAliases: ["abroad.org"] }));
    aliased.identify({ ...made.web, spiffeId: WEB });

    expect(trusting().server(true).peer(socket(made.abroad))).toBeNull();
    expect(aliased.server(true).peer(socket(made.abroad))).toBe(ABROAD);
    expect(trusting().server(false).peer(socket(made.abroad))).toBe(ABROAD);
  });

  test("without a certificate is nobody", () => {
    expect(trusting().server(true).peer(socket(null))).toBeNull();
  });

  test("is not asked for a certificate at the edge", () => {
    const edge = new Trust(() => MESH);
    edge.identify({ ...made.web, spiffeId: null, bundle: null });

    expect([edge.server(false).verifiesPeer(), trusting().server(true).verifiesPeer()]).toEqual([false, true]);
    expect(edge.server(false).options()).not.toHaveProperty("requestCert");
  });
});

describe("an endpoint", () => {
  const nameDiffers = { name: "Error", code: "ERR_TLS_CERT_ALTNAME_INVALID", message: "other name" };
  const unverified = { name: "Error", code: "UNABLE_TO_VERIFY_LEAF_SIGNATURE", message: "unverified" };

  test("with an identity must prove exactly that one", () => {
    const client = trusting().client();

    expect(client.verify(nameDiffers, socket(made.web), endpoint(WEB))).toBeNull();
    expect(client.verify(null, socket(made.shop), endpoint(WEB))).toBe(`it is "${SHOP}", not "${WEB}"`);
    expect(client.verify(null, socket(null), endpoint(WEB))).not.toBeNull();
    expect(client.verify(unverified, socket(made.web), endpoint(WEB))).toContain("UNABLE_TO_VERIFY");
  });

  test("without one must be known to our roots, whatever its name", () => {
    const client = trusting().client();

    expect(client.verify(nameDiffers, socket(null), endpoint(null))).toBeNull();
    expect(client.verify(unverified, socket(null), endpoint(null))).toBe("UNABLE_TO_VERIFY_LEAF_SIGNATURE");
  });
});

function trusting(): Trust {
  const trust = new Trust(() => MESH);
  trust.identify({ ...made.web, spiffeId: WEB });
  return trust;
}

function socket(identity: IdentityFiles | null): never {
  const shown = identity === null ? undefined : { raw: new X509Certificate(identity.certificate).raw };
  return { getPeerX509Certificate: () => shown } as never;
}

function endpoint(identity: string | null): Endpoint {
  const workload = { name: "web", namespace: "default", app: "web", version: "" };
  const model = { address: "127.0.0.1", port: 80, weight: 1, workload };
  const state = new ClusterState("default/web:80", { ejected() {}, returned() {} });
  return new Endpoint(state, identity === null ? model : { ...model, identity });
}
