import { join } from "node:path";
import { type Folder, output } from "../../harness/mod.ts";

/** A certificate with its key, and the root that vouches for it. */
export interface Pair {
  readonly certificate: string;
  readonly privateKey: string;
  readonly root: string;
}

/** Everything a run's manifests refer to: Secrets and ConfigMaps of these names are made from it. */
export interface Pki {
  /** For the listeners of Gateways: every host name the tests use. */
  readonly listener: Pair;
  /** Of the backends that Gateways reach by TLS: abc.example.com and a SPIFFE ID. */
  readonly backend: Pair;
  /** Of the backends behind TLS passthrough: abc.example.com. */
  readonly passthrough: Pair;
  /** A client of Gateways that ask for certificates. */
  readonly client: Pair;
  /** A client of another root. */
  readonly stranger: Pair;
  /** What a Gateway proves to its backends. */
  readonly gateway: Pair;
}

const LISTENER_NAMES = [
  ...["example.org", "*.example.org", "example.com", "*.example.com", "second-example.org", "unknown-example.org"],
  ...["*.wildcard.org", "*.wildcard.io", "*.wildcard.com", "very.specific.com", "*.specific.com", "*.org", "*.com"],
];

/** Makes all of them, each signed by a root of its own: nothing of ours signs what ours must judge. */
export async function makePki(folder: Folder): Promise<Pki> {
  const dns = (names: readonly string[]): string => names.map((name) => `DNS:${name}`).join(",");
  const [listener, backend, passthrough, client, stranger, gateway] = await Promise.all([
    pair(folder, "listener", dns(LISTENER_NAMES)),
    pair(
      folder,
      "backend",
      `${dns(["abc.example.com", "other.example.com"])},URI:spiffe://abc.example.com/test-identity`,
    ),
    pair(folder, "passthrough", dns(["abc.example.com", "*.example.com"])),
    pair(folder, "client", dns(["client.example.com"])),
    pair(folder, "stranger", dns(["client.example.com"])),
    pair(folder, "gateway", dns(["gateway.example.com"])),
  ]);
  return { listener, backend, passthrough, client, stranger, gateway };
}

const KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

async function pair(folder: Folder, name: string, names: string): Promise<Pair> {
  const at = (extension: string): string => join(folder.path, `${name}.${extension}`);
  await output(
    ["openssl", "req", "-x509", ...KEY, "-subj", `/CN=${name} root`, "-days", "2"].concat([
      "-addext",
      "keyUsage=critical,keyCertSign,cRLSign",
      "-keyout",
      at("root.key"),
      "-out",
      at("root.pem"),
    ]),
  );
  await folder.write(
    `${name}.ext`,
    `subjectAltName=${names}\nbasicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\n`,
  );
  await output(["openssl", "req", ...KEY, "-new", "-subj", `/CN=${name}`, "-keyout", at("key"), "-out", at("csr")]);
  await output(
    ["openssl", "x509", "-req", "-days", "2", "-in", at("csr"), "-CA", at("root.pem"), "-CAkey", at("root.key")].concat(
      ["-CAcreateserial", "-extfile", at("ext"), "-out", at("pem")],
    ),
  );
  const [certificate, privateKey, root] = await Promise.all(
    ["pem", "key", "root.pem"].map((extension) => Bun.file(at(extension)).text()),
  );
  return { certificate: certificate!, privateKey: privateKey!, root: root! };
}

const INFRA = "gateway-conformance-infra";
const WEB = "gateway-conformance-web-backend";

/** Secrets and ConfigMaps by the names that the manifests have for them. */
export function pkiDocuments(pki: Pki): readonly object[] {
  return [
    secret(INFRA, "tls-validity-checks-certificate", pki.listener),
    secret(INFRA, "tls-checks-certificate", pki.backend),
    secret(INFRA, "tls-passthrough-checks-certificate", pki.passthrough),
    secret("gateway-conformance-app-backend", "tls-passthrough-checks-certificate", pki.passthrough),
    secret(INFRA, "gateway-client-certificate", pki.gateway),
    secret(WEB, "certificate", pki.listener),
    roots(INFRA, "tls-checks-ca-certificate", pki.backend),
    roots(INFRA, "tls-passthrough-ca-certificate", pki.passthrough),
    roots(INFRA, "mismatch-ca-certificate", pki.stranger),
    roots(INFRA, "client-ca", pki.client),
    roots(INFRA, "other-client-ca", pki.stranger),
    roots(WEB, "client-ca", pki.client),
    { ...named("ConfigMap", INFRA, "malformed-ca"), data: { "ca.crt": "this is no certificate" } },
    {
      ...named("Secret", INFRA, "malformed-certificate"),
      type: "kubernetes.io/tls",
      data: { "tls.crt": base64("Hello world"), "tls.key": base64("Hello world") },
    },
  ];
}

function secret(namespace: string, name: string, { certificate, privateKey }: Pair): object {
  const data = { "tls.crt": base64(certificate), "tls.key": base64(privateKey) };
  return { ...named("Secret", namespace, name), type: "kubernetes.io/tls", data };
}

function roots(namespace: string, name: string, { root }: Pair): object {
  return { ...named("ConfigMap", namespace, name), data: { "ca.crt": root } };
}

function named(kind: string, namespace: string, name: string) {
  return { apiVersion: "v1", kind, metadata: { name, namespace } };
}

function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}
