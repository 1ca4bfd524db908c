import type { Resource, ResourceKey } from "../snapshot/mod.ts";
import type { Need } from "./need.ts";

/** The difference between what a proxy holds and what it needs. */
export interface Plan {
  readonly id: number;
  readonly revision: string;
  readonly resources: readonly Resource[];
  readonly removed: readonly ResourceKey[];
  readonly hosts: Readonly<Record<string, string | null>>;
}

/** What a proxy refused, and its words. */
export interface Refusal {
  readonly revision: string;
  readonly reasons: readonly string[];
}

interface Flight {
  readonly plan: Plan;
  readonly need: Need;
}

/**
 * What one proxy holds, as far as it has confirmed, and what it is told next.
 *
 * One plan is under way at a time: whatever changes meanwhile is part of the
 * next one, so that a slow proxy gets only the newest. Content that was
 * refused is not sent again until it changes or `retry` is called.
 */
export class Delivery {
  #held: Map<ResourceKey, string>;
  readonly #answered = new Map<string, string | null>();
  readonly #plugins = new Set<string>();
  #flight: Flight | null = null;
  #refused: Need | null = null;
  #ids = 0;
  #acked: string;
  #sent = "";
  #refusal: Refusal | null = null;

  constructor(held: Readonly<Record<ResourceKey, string>>, revision: string) {
    this.#held = new Map(Object.entries(held) as [ResourceKey, string][]);
    this.#acked = revision;
  }

  /** Newest revision that was confirmed; what was on the proxy's disk counts. */
  get acked(): string {
    return this.#acked;
  }

  get sent(): string {
    return this.#sent;
  }

  /** The last refusal, until something is confirmed after it. */
  get refusal(): Refusal | null {
    return this.#refusal;
  }

  get waiting(): boolean {
    return this.#flight !== null;
  }

  /** Nothing was sent yet: what the proxy says it holds may be older than what it should hold. */
  get fresh(): boolean {
    return this.#ids === 0;
  }

  /** SHA-256 of the plugins that were sent or confirmed on this stream. */
  plugins(): ReadonlySet<string> {
    return this.#plugins;
  }

  /**
   * The next plan, now under way; null while one is, or when there is nothing
   * to say. `terse` leaves out a plan that would only tell the revision.
   */
  next(need: Need, terse = false): Plan | null {
    if (this.#flight !== null || (this.#refused !== null && sameContent(this.#refused, need))) return null;
    const resources = [...need.resources].filter(([key, r]) => this.#held.get(key) !== r.version).map(([, r]) => r);
    const removed = [...this.#held.keys()].filter((key) => !need.resources.has(key));
    const hosts = [...need.hosts].filter(([host, service]) => this.#answered.get(host) !== service);
    const silent = resources.length + removed.length + hosts.length === 0;
    // The first plan goes out even if it is empty: only its ACK says that the proxy runs what it claims to hold.
    if (silent && !this.fresh && (terse || need.revision === this.#acked)) return null;
    const plan = { id: ++this.#ids, revision: need.revision, resources, removed, hosts: Object.fromEntries(hosts) };
    for (const r of need.resources.values()) if (r.kind === "plugin") this.#plugins.add(r.model.sha256);
    this.#flight = { plan, need };
    this.#sent = need.revision;
    return plan;
  }

  /** The proxy runs the plan. False: it was not under way. */
  ack(id: number): boolean {
    const need = this.#land(id);
    if (need === null) return false;
    this.#held = new Map([...need.resources].map(([key, resource]) => [key, resource.version]));
    for (const [host, service] of need.hosts) this.#answered.set(host, service);
    this.#acked = need.revision;
    this.#refused = null;
    this.#refusal = null;
    return true;
  }

  /** The proxy keeps what it had. */
  nack(id: number, reasons: readonly string[]): boolean {
    const need = this.#land(id);
    if (need === null) return false;
    this.#refused = need;
    this.#refusal = { revision: need.revision, reasons };
    return true;
  }

  /** Lets refused content be tried once more. */
  retry(): void {
    this.#refused = null;
  }

  /** The proxy has unsubscribed; should it come back, it is answered again. */
  forget(host: string): void {
    this.#answered.delete(host);
  }

  #land(id: number): Need | null {
    const flight = this.#flight;
    if (flight?.plan.id !== id) return null;
    this.#flight = null;
    return flight.need;
  }
}

function sameContent(a: Need, b: Need): boolean {
  if (a.resources.size !== b.resources.size || a.hosts.size !== b.hosts.size) return false;
  for (const [key, resource] of a.resources) if (b.resources.get(key)?.version !== resource.version) return false;
  for (const [host, service] of a.hosts) if (b.hosts.get(host) !== service) return false;
  return true;
}
