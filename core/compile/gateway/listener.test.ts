import { beforeAll, expect, test } from "bun:test";
import {
  compiled,
  configMap,
  gatewayOf,
  grant,
  https,
  listener,
  route,
  secret,
  service,
  setOf,
  told,
} from "../../../test/harness/gateway-manifests.ts";
import { keyPair } from "../../../test/harness/mod.ts";

/** A certificate with its key, and another key. */
const PAIR = { certificate: "", privateKey: "", stranger: "" };

beforeAll(async () => {
  Object.assign(PAIR, await keyPair(), { stranger: (await keyPair()).privateKey });
});

test("listeners in conflict serve nothing and say why", () => {
  const { gateway, status } = compiled(
    gatewayOf("edge", [listener("http", "HTTP", 80), listener("tcp", "TCP", 80), listener("fine", "HTTP", 81)]),
  );

  expect(gateway("default/edge").ports.map(({ port }) => port)).toEqual([81]);
  for (const name of ["http", "tcp"])
    expect(told(status.listener("edge", name).conditions)).toEqual([
      "Accepted False ProtocolConflict",
      "Programmed False ProtocolConflict",
      "Conflicted True ProtocolConflict",
      "ResolvedRefs True ResolvedRefs",
    ]);
});

test("a listener terminates TLS with the certificates of its Secrets", () => {
  const { gateway, status } = compiled(
    gatewayOf("edge", [
      https("https", 443, "[{name: pair}]"),
      listener("pass", "TLS", 443, { hostname: "b.example", tls: "{mode: Passthrough}" }),
    ]),
    secret("pair", PAIR.certificate, PAIR.privateKey),
  );
  const { certificate, privateKey } = PAIR;

  expect(gateway("default/edge").ports).toMatchObject([
    {
      port: 443,
      transport: "tls",
      listeners: [
        { hostname: "", tls: { mode: "Terminate", certificates: [{ certificate, privateKey }] }, hosts: [] },
        { hostname: "b.example", tls: { mode: "Passthrough", certificates: [] }, connections: [] },
      ],
    },
  ]);
  expect(told(status.listener("edge", "https").conditions)).toContain("OverlappingTLSConfig True OverlappingHostnames");
});

test("what is wrong with a certificate keeps its listener from serving, and others not", () => {
  const table: readonly (readonly [string, string, string])[] = [
    ["[{name: none}]", "InvalidCertificateRef", "There is no Secret default/none"],
    ["[{name: pair, kind: ConfigMap}]", "InvalidCertificateRef", "is not a Secret"],
    ["[{name: odd}]", "InvalidCertificateRef", "its tls.key is not the key of its tls.crt"],
    ["[{name: pair, namespace: other}]", "RefNotPermitted", "No ReferenceGrant in other"],
  ];

  for (const [refs, reason, message] of table) {
    const { gateway, status } = compiled(
      gatewayOf("edge", [https("https", 443, refs), listener("http", "HTTP", 80)]),
      secret("pair", PAIR.certificate, PAIR.privateKey),
      secret("pair", PAIR.certificate, PAIR.privateKey, "other"),
      secret("odd", PAIR.certificate, PAIR.stranger),
    );
    const { conditions } = status.listener("edge", "https");

    expect(told(conditions)).toEqual([
      "Accepted True Accepted",
      "Programmed False Invalid",
      "Conflicted False NoConflicts",
      `ResolvedRefs False ${reason}`,
    ]);
    expect(conditions[3]?.message).toContain(message);
    expect(told(status.gateway("edge").conditions)).toEqual([
      "Accepted True Accepted",
      "Programmed True Programmed",
      "ResolvedRefs False ListenersNotResolved",
    ]);
    expect(gateway("default/edge").ports.map(({ port }) => port)).toEqual([80]);
    expect(JSON.stringify(gateway("default/edge"))).not.toContain("PRIVATE");
  }
});

test("with one of several certificates a listener serves, and says that another cannot be had", () => {
  const { gateway, status } = compiled(
    gatewayOf("edge", [https("https", 443, "[{name: none}, {name: pair}]")]),
    secret("pair", PAIR.certificate, PAIR.privateKey),
  );

  expect(gateway("default/edge").ports[0]?.listeners[0]?.tls?.certificates).toHaveLength(1);
  expect(told(status.listener("edge", "https").conditions)).toEqual([
    "Accepted True Accepted",
    "Programmed True Programmed",
    "Conflicted False NoConflicts",
    "ResolvedRefs False InvalidCertificateRef",
  ]);
});

test("a ReferenceGrant lets a Gateway use the certificate of another namespace, a ListenerSet not along with it", () => {
  const { status } = compiled(
    gatewayOf("edge", [https("https", 443, "[{name: pair, namespace: other}]")], { allowedListeners: "All" }),
    setOf("set", [https("https", 8443, "[{name: pair, namespace: other}]")]),
    secret("pair", PAIR.certificate, PAIR.privateKey, "other"),
    grant("other", "Gateway", "Secret"),
  );

  expect(told(status.listener("edge", "https").conditions)).toContain("ResolvedRefs True ResolvedRefs");
  expect(told(status.set("set").listeners[0]!.conditions)).toContain("ResolvedRefs False RefNotPermitted");
  // Its only listener has nothing to serve with.
  expect(told(status.set("set").conditions)).toEqual([
    "Accepted False ListenersNotValid",
    "Programmed False ListenersNotValid",
  ]);
});

test("clients of HTTPS are checked as the Gateway says, by port", () => {
  const frontend = `{default: {validation: {caCertificateRefs: [{group: "", kind: ConfigMap, name: roots}]}},
    perPort: [{port: 8443, tls: {validation: {mode: AllowInsecureFallback, caCertificateRefs: [{group: "", kind: ConfigMap, name: roots}]}}},
      {port: 9443, tls: {}}, {port: 9444, tls: {validation: {caCertificateRefs: [{group: "", kind: Secret, name: roots}]}}}]}`;
  const { gateway, status } = compiled(
    gatewayOf(
      "edge",
      [443, 8443, 9443, 9444].map((port) => https(`https-${port}`, port, "[{name: pair}]")),
      {
        tls: `{frontend: ${frontend}}`,
      },
    ),
    secret("pair", PAIR.certificate, PAIR.privateKey),
    configMap("roots", PAIR.certificate),
  );
  const clients = gateway("default/edge").ports.map(({ port, listeners }) => [port, listeners[0]?.tls?.clients?.mode]);

  expect(clients).toEqual([
    [443, "AllowValidOnly"],
    [8443, "AllowInsecureFallback"],
    [9443, undefined],
  ]);
  expect(told(status.listener("edge", "https-9444").conditions)).toEqual([
    "Accepted False NoValidCACertificate",
    "Programmed False Invalid",
    "Conflicted False NoConflicts",
    "ResolvedRefs False InvalidCACertificateKind",
  ]);
  expect(told(status.gateway("edge").conditions)).toContain("InsecureFrontendValidationMode True ConfigurationChanged");
});

test("a Gateway proves itself to backends with the certificate it names", () => {
  const tls = (name: string) => ({ tls: `{backend: {clientCertificateRef: {name: ${name}}}}` });
  const { gateway, status } = compiled(
    gatewayOf("edge", [listener("http", "HTTP", 80)], tls("pair")),
    gatewayOf("odd", [listener("http", "HTTP", 80)], tls("none")),
    secret("pair", PAIR.certificate, PAIR.privateKey),
  );

  expect(gateway("default/edge").backendCertificate?.certificate).toBe(PAIR.certificate);
  expect(gateway("default/odd").backendCertificate).toBeUndefined();
  expect(told(status.gateway("odd").conditions)).toEqual([
    "Accepted True Accepted",
    "Programmed True Programmed",
    "ResolvedRefs False InvalidClientCertificateRef",
  ]);
});

test("a listener says which of the kinds it names it cannot take", () => {
  const kinds = (...names: readonly string[]) => ({
    allowedRoutes: `{kinds: [${names.map((kind) => `{kind: ${kind}}`).join(", ")}]}`,
  });
  const { status } = compiled(
    gatewayOf("edge", [
      listener("some", "HTTP", 80, kinds("HTTPRoute", "TCPRoute")),
      listener("none", "HTTP", 81, kinds("OddRoute")),
      listener("grpc", "HTTP", 82, kinds("GRPCRoute")),
    ]),
    service("web"),
    route("web", { parentRefs: "[{name: edge}]" }),
  );
  const seen = ["some", "none", "grpc"].map((name) => {
    const { supportedKinds, conditions, attachedRoutes } = status.listener("edge", name);
    return [supportedKinds.map(({ kind }) => kind), told(conditions)[3], attachedRoutes];
  });

  expect(seen).toEqual([
    [["HTTPRoute"], "ResolvedRefs False InvalidRouteKinds", 1],
    [[], "ResolvedRefs False InvalidRouteKinds", 0],
    [["GRPCRoute"], "ResolvedRefs True ResolvedRefs", 0],
  ]);
});
