import { existsSync, readFileSync } from "node:fs";
import type { BackendTlsModel } from "../cluster/mod.ts";
import { backendTls, type HandshakeError, type PeerSocket, type Protocols, verifyBackend } from "../identity/mod.ts";

/** Where systems keep the roots that their programs believe: Debian, Fedora, SUSE, Alpine, the BSDs. */
const SYSTEM_ROOTS: readonly string[] = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/ssl/cert.pem",
];

/**
 * TLS toward endpoints that have no identity of the mesh. Options are made
 * once for a model and what is spoken: TLS keeps a context for each.
 */
export class BackendTls {
  readonly #made = new WeakMap<BackendTlsModel, Map<Protocols, object>>();
  readonly #rootFiles: readonly string[];
  #systemRoots: string | null = null;

  constructor(rootFiles: readonly string[] = SYSTEM_ROOTS) {
    this.#rootFiles = rootFiles;
  }

  /** Null where the policy is broken: then there is no connection at all. */
  options(model: BackendTlsModel, protocols: Protocols): object | null {
    if (model.invalid !== undefined) return null;
    let byProtocols = this.#made.get(model);
    if (byProtocols === undefined) {
      byProtocols = new Map();
      this.#made.set(model, byProtocols);
    }
    let options = byProtocols.get(protocols);
    if (options === undefined) {
      const { serverName, roots = this.#system(), proof } = model;
      options = backendTls({ serverName, roots, proof: proof ?? null }, protocols);
      byProtocols.set(protocols, options);
    }
    return options;
  }

  /** Why a server may not be spoken to; null where it is who it should be. */
  verify(error: HandshakeError | null, socket: PeerSocket, { serverName, names }: BackendTlsModel): string | null {
    return verifyBackend(error, socket, names ?? [{ type: "Hostname", value: serverName }]);
  }

  /** The roots this machine believes; "" where it has none: those that came with the program count then. */
  #system(): string {
    if (this.#systemRoots === null) {
      const file = this.#rootFiles.find((each) => existsSync(each));
      this.#systemRoots = file === undefined ? "" : readFileSync(file, "utf8");
    }
    return this.#systemRoots;
  }
}
