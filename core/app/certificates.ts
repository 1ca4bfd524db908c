import { edgeTls, readLeaf, type TlsOptions } from "../identity/mod.ts";
import { HostChain } from "../route/mod.ts";
import type { GatewayTlsModel, KeyPairModel } from "../snapshot/mod.ts";

/** What a gateway speaks behind TLS, most wanted first. */
const HTTP_PROTOCOLS = ["h2", "http/1.1"];

/**
 * The certificates of one TLS listener by the names that are in them. Options
 * are made once: TLS keeps a context for each, and connections that have begun
 * keep theirs when a newer listener takes its place.
 */
export class ListenerCertificates {
  /** Clients are judged by what they show. */
  readonly verifies: boolean;
  readonly #byName: HostChain<TlsOptions>;
  readonly #first: TlsOptions | null;

  /** @param isHttp HTTP is spoken inside; otherwise no protocol is agreed upon. */
  constructor(model: GatewayTlsModel, isHttp: boolean, seed: number) {
    this.verifies = model.clients?.mode === "AllowValidOnly";
    const made = model.certificates.map((pair) => ({ options: optionsOf(pair, model, isHttp), names: namesIn(pair) }));
    this.#byName = new HostChain(
      made.flatMap(({ options, names }) => names.map((name) => [name, options] as const)),
      seed,
    );
    this.#first = made[0]?.options ?? null;
  }

  /** The certificate for a server name in lower case: one that has it, one whose wildcard takes it, else the first. Null without any. */
  for(serverName: string): TlsOptions | null {
    const name = Buffer.from(serverName, "latin1");
    return this.#byName.find(name, 0, name.length)?.value ?? this.#first;
  }
}

function optionsOf(pair: KeyPairModel, { clients }: GatewayTlsModel, isHttp: boolean): TlsOptions {
  const options = edgeTls(pair, isHttp ? HTTP_PROTOCOLS : []);
  if (clients === undefined) return options;
  const rejectUnauthorized = clients.mode === "AllowValidOnly";
  return Object.freeze({ ...options, ca: clients.roots, requestCert: true, rejectUnauthorized });
}

/** Whoever wrote the model has checked that it is a pair; what cannot be read has no names, and TLS says why. */
function namesIn({ certificate }: KeyPairModel): readonly string[] {
  try {
    return readLeaf(certificate).hosts.map((name) => name.toLowerCase());
  } catch {
    return [];
  }
}
