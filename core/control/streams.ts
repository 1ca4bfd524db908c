import type { Clock } from "../base/mod.ts";
import type { GatewayReport, Measure } from "../discovery/mod.ts";
import type { ProxyStream } from "./proxy-stream.ts";
import { sequenceOf } from "./published.ts";

/** What is known of a proxy, connected or lately gone; plain data. */
export interface ProxyStatus {
  readonly name: string;
  readonly namespace: string;
  readonly proxy: string;
  readonly identity: string;
  /** Version of its build. */
  readonly software: string;
  readonly connected: boolean;
  /** Milliseconds since the epoch: of the connection, or of its end. */
  readonly since: number;
  readonly revisionSent: string;
  readonly revisionAcked: string;
  /** Set while the newest that was sent is refused. */
  readonly nack: { readonly revision: string; readonly reasons: readonly string[] } | null;
  /** What it serves of Gateways, and what it cannot. */
  readonly gateways: readonly GatewayReport[];
}

/** How far a revision has come. */
export interface RevisionStatus {
  readonly revision: string;
  readonly total: number;
  readonly acked: number;
  readonly waiting: readonly string[];
  readonly refused: readonly { readonly proxy: string; readonly reasons: readonly string[] }[];
  /** Every connected proxy runs this revision or a newer one. */
  readonly done: boolean;
}

/** Gone proxies that are still shown. */
const MAX_GONE = 1000;

interface Waiter {
  readonly sequence: number;
  readonly except: ProxyStream | null;
  readonly done: (laggards: readonly string[]) => void;
}

/** The streams that are open, and who has confirmed what. */
export class Streams {
  readonly #clock: Clock;
  readonly #goneMs: number;
  readonly #open = new Map<string, ProxyStream>();
  readonly #gone = new Map<string, ProxyStatus>();
  readonly #waiters = new Set<Waiter>();
  #measure: Measure = { clusters: [], everyMs: 0 };

  constructor(clock: Clock, goneMs: number) {
    this.#clock = clock;
    this.#goneMs = goneMs;
  }

  get size(): number {
    return this.#open.size;
  }

  /** Takes a stream in; an older one of the same proxy is ended: its connection is likely dead. */
  enter(stream: ProxyStream): void {
    const { key } = stream.peer;
    const before = this.#open.get(key);
    this.#open.set(key, stream);
    this.#gone.delete(key);
    if (this.#measure.clusters.length > 0) stream.measure(this.#measure);
    before?.end("a newer stream of the same proxy has taken over");
  }

  leave(stream: ProxyStream): void {
    const { key } = stream.peer;
    if (this.#open.get(key) === stream) {
      this.#open.delete(key);
      this.#gone.set(key, { ...statusOf(stream), connected: false, since: this.#clock.now() });
      if (this.#gone.size > MAX_GONE) this.#gone.delete(this.#gone.keys().next().value!);
    }
    this.answered();
  }

  /** Tells everybody of the newest revision. */
  publish(): void {
    for (const stream of this.#open.values()) stream.push();
  }

  /** What every proxy is to count, also one that comes later. */
  measure(wanted: Measure): void {
    this.#measure = wanted;
    for (const stream of this.#open.values()) stream.measure(wanted);
  }

  /** What the proxies that are connected serve of a Gateway. */
  gateway(name: string): readonly GatewayReport[] {
    return [...this.#open.values()].flatMap(({ gateways }) => gateways.filter((report) => report.name === name));
  }

  status(): readonly ProxyStatus[] {
    const oldest = this.#clock.now() - this.#goneMs;
    for (const [key, gone] of this.#gone) if (gone.since < oldest) this.#gone.delete(key);
    return [...this.#gone.values(), ...[...this.#open.values()].map(statusOf)].sort((a, b) =>
      nameOf(a) < nameOf(b) ? -1 : 1,
    );
  }

  statusOf(revision: string): RevisionStatus {
    const sequence = sequenceOf(revision);
    const all = [...this.#open.values()];
    const behind = all.filter((stream) => !hasConfirmed(stream, sequence));
    const refused = behind.flatMap((stream) => {
      const refusal = stream.delivery.refusal;
      return refusal === null ? [] : [{ proxy: stream.peer.key, reasons: refusal.reasons }];
    });
    const waiting = behind.filter((stream) => stream.delivery.refusal === null).map((stream) => stream.peer.key);
    const acked = all.length - behind.length;
    return { revision, total: all.length, acked, waiting, refused, done: behind.length === 0 };
  }

  /** Resolves when every open stream but one has confirmed a revision; with those that had not by the deadline. */
  confirmed(revision: string, except: ProxyStream | null, deadlineMs: number): Promise<readonly string[]> {
    const sequence = sequenceOf(revision);
    const laggards = this.#laggards(sequence, except);
    if (laggards.length === 0) return Promise.resolve([]);
    return new Promise((resolve) => {
      const timer = this.#clock.after(deadlineMs, () => waiter.done(this.#laggards(sequence, except)));
      const waiter: Waiter = {
        sequence,
        except,
        done: (late) => {
          timer.cancel();
          this.#waiters.delete(waiter);
          resolve(late);
        },
      };
      this.#waiters.add(waiter);
    });
  }

  /** Somebody confirmed, refused or left: those who wait look again. */
  answered(): void {
    for (const waiter of this.#waiters)
      if (this.#laggards(waiter.sequence, waiter.except).length === 0) waiter.done([]);
  }

  end(message: string): void {
    for (const stream of this.#open.values()) stream.end(message);
  }

  /** A proxy that refuses keeps what it has and is not waited for: it will not change its mind by itself. */
  #laggards(sequence: number, except: ProxyStream | null): string[] {
    const late = [...this.#open.values()].filter((s) => s !== except && !hasConfirmed(s, sequence));
    return late.filter((stream) => stream.delivery.refusal === null).map((stream) => stream.peer.key);
  }
}

function hasConfirmed(stream: ProxyStream, sequence: number): boolean {
  return !stream.delivery.fresh && sequenceOf(stream.delivery.acked) >= sequence;
}

function statusOf({ peer, delivery, connectedAt, gateways }: ProxyStream): ProxyStatus {
  const [namespace = "", name = "", proxy = ""] = peer.key.split("/");
  return {
    ...{ name, namespace, proxy, identity: peer.identity, software: peer.software, connected: true },
    ...{ since: connectedAt, revisionSent: delivery.sent, revisionAcked: delivery.acked, nack: delivery.refusal },
    gateways,
  };
}

function nameOf({ namespace, name, proxy }: ProxyStatus): string {
  return `${namespace}/${name}/${proxy}`;
}
