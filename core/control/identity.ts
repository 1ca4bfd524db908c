import type { X509Certificate } from "node:crypto";
import type { Clock, Log } from "../base/mod.ts";
import { CONTROL_ALPN, type SvidMessage } from "../discovery/mod.ts";
import {
  type Authority,
  type AuthorityKeys,
  CsrRefused,
  type GivenAuthority,
  openAuthority,
  type ServerNames,
} from "../identity/authority/mod.ts";
import {
  controlId,
  joinableTls,
  Rotation,
  type RotationState,
  type Svid,
  type TlsOptions,
  workloadId,
} from "../identity/mod.ts";
import { issuersOf, lapsedIdentity } from "./lapsed.ts";
import type { ControlCounts } from "./metrics.ts";
import type { Storage } from "./record.ts";
import { Refused } from "./session.ts";

export interface IssuingOptions {
  readonly trustDomain: string;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  readonly counts: ControlCounts;
  readonly storage: Storage;
  readonly given: GivenAuthority | null;
  readonly leafLifetimeMs: number;
  /** How long after its end a certificate is still good for a new one. */
  readonly graceMs: number;
  /** Names of the control plane's own certificate. */
  readonly names: ServerNames;
}

/** Who signs, and the certificate that the control plane itself shows. */
export class Issuing {
  readonly #options: IssuingOptions;
  readonly #authority: Authority;
  readonly #rotation: Rotation;
  #tls: TlsOptions | null = null;
  #issuers: readonly X509Certificate[] = [];

  private constructor(options: IssuingOptions, authority: Authority) {
    this.#options = options;
    this.#authority = authority;
    const { clock, random, log, trustDomain, names } = options;
    const spiffeId = controlId(trustDomain);
    this.#rotation = new Rotation({
      ...{ spiffeId, clock, random, log },
      request: (csr) => this.#count(authority.issue(csr, spiffeId, names)),
      onSvid: (svid) => this.#show(svid),
    });
  }

  /** Opens the authority and has the control plane's own certificate signed. */
  static async start(options: IssuingOptions): Promise<Issuing> {
    const { trustDomain, clock, storage, given, leafLifetimeMs } = options;
    const keys = storage.records<AuthorityKeys>("authority");
    const authority = await openAuthority({
      ...{ trustDomain, clock, leafLifetimeMs },
      store: { load: () => keys.get(trustDomain), save: (made) => keys.put(trustDomain, made) },
      ...(given === null ? {} : { given }),
    });
    const issuing = new Issuing(options, authority);
    issuing.#rotation.start();
    await issuing.#rotation.first;
    return issuing;
  }

  get trustDomain(): string {
    return this.#authority.trustDomain;
  }

  get bundle(): string {
    return this.#authority.bundle;
  }

  /** SHA-256 of the root: what join tokens pin. */
  get fingerprint(): string {
    return this.#authority.rootFingerprint;
  }

  get state(): RotationState {
    return this.#rotation.state;
  }

  /** TLS of the stream's listener with the newest certificate. */
  readonly tls = (): TlsOptions => this.#tls!;

  readonly lapsed = (certificate: Uint8Array): string | null =>
    lapsedIdentity(certificate, this.#issuers, this.#options.clock.now(), this.#options.graceMs);

  /** SPIFFE ID of a workload here. */
  idOf(namespace: string, serviceAccount: string): string {
    return workloadId(this.trustDomain, namespace, serviceAccount);
  }

  /** @throws {Refused} when the request is not one for this identity. */
  async sign(identity: string, csr: string): Promise<Omit<SvidMessage, "id">> {
    try {
      const { certificate, bundle } = await this.#count(this.#authority.issue(csr, identity));
      return { certificate, bundle };
    } catch (error) {
      if (error instanceof CsrRefused) throw new Refused("identity", error.message);
      throw error;
    }
  }

  stop(): void {
    this.#rotation.stop();
  }

  async #count<T>(issuing: Promise<T>): Promise<T> {
    const issued = await issuing;
    this.#options.counts.certificatesIssued++;
    return issued;
  }

  #show(svid: Svid): void {
    this.#tls = joinableTls(svid, [CONTROL_ALPN]);
    this.#issuers = issuersOf(svid.certificate);
  }
}
