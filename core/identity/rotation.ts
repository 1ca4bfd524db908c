import { type Clock, type Log, MeshError, messageOf, type Timer } from "../base/mod.ts";
import { readLeaf } from "./certificate.ts";
import { createRequest, type Request } from "./csr.ts";
import type { Svid } from "./model.ts";
import { svidOf } from "./svid.ts";

/** What an authority answers to a request: leaf, then intermediates, and the roots to believe; PEM. */
export interface SignedCertificate {
  readonly certificate: string;
  readonly bundle: string;
}

export interface RotationOptions {
  readonly spiffeId: string;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  /** Has a request signed. It may take long or fail; it is asked again. */
  readonly request: (csr: string) => Promise<SignedCertificate>;
  /** Is told each SVID, the first one included, before anybody who waits for it. */
  readonly onSvid: (svid: Svid) => void;
  /** The last SVID of an earlier process, when it was kept; used as long as it is valid. */
  readonly kept?: Svid;
}

/** What may be shown of an SVID and its renewal: everything but the key. */
export interface RotationState {
  readonly spiffeId: string;
  readonly notBefore: number | null;
  readonly notAfter: number | null;
  /** When the authority is asked next; null while it is being asked. */
  readonly nextRenewal: number | null;
  readonly obtained: number;
  readonly failures: number;
  /** Why the last try failed; null after a success. */
  readonly lastError: string | null;
}

/** An authority answered with something that cannot be used. */
export class UnusableSvid extends MeshError {
  override readonly name = "UnusableSvid";
  readonly code = "MESH_UNUSABLE_SVID";
  readonly source = "mesh";

  constructor(spiffeId: string, problem: string) {
    super(`Cannot use the certificate for "${spiffeId}": ${problem}`);
  }
}

const RENEW_AT = 2 / 3;
const JITTER = 0.1;
const FIRST_BACKOFF_MS = 1000;
const MAX_BACKOFF_MS = 30_000;
const MIN_WAIT_MS = 100;
const REQUEST_TIMEOUT_MS = 15_000;
// A machine that slept has a clock that jumped: timers are short, and each one looks at the wall clock anew.
const MAX_WAIT_MS = 60_000;

/**
 * Keeps a workload in possession of a valid SVID: gets the first one, renews
 * it at two thirds of the time that was left of it when it came, and tries
 * again, ever less often, for as long as it takes. Every request has a new
 * key, and the old SVID stays until the new one is in hand.
 */
export class Rotation {
  readonly #options: RotationOptions;
  readonly #first = Promise.withResolvers<Svid>();
  #svid: Svid | null = null;
  #timer: Timer | null = null;
  #dueAt: number | null = null;
  #obtained = 0;
  /** Tries that failed since the last success; the backoff grows with it. */
  #failures = 0;
  #lastError: string | null = null;
  /** Which try is current: what an older one still brings is ignored. */
  #attempt = 0;
  #stopped = false;

  constructor(options: RotationOptions) {
    this.#options = options;
  }

  /** The SVID to prove; null before the first. It may have expired while the authority was away. */
  get svid(): Svid | null {
    return this.#svid;
  }

  /** Resolves with the first SVID; pending for as long as there is none. */
  get first(): Promise<Svid> {
    return this.#first.promise;
  }

  get state(): RotationState {
    return Object.freeze({
      spiffeId: this.#options.spiffeId,
      notBefore: this.#svid?.notBefore ?? null,
      notAfter: this.#svid?.notAfter ?? null,
      nextRenewal: this.#dueAt,
      obtained: this.#obtained,
      failures: this.#failures,
      lastError: this.#lastError,
    });
  }

  /** Starts with the kept SVID while it is valid, and otherwise asks at once. */
  start(): void {
    const { kept, clock, spiffeId } = this.#options;
    if (kept?.spiffeId === spiffeId && kept.notAfter > clock.now()) this.#accept(kept);
    else this.renew();
  }

  /** Asks the authority now, for whatever reason: it is in reach again, or has other roots. */
  renew(): void {
    if (this.#stopped) return;
    this.#timer?.cancel();
    this.#dueAt = null;
    const attempt = ++this.#attempt;
    this.#timer = this.#options.clock.after(REQUEST_TIMEOUT_MS, () =>
      this.#fail(attempt, `no answer within ${REQUEST_TIMEOUT_MS} ms`),
    );
    this.#obtain(attempt).catch((error) => this.#fail(attempt, messageOf(error)));
  }

  /** Ends the renewals; what is under way is forgotten. */
  stop(): void {
    this.#stopped = true;
    this.#attempt++;
    this.#timer?.cancel();
    this.#timer = null;
    this.#dueAt = null;
  }

  async #obtain(attempt: number): Promise<void> {
    const { spiffeId, request, clock } = this.#options;
    const asked = await createRequest(spiffeId);
    const svid = checked(await request(asked.csr), asked, spiffeId, clock.now());
    if (attempt !== this.#attempt) return;
    this.#obtained++;
    this.#accept(svid);
  }

  #accept(svid: Svid): void {
    this.#svid = svid;
    this.#failures = 0;
    this.#lastError = null;
    this.#wait(this.#untilRenewal(svid));
    this.#options.onSvid(svid);
    this.#first.resolve(svid);
  }

  #fail(attempt: number, reason: string): void {
    if (attempt !== this.#attempt) return;
    // What this try may still bring is of no use: the next one has another key.
    this.#attempt++;
    this.#failures++;
    this.#lastError = reason;
    const waitMs = this.#backoff();
    this.#options.log.warn("certificate not renewed", { reason, retryMs: Math.round(waitMs), tries: this.#failures });
    this.#wait(waitMs);
  }

  /** Two thirds of what is left, give or take a tenth, so that a fleet that started together does not ask together. */
  #untilRenewal(svid: Svid): number {
    const leftMs = svid.notAfter - this.#options.clock.now();
    return Math.max(leftMs * RENEW_AT * (1 + JITTER * (2 * this.#options.random() - 1)), MIN_WAIT_MS);
  }

  /** Doubles from try to try; near the end of the SVID short enough for several more. */
  #backoff(): number {
    const { clock, random } = this.#options;
    const doubledMs = Math.min(FIRST_BACKOFF_MS * 2 ** Math.min(this.#failures - 1, 10), MAX_BACKOFF_MS);
    const leftMs = this.#svid === null ? 0 : this.#svid.notAfter - clock.now();
    const waitMs = leftMs > 0 ? Math.min(doubledMs, leftMs / 8) : doubledMs;
    return Math.max(waitMs * (0.5 + random() / 2), MIN_WAIT_MS);
  }

  #wait(ms: number): void {
    this.#timer?.cancel();
    if (this.#stopped) return;
    this.#dueAt = this.#options.clock.now() + ms;
    this.#sleep();
  }

  #sleep(): void {
    const { clock } = this.#options;
    const leftMs = this.#dueAt! - clock.now();
    this.#timer = clock.after(Math.min(Math.max(leftMs, 0), MAX_WAIT_MS), () =>
      clock.now() < this.#dueAt! ? this.#sleep() : this.renew(),
    );
  }
}

function checked(signed: SignedCertificate, asked: Request, spiffeId: string, now: number): Svid {
  const svid = svidOf({ certificate: signed.certificate, privateKey: asked.privateKey, bundle: signed.bundle });
  if (svid.spiffeId !== spiffeId) throw new UnusableSvid(spiffeId, `it is for "${svid.spiffeId}"`);
  if (!Buffer.from(readLeaf(signed.certificate).publicKey).equals(asked.publicKey)) {
    throw new UnusableSvid(spiffeId, "it is for another key");
  }
  if (svid.notAfter <= now) throw new UnusableSvid(spiffeId, "it has expired already; compare the clocks");
  if (!signed.bundle.includes("-----BEGIN CERTIFICATE-----")) throw new UnusableSvid(spiffeId, "no root came with it");
  return svid;
}
