import { type Clock, messageOf } from "../base/mod.ts";
import type { Cluster } from "../cluster/mod.ts";
import { DiscoveryUnavailable, type Egress, type MeshExchange } from "../proxy/mod.ts";
import type { Snapshot } from "../snapshot/mod.ts";

/** Hosts remembered as outside the mesh. */
const MAX_ABSENT = 10_000;
/** How long they are, less than discovery goes on to watch for one (a minute): whoever asks again is watched on. */
const ABSENT_MS = 30_000;

export interface ParkedOptions {
  readonly clock: Clock;
  readonly egress: Egress;
  readonly snapshot: () => Snapshot;
  /** Resolves when discovery has answered for a host. */
  readonly want: (host: string) => Promise<void>;
  /** Go on with, or fail, an exchange of this generation, where it still waits. */
  readonly resume: (exchange: MeshExchange, generation: number) => void;
  readonly giveUp: (exchange: MeshExchange, generation: number, failure: unknown) => void;
  readonly flush: () => void;
}

/** Exchanges that wait for an answer: of discovery about a host, of the resolver about an address. */
export class Parked {
  readonly #options: ParkedOptions;
  /** Hosts that discovery knows no service of, and until when that counts. */
  readonly #absent = new Map<string, number>();

  constructor(options: ParkedOptions) {
    this.#options = options;
  }

  isKnownAbsent(host: string): boolean {
    const until = this.#absent.get(host);
    return until !== undefined && this.#options.clock.monotonic() < until;
  }

  /** Always false: the exchange is parked, a way has no more to say. */
  want(exchange: MeshExchange, host: string): false {
    return this.#park(exchange, this.ask(host));
  }

  /** @throws {DiscoveryUnavailable} */
  ask(host: string): Promise<void> {
    return this.#options.want(host).then(
      () => this.#learn(host),
      (cause) => {
        throw new DiscoveryUnavailable(`Cannot find out about "${host}": ${messageOf(cause)}`, { cause });
      },
    );
  }

  leave(exchange: MeshExchange, host: string, port: number, like: Cluster | null = null): boolean {
    const { egress } = this.#options;
    const known = egress.find(host, port, like);
    if (known === null) return this.#park(exchange, egress.lookup(host, port, like));
    exchange.cluster = known;
    return true;
  }

  #park(exchange: MeshExchange, answer: Promise<unknown>): false {
    const { resume, giveUp, flush } = this.#options;
    const { generation } = exchange;
    answer
      .then(
        () => resume(exchange, generation),
        (failure) => giveUp(exchange, generation, failure),
      )
      .finally(flush);
    return false;
  }

  /** Discovery has answered: what the snapshot does not hold now is not in the mesh. */
  #learn(host: string): void {
    if (this.#isPresent(host)) return;
    this.#absent.delete(host);
    if (this.#absent.size >= MAX_ABSENT) this.#absent.delete(this.#absent.keys().next().value!);
    this.#absent.set(host, this.#options.clock.monotonic() + ABSENT_MS);
  }

  /** Another snapshot serves: a host that came into the mesh must be asked for again when it is dropped. */
  review(): void {
    for (const host of this.#absent.keys()) if (this.#isPresent(host)) this.#absent.delete(host);
  }

  #isPresent(host: string): boolean {
    const name = Buffer.from(host, "latin1");
    return this.#options.snapshot().lookupHost(name, 0, name.length) !== null;
  }
}
