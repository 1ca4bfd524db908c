import { join } from "node:path";
import { type Folder, temporaryFolder } from "./folder.ts";
import { output } from "./program.ts";

/** Files and texts of an identity, as `--identity cert.pem,key.pem,bundle.pem` wants them. */
export interface IdentityFiles {
  readonly certificate: string;
  readonly privateKey: string;
  readonly bundle: string;
  /** The three paths, joined by commas. */
  readonly files: string;
}

/** An authority for tests, made with openssl: nothing of ours signs what ours must judge. */
export interface Certificates {
  /** PEM of the root. */
  readonly bundle: string;
  /** Paths of the root's certificate and key, for a mesh that is to be signed by it. */
  readonly root: { readonly certificate: string; readonly key: string };
  /**
   * A key and a certificate with this SPIFFE ID, valid from now; `seconds` may
   * be negative: it has expired. A `hostname` is for programs that check one.
   */
  issue(spiffeId: string, seconds?: number, hostname?: string): Promise<IdentityFiles>;
  [Symbol.asyncDispose](): Promise<void>;
}

const KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

/** Makes a root of its own: two calls give two authorities that do not trust each other. */
export async function certificates(): Promise<Certificates> {
  const folder = temporaryFolder();
  const root = { key: join(folder.path, "root.key"), certificate: join(folder.path, "root.pem") };
  const name = ["-subj", "/O=test root", "-days", "2", "-addext", "keyUsage=critical,keyCertSign,cRLSign"];
  await output(["openssl", "req", "-x509", ...KEY, ...name, "-keyout", root.key, "-out", root.certificate]);
  let count = 0;
  return {
    bundle: await Bun.file(root.certificate).text(),
    root,
    issue: (spiffeId, seconds = 3600, hostname = "") => {
      const names = `URI:${spiffeId}${hostname && `,DNS:${hostname}`}`;
      return issue(folder, root, `leaf-${++count}`, names, seconds);
    },
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

async function issue(
  folder: Folder,
  root: { readonly key: string; readonly certificate: string },
  name: string,
  names: string,
  seconds: number,
): Promise<IdentityFiles> {
  const at = (extension: string): string => join(folder.path, `${name}.${extension}`);
  const extensions = `[leaf]\nsubjectAltName=critical,${names}\nbasicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\n`;
  await folder.write(`${name}.ext`, extensions);
  await folder.write(`${name}.index`, "");
  await output(["openssl", "req", ...KEY, "-new", "-subj", "/", "-keyout", at("key"), "-out", at("csr")]);
  await output(
    ["openssl", "ca", "-batch", "-notext", "-md", "sha256", "-preserveDN"].concat(
      ["-config", await folder.write(`${name}.conf`, authorityConfig(at("index"), folder.path))],
      ["-extfile", at("ext"), "-extensions", "leaf", "-keyfile", root.key, "-cert", root.certificate],
      ["-startdate", timestamp(Math.min(seconds, 0) - 60), "-enddate", timestamp(seconds)],
      ["-in", at("csr"), "-out", at("pem")],
    ),
  );
  return {
    certificate: await Bun.file(at("pem")).text(),
    privateKey: await Bun.file(at("key")).text(),
    bundle: await Bun.file(root.certificate).text(),
    files: [at("pem"), at("key"), root.certificate].join(","),
  };
}

/** What `openssl ca` insists on; unlike `openssl x509` it takes a start and an end in seconds. */
function authorityConfig(index: string, folder: string): string {
  return `[ca]\ndefault_ca=test\n[test]\ndatabase=${index}\nnew_certs_dir=${folder}\npolicy=any\nunique_subject=no\nrand_serial=yes\n[any]\n`;
}

/** A moment as openssl writes it: YYYYMMDDHHMMSSZ. */
function timestamp(secondsFromNow: number): string {
  return new Date(Date.now() + secondsFromNow * 1000).toISOString().replace(/[-:T]|\.\d+/g, "");
}
