import { type Cidr, cidrHolds, isIpAddress } from "../config/mod.ts";
import { Field, type RequestHead } from "../http/mod.ts";

/** An IPv4 client of an IPv6 socket. */
const MAPPED = "::ffff:";
/** Peers remembered with the answer, per worker. */
const MAX_PEERS = 1_000;

/** The address as whoever configures it would write it. */
export function plainAddress(address: string): string {
  return address.startsWith(MAPPED) ? address.slice(MAPPED.length) : address;
}

/** Proxies in front of a gateway, load balancers above all: what they say of their clients is believed. */
export class TrustedProxies {
  readonly #ranges: readonly Cidr[];
  readonly #known = new Map<string, boolean>();

  constructor(ranges: readonly Cidr[]) {
    this.#ranges = ranges;
  }

  holds(peer: string): boolean {
    let held = this.#known.get(peer);
    if (held === undefined) {
      const address = plainAddress(peer);
      held = this.#ranges.some((range) => cidrHolds(range, address));
      if (this.#known.size < MAX_PEERS) this.#known.set(peer, held);
    }
    return held;
  }

  /**
   * The address a request came from: that of the peer, or, where that is one
   * of ours, what it says of its own peer, and so on from the last entry of
   * x-forwarded-for to the first that is none of ours. What is no address ends
   * the search: whoever wrote it is the last that is known.
   */
  clientOf(head: RequestHead, peer: string): string {
    let client = peer;
    if (!this.holds(peer)) return client;
    for (const entry of forwardedFor(head).reverse()) {
      const address = addressIn(entry);
      if (address === null) return client;
      client = address;
      if (!this.holds(address)) return client;
    }
    return client;
  }
}

function forwardedFor(head: RequestHead): string[] {
  return head.find(Field.XForwardedFor) < 0 ? [] : head.get("x-forwarded-for")!.split(",");
}

/** Some write the port behind it, IPv6 in brackets then. */
function addressIn(entry: string): string | null {
  const text = entry.trim();
  const [, bracketed, dotted] = /^(?:\[([^\]]+)\](?::\d+)?|([\d.]+):\d+)$/.exec(text) ?? [];
  const address = bracketed ?? dotted ?? text;
  return isIpAddress(address) ? address : null;
}
