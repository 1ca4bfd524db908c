import type { Endpoint } from "../cluster/mod.ts";
import {
  alpn,
  clientTls,
  edgeTls,
  isOurDomain,
  type Protocols,
  peerIdentity,
  readSpiffeId,
  type Svid,
  serverTls,
  verifyServer,
} from "../identity/mod.ts";
import type { ServerTls } from "../listener/mod.ts";
import type { MeshModel } from "../snapshot/mod.ts";
import type { ClientTls, Spoken } from "../upstream/mod.ts";
import { BackendTls } from "./backend-tls.ts";
import type { Credentials } from "./plan.ts";

/** What a hop between proxies of the mesh speaks, most wanted first; a peer that knows none of it gets HTTP/1.1. */
const MESH = { http1: ["mesh/h1", "http/1.1"], http2: ["mesh/h2", "mesh/h1", "http/1.1"], bytes: ["mesh/tcp"] };
/** What servers outside the mesh are asked for. */
const OUTSIDE = { http1: ["http/1.1"], http2: ["h2", "http/1.1"], bytes: [] };
/** What we serve, to proxies of the mesh and to others; most wanted first. */
const SERVED = ["mesh/h2", "mesh/h1", "mesh/tcp", "h2", "http/1.1"];
/** Endpoints are known by SPIFFE ID: the name in the ClientHello is for logs only. */
const SERVER_NAME = "mesh";
const NO_CERTIFICATE = "this proxy has no certificate yet";
/** The name that was dialled is not in the certificate; names are not how we know peers. */
const NAME_DIFFERS = "ERR_TLS_CERT_ALTNAME_INVALID";

/**
 * The identity of one worker, and what TLS is told of it. Options are made
 * once per certificate: connections opened from then on prove the new one.
 */
export class Trust {
  #credentials: Credentials | null = null;
  #server: object | null = null;
  /** By what is offered: options for each are made when first wanted. */
  readonly #clients = new Map<Protocols, object>();
  readonly #mesh: () => MeshModel;
  readonly #backends = new BackendTls();

  constructor(mesh: () => MeshModel) {
    this.#mesh = mesh;
  }

  get principal(): string | null {
    return this.#credentials?.spiffeId ?? null;
  }

  identify(credentials: Credentials): void {
    const { certificate, privateKey, bundle } = credentials;
    this.#credentials = credentials;
    this.#clients.clear();
    this.#server =
      bundle === null ? edgeTls({ certificate, privateKey }, SERVED) : serverTls(svidOf(credentials, bundle), SERVED);
  }

  #clientFor(protocols: Protocols): object | null {
    const credentials = this.#credentials;
    if (credentials === null) return null;
    let options = this.#clients.get(protocols);
    if (options === undefined) {
      options = clientOptions(credentials, protocols);
      this.#clients.set(protocols, options);
    }
    return options;
  }

  /** For a listener; `requirePeer` where only workloads of the mesh may come. */
  server(requirePeer: boolean): ServerTls {
    return {
      options: () => this.#server,
      peer: (socket) => this.#peer(socket as never, requirePeer),
      requirePeer,
      verifiesPeer: () => this.#credentials !== null && this.#credentials.bundle !== null,
    };
  }

  /** Our roots may know strangers: only our own trust domain names workloads of this mesh. */
  #peer(socket: never, requirePeer: boolean): string | null {
    const id = peerIdentity(socket);
    if (id === null || !requirePeer) return id;
    const parsed = readSpiffeId(id);
    return parsed !== null && isOurDomain(this.#mesh(), parsed.trustDomain) ? id : null;
  }

  /** For endpoints: those with an identity must prove it; others only that our roots know them. */
  client(): ClientTls {
    return {
      options: (endpoint, spoken) => this.#optionsFor(endpoint, spoken),
      lacking: ({ tls }) => tls?.invalid ?? NO_CERTIFICATE,
      verify: (error, socket, endpoint) => this.#verify(error, socket as never, endpoint),
    };
  }

  #optionsFor({ identity, tls }: Endpoint, spoken: Spoken): object | null {
    if (identity !== null) return this.#clientFor(MESH[spoken]);
    return tls === null ? this.#clientFor(OUTSIDE[spoken]) : this.#backends.options(tls, OUTSIDE[spoken]);
  }

  #verify(
    error: { readonly code?: string; readonly message: string } | null,
    socket: never,
    endpoint: Endpoint,
  ): string | null {
    const { trustDomain, trustDomainAliases } = this.#mesh();
    if (endpoint.identity !== null) {
      return verifyServer(error, socket, endpoint.identity, { trustDomain, trustDomainAliases });
    }
    if (endpoint.tls !== null) return this.#backends.verify(error, socket, endpoint.tls);
    return error === null || error === undefined || error.code === NAME_DIFFERS ? null : (error.code ?? error.message);
  }
}

function clientOptions(credentials: Credentials, protocols: Protocols): object {
  const { certificate, privateKey, bundle } = credentials;
  if (bundle !== null) return clientTls(svidOf(credentials, bundle), protocols, SERVER_NAME);
  const offered = protocols.length === 0 ? {} : { ALPNProtocols: alpn(protocols) };
  return { cert: certificate, key: privateKey, rejectUnauthorized: false, serverName: SERVER_NAME, ...offered };
}

function svidOf({ certificate, privateKey, spiffeId }: Credentials, bundle: string): Svid {
  return { certificate, privateKey, bundle, spiffeId: spiffeId ?? "", notBefore: 0, notAfter: 0 };
}
