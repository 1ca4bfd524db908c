import type { Clock, Timer } from "../base/mod.ts";
import { MeshError } from "../base/mod.ts";

/** No answer about a host can be had now. */
export class HostUnanswered extends MeshError {
  override readonly name = "HostUnanswered";
  readonly code = "MESH_HOST_UNANSWERED";
  readonly source = "mesh";
  override readonly retryable = true;
}

export interface HostTiming {
  /** An answer is waited for so long. */
  readonly wantMs: number;
  /** A host whose service no request used for so long is dropped. */
  readonly idleMs: number;
  /** The same for a host that means no service: a scan must not pile up subscriptions. */
  readonly absentMs: number;
  /** A host whose snapshot was refused is not asked for again for so long. */
  readonly refusedMs: number;
}

/** Hosts known at once; beyond it the one unused for longest goes. */
export const MAX_KNOWN_HOSTS = 1024;

interface Waiting {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (reason: Error) => void;
  readonly timer: Timer;
}

interface Known {
  readonly host: string;
  readonly pinned: boolean;
  usedAt: number;
  /** What the host means in the applied snapshot; undefined until somebody said. */
  service: string | null | undefined;
  waiting: Waiting | null;
  /** Reason and end of a refusal. */
  refused: { readonly reason: string; readonly until: number } | null;
}

/**
 * The hosts this proxy is subscribed to: pinned by its flags, learned from its
 * disk, or asked for by a request; and the requests that wait for an answer.
 */
export class Hosts {
  readonly #clock: Clock;
  readonly #timing: HostTiming;
  readonly #known = new Map<string, Known>();

  constructor(clock: Clock, timing: HostTiming, pinned: readonly string[], learned: readonly string[]) {
    this.#clock = clock;
    this.#timing = timing;
    for (const host of pinned) this.#add(host.toLowerCase(), true);
    for (const host of learned) if (!this.#known.has(host)) this.#add(host, false);
  }

  list(): string[] {
    return [...this.#known.keys()];
  }

  /** What is worth remembering for a restart: hosts with a service, and pinned ones. */
  answers(): Record<string, string | null> {
    const kept = [...this.#known.values()].filter(({ service, pinned }) => service || (pinned && service === null));
    return Object.fromEntries(kept.map(({ host, service }) => [host, service ?? null]));
  }

  get pinnedAnswered(): boolean {
    for (const known of this.#known.values()) if (known.pinned && known.service === undefined) return false;
    return true;
  }

  /** Resolves when the host is answered. `ask` subscribes to a new host, and unsubscribes those that made room for it. */
  want(host: string, ask: (host: string, forget: readonly string[]) => void): Promise<void> {
    const known = this.#known.get(host);
    if (known === undefined) {
      const forget = this.#makeRoom();
      if (forget === null)
        return Promise.reject(unanswered(host, `${this.#known.size} other hosts are being asked for`));
      const added = this.#add(host, false);
      ask(host, forget);
      return this.#wait(added);
    }
    known.usedAt = this.#clock.monotonic();
    if (known.service !== undefined) return ANSWERED;
    if (known.refused !== null && known.refused.until > known.usedAt) return Promise.reject(this.#refusal(known));
    if (known.refused !== null) {
      known.refused = null;
      ask(host, []);
    }
    return this.#wait(known);
  }

  /** A snapshot with these answers serves. */
  answer(hosts: Readonly<Record<string, string | null>>): void {
    for (const [host, service] of Object.entries(hosts)) {
      const known = this.#known.get(host);
      if (known === undefined) continue;
      known.service = service;
      known.refused = null;
      known.waiting?.resolve();
      known.waiting?.timer.cancel();
      known.waiting = null;
    }
  }

  /**
   * The snapshot that held these answers was refused. Hosts that were asked for
   * are given up for a while: one broken service must not keep others out.
   * Returns those to unsubscribe.
   */
  refuse(hosts: Readonly<Record<string, string | null>>, reason: string): string[] {
    const dropped: string[] = [];
    for (const host of Object.keys(hosts)) {
      const known = this.#known.get(host);
      if (known === undefined || known.service !== undefined || known.pinned) continue;
      known.refused = { reason, until: this.#clock.monotonic() + this.#timing.refusedMs };
      this.#reject(known, this.#refusal(known));
      dropped.push(host);
    }
    return dropped;
  }

  /** Nobody is there to answer. */
  giveUp(reason: string): void {
    for (const known of this.#known.values()) this.#reject(known, unanswered(known.host, reason));
  }

  /** Marks the hosts of services that requests used. */
  touch(services: Iterable<string>): void {
    const used = new Set(services);
    if (used.size === 0) return;
    const now = this.#clock.monotonic();
    for (const known of this.#known.values()) if (known.service && used.has(known.service)) known.usedAt = now;
  }

  /** Forgets what was unused for too long; returns the hosts. `keepPresent`: nobody can say what is used. */
  sweep(keepPresent: boolean): string[] {
    const now = this.#clock.monotonic();
    const idle = [...this.#known.values()].filter((known) => {
      if (known.pinned || known.waiting !== null) return false;
      if (known.service) return !keepPresent && now - known.usedAt >= this.#timing.idleMs;
      return now - known.usedAt >= this.#timing.absentMs;
    });
    for (const known of idle) this.#known.delete(known.host);
    return idle.map((known) => known.host);
  }

  #add(host: string, pinned: boolean): Known {
    const usedAt = this.#clock.monotonic();
    const known: Known = { host, pinned, usedAt, service: undefined, waiting: null, refused: null };
    this.#known.set(host, known);
    return known;
  }

  /** Forgets the host that is missed least; null where none can go. */
  #makeRoom(): string[] | null {
    if (this.#known.size < MAX_KNOWN_HOSTS) return [];
    let oldest: Known | null = null;
    for (const known of this.#known.values()) {
      if (known.pinned || known.waiting !== null) continue;
      if (oldest === null || rank(known) < rank(oldest)) oldest = known;
    }
    if (oldest === null) return null;
    this.#known.delete(oldest.host);
    return [oldest.host];
  }

  #wait(known: Known): Promise<void> {
    if (known.waiting !== null) return known.waiting.promise;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = this.#clock.after(this.#timing.wantMs, () =>
      this.#reject(known, unanswered(known.host, `no answer came within ${this.#timing.wantMs} ms`)),
    );
    known.waiting = { promise, resolve, reject, timer };
    return promise;
  }

  #reject(known: Known, error: Error): void {
    known.waiting?.timer.cancel();
    known.waiting?.reject(error);
    known.waiting = null;
  }

  #refusal(known: Known): Error {
    return unanswered(known.host, `its configuration was refused: ${known.refused!.reason}`);
  }
}

const ANSWERED: Promise<void> = Promise.resolve();

/** Hosts without a service go before those with one, then the oldest. */
function rank(known: Known): number {
  return known.service ? known.usedAt : known.usedAt - 1e15;
}

function unanswered(host: string, reason: string): HostUnanswered {
  return new HostUnanswered(`Cannot tell what "${host}" is: ${reason}`);
}
