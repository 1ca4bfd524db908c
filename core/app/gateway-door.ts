import type { Deadlines } from "../base/mod.ts";
import { parseCidr } from "../config/mod.ts";
import type { ConnectionFacts, Wire, WireOwner } from "../listener/mod.ts";
import { gatewayWay, TrustedProxies, type Way } from "../proxy/mod.ts";
import type { GatewayListener, GatewayPort, Snapshot } from "../snapshot/mod.ts";
import type { ClientHello } from "../tcp/mod.ts";
import { ListenerCertificates } from "./certificates.ts";
import { Greeting, type Welcome } from "./greeting.ts";
import type { ListenerPlan } from "./plan.ts";

export interface GatewayDoorOptions {
  readonly plan: Extract<ListenerPlan, { kind: "gateway" }>;
  readonly snapshot: () => Snapshot;
  readonly seed: number;
  readonly deadlines: Deadlines;
  readonly handshakeTimeoutMs: number;
  /** Serves the requests of a connection. */
  readonly serve: (wire: Wire, facts: ConnectionFacts, way: Way) => WireOwner;
  readonly refused: (reason: string, remoteAddress: string) => void;
  readonly flush: () => void;
  readonly bug: (error: unknown) => void;
}

const UNRECOGNIZED_NAME = 112;

/** Bun calls nobody else for a connection that is refused at once. */
const NOBODY: WireOwner = { received() {}, writable() {}, peerEnded() {}, closed() {} };

/**
 * The connections of one gateway port. What the port is (plain, TLS, bytes)
 * and whose certificates it shows is read of the snapshot for every connection
 * anew, so that a change of either touches none that is there, and no socket.
 */
export class GatewayDoor {
  readonly #options: GatewayDoorOptions;
  readonly #proxies: TrustedProxies | undefined;
  readonly #plain: Way;
  /** By the listener that TLS chose. */
  readonly #secured = new Map<string, Way>();
  readonly #certificates = new WeakMap<GatewayListener, ListenerCertificates>();

  constructor(options: GatewayDoorOptions) {
    this.#options = options;
    const ranges = options.plan.trusted.map(parseCidr).filter((range) => range !== null);
    this.#proxies = ranges.length === 0 ? undefined : new TrustedProxies(ranges);
    this.#plain = this.#way(null);
  }

  #way(listener: string | null): Way {
    const { gateway, gatewayPort } = this.#options.plan;
    return gatewayWay(gateway, gatewayPort, listener, this.#proxies);
  }

  get #port(): GatewayPort | null {
    const { gateway, gatewayPort } = this.#options.plan;
    return this.#options.snapshot().gatewayNamed(gateway)?.port(gatewayPort) ?? null;
  }

  accept(wire: Wire, facts: ConnectionFacts): WireOwner {
    const port = this.#port;
    if (port?.transport === "http") return this.#options.serve(wire, facts, this.#plain);
    if (port?.transport === "tls") return this.#greet(wire, facts);
    if (port?.transport === "tcp") return this.#options.serve(wire, { ...facts, ...nameOf(port) }, this.#plain);
    this.#options.refused(port === null ? "no such port" : `no ${port.transport} is served here`, facts.remoteHost);
    wire.terminate();
    return NOBODY;
  }

  #greet(wire: Wire, facts: ConnectionFacts): WireOwner {
    const { deadlines, handshakeTimeoutMs: timeoutMs, flush, bug, refused } = this.#options;
    return new Greeting(wire, {
      ...{ deadlines, timeoutMs, flush, bug },
      welcome: (hello) => this.#welcome(hello, wire, facts),
      refused: (reason) => refused(reason, facts.remoteHost),
    });
  }

  /** RFC 6066, section 3: the server name chooses the listener, the most specific one. */
  #welcome({ serverName }: ClientHello, raw: Wire, facts: ConnectionFacts): Welcome {
    const name = Buffer.from(serverName, "latin1");
    const listener = this.#port?.listenerFor(name, 0, name.length) ?? null;
    if (listener?.tls == null) return { refused: "no listener for the server name", alert: UNRECOGNIZED_NAME };
    if (listener.tls.mode === "Passthrough")
      return this.#pass(raw, { ...facts, listener: listener.name, serverName }, this.#wayOf(listener));
    const known = { ...facts, listener: listener.name, secure: true, serverName };
    const certificates = this.#certificatesOf(listener);
    const tls = certificates.for(serverName);
    if (tls === null) return { refused: "no certificate" };
    const way = this.#wayOf(listener);
    return {
      tls,
      verifies: certificates.verifies,
      opened: (wire, { protocol }) => this.#options.serve(wire, { ...known, protocol }, way),
    };
  }

  #pass(raw: Wire, facts: ConnectionFacts, way: Way): Welcome {
    return {
      passedTo: (first) => {
        const owner = this.#options.serve(raw, facts, way);
        owner.received(first);
        return owner;
      },
    };
  }

  #wayOf({ name }: GatewayListener): Way {
    let way = this.#secured.get(name);
    if (way === undefined) {
      way = this.#way(name);
      this.#secured.set(name, way);
    }
    return way;
  }

  #certificatesOf(listener: GatewayListener): ListenerCertificates {
    let certificates = this.#certificates.get(listener);
    if (certificates === undefined) {
      certificates = new ListenerCertificates(listener.tls!, listener.connections === null, this.#options.seed);
      this.#certificates.set(listener, certificates);
    }
    return certificates;
  }

  /** Forgets the ways of listeners that are no more. */
  review(): void {
    for (const name of this.#secured.keys()) {
      if (this.#port?.listenerNamed(name) == null) this.#secured.delete(name);
    }
  }

  /** A connection that came before goes on, unless what it came by is no more. */
  stillServes({ secure, listener }: ConnectionFacts): boolean {
    const port = this.#port;
    if (port === null) return false;
    if (listener === this.#options.plan.name) return port.transport === "http";
    const found = port.listenerNamed(listener);
    return found !== null && secure === (found.tls?.mode === "Terminate");
  }
}

function nameOf({ listeners }: GatewayPort): { readonly listener?: string } {
  const [first] = listeners;
  return first === undefined ? {} : { listener: first.name };
}
