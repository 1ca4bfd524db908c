import type { Clock } from "../../base/mod.ts";
import { fingerprints } from "../certificate.ts";
import { parseSpiffeId } from "../spiffe-id.ts";
import {
  createIntermediate,
  createLeaf,
  createRoot,
  generateKey,
  type Issuer,
  type ServerNames,
} from "./certificates.ts";
import { type GivenAuthority, loadGiven } from "./given.ts";
import { CsrRefused, readRequest } from "./request.ts";
import { type KeyedCertificate, keep, loadIssuer, pemOf, type Signer } from "./signer.ts";

/** What an authority of our own consists of. */
export interface AuthorityKeys {
  readonly root: KeyedCertificate;
  readonly intermediate: KeyedCertificate;
}

/** Where an authority's keys are kept; what is saved must be readable by nobody else. */
export interface KeyStore {
  load(): Promise<AuthorityKeys | null>;
  save(keys: AuthorityKeys): Promise<void>;
}

export interface AuthorityOptions {
  readonly trustDomain: string;
  readonly clock: Clock;
  readonly store: KeyStore;
  /** Signs instead of an authority of our own; nothing is kept then. */
  readonly given?: GivenAuthority;
  /** @default one hour */
  readonly leafLifetimeMs?: number;
  /** @default one year */
  readonly intermediateLifetimeMs?: number;
  /** @default ten years */
  readonly rootLifetimeMs?: number;
}

/** A signed certificate: leaf, then intermediates, and the roots to believe; PEM. */
export interface Issued {
  readonly certificate: string;
  readonly bundle: string;
}

const HOUR_MS = 3_600_000;
const YEAR_MS = 365 * 24 * HOUR_MS;
// A proxy whose clock is behind by less than this takes a new certificate.
const BACKDATE_MS = 60_000;
const NO_NAMES: ServerNames = { dns: [], addresses: [] };

/**
 * Opens the authority of a trust domain: the given one, the one that was kept,
 * or, at the first start, a new one, which is kept before it signs anything.
 *
 * @throws {UnusableAuthority} when a given authority cannot sign for the mesh.
 */
export async function openAuthority(options: AuthorityOptions): Promise<Authority> {
  const limits = new Limits(options);
  if (options.given !== undefined) {
    return new Authority(limits, await loadGiven(options.given, options.clock.now()), null);
  }
  const keys = (await options.store.load()) ?? (await createKeys(limits, options.store));
  return new Authority(limits, await ownSigner(keys), new Renewal(keys, options.store));
}

/** Signs the certificates of one trust domain. */
export class Authority {
  readonly trustDomain: string;
  readonly #limits: Limits;
  readonly #renewal: Renewal | null;
  #signer: Signer;

  constructor(limits: Limits, signer: Signer, renewal: Renewal | null) {
    this.trustDomain = limits.trustDomain;
    this.#limits = limits;
    this.#signer = signer;
    this.#renewal = renewal;
  }

  /** The roots that peers have to believe, PEM. */
  get bundle(): string {
    return this.#signer.bundle;
  }

  /** SHA-256 of the first root's DER, hex: what a join token pins. */
  get rootFingerprint(): string {
    return fingerprints(this.bundle)[0]!;
  }

  /**
   * Signs a request of a caller that was attested as `spiffeId`. Names beside
   * it are only given to the control plane's own certificate.
   *
   * An intermediate that is near its end is renewed first: no timer is needed,
   * as an authority that signs nothing needs no intermediate.
   *
   * @throws {CsrRefused} when the request is not one for that id.
   */
  async issue(csr: string, spiffeId: string, names: ServerNames = NO_NAMES): Promise<Issued> {
    if (parseSpiffeId(spiffeId).trustDomain !== this.trustDomain) {
      throw new CsrRefused(spiffeId, `the authority signs for the trust domain "${this.trustDomain}"`);
    }
    const publicKey = await readRequest(csr, spiffeId);
    const signer = await this.#readySigner();
    const validity = this.#limits.leaf(signer);
    const leaf = await createLeaf(spiffeId, names, publicKey, signer, validity);
    return Object.freeze({ certificate: pemOf(leaf) + signer.chain, bundle: signer.bundle });
  }

  async #readySigner(): Promise<Signer> {
    if (this.#renewal !== null && this.#limits.isNearEnd(this.#signer)) {
      this.#signer = await this.#renewal.run(this.#limits);
    }
    return this.#signer;
  }
}

/** Renews the intermediate; callers that come meanwhile wait for the same one. */
class Renewal {
  readonly #store: KeyStore;
  #keys: AuthorityKeys;
  #running: Promise<Signer> | null = null;

  constructor(keys: AuthorityKeys, store: KeyStore) {
    this.#keys = keys;
    this.#store = store;
  }

  run(limits: Limits): Promise<Signer> {
    this.#running ??= this.#renew(limits).finally(() => {
      this.#running = null;
    });
    return this.#running;
  }

  async #renew(limits: Limits): Promise<Signer> {
    const { root } = this.#keys;
    const keys = { root, intermediate: await newIntermediate(limits, await loadIssuer(root)) };
    await this.#store.save(keys);
    this.#keys = keys;
    return await ownSigner(keys);
  }
}

/** How long certificates live, and from when. */
class Limits {
  readonly trustDomain: string;
  readonly #clock: Clock;
  readonly #leafMs: number;
  readonly #intermediateMs: number;
  readonly #rootMs: number;

  constructor(options: AuthorityOptions) {
    this.trustDomain = parseSpiffeId(`spiffe://${options.trustDomain}`).trustDomain;
    this.#clock = options.clock;
    this.#leafMs = options.leafLifetimeMs ?? HOUR_MS;
    this.#intermediateMs = options.intermediateLifetimeMs ?? YEAR_MS;
    this.#rootMs = options.rootLifetimeMs ?? 10 * YEAR_MS;
  }

  root() {
    return this.#from(this.#rootMs, Number.POSITIVE_INFINITY);
  }

  intermediate(root: Issuer) {
    return this.#from(this.#intermediateMs, root.certificate.notAfter.getTime());
  }

  leaf(signer: Issuer) {
    return this.#from(this.#leafMs, signer.certificate.notAfter.getTime());
  }

  /** The last third of its life has begun, or a leaf of full length would outlive it. */
  isNearEnd(signer: Issuer): boolean {
    const leftMs = signer.certificate.notAfter.getTime() - this.#clock.now();
    // Not above a half: leaves that are to live longer than an intermediate would renew it at every request.
    return leftMs < Math.max(this.#intermediateMs / 3, Math.min(this.#leafMs, this.#intermediateMs / 2));
  }

  #from(lifetimeMs: number, latest: number) {
    const now = this.#clock.now();
    return { from: now - BACKDATE_MS, until: Math.min(now + lifetimeMs, latest) };
  }
}

async function createKeys(limits: Limits, store: KeyStore): Promise<AuthorityKeys> {
  const pair = await generateKey();
  const certificate = await createRoot(limits.trustDomain, pair, limits.root());
  const root = await keep(certificate, pair.privateKey);
  const intermediate = await newIntermediate(limits, { certificate, privateKey: pair.privateKey });
  const keys = Object.freeze({ root, intermediate });
  await store.save(keys);
  return keys;
}

async function newIntermediate(limits: Limits, root: Issuer): Promise<KeyedCertificate> {
  const pair = await generateKey();
  const certificate = await createIntermediate(limits.trustDomain, pair.publicKey, root, limits.intermediate(root));
  return await keep(certificate, pair.privateKey);
}

async function ownSigner(keys: AuthorityKeys): Promise<Signer> {
  const issuer = await loadIssuer(keys.intermediate);
  return { ...issuer, chain: keys.intermediate.certificate, bundle: keys.root.certificate };
}
