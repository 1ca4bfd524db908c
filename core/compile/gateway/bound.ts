/** What one proxy says of a Gateway that it serves. */
export interface BoundReport {
  /** IP addresses it has bound; 0.0.0.0 and :: for all of its machine. */
  readonly addresses: readonly string[];
  /** Ports that it cannot serve, and why. */
  readonly problems: readonly { readonly port: number; readonly problem: string }[];
}

/** Addresses that say nothing to whoever wants to connect. */
const ALL = new Set(["0.0.0.0", "::"]);

/** What the proxies of a Gateway have bound, together. */
export class Bound {
  readonly addresses: readonly string[];
  readonly #problems: ReadonlyMap<number, string>;

  constructor(reports: readonly BoundReport[]) {
    const addresses = reports.flatMap((report) => report.addresses).filter((address) => !ALL.has(address));
    this.addresses = [...new Set(addresses)].sort();
    const problems = reports.flatMap((report) => report.problems);
    this.#problems = new Map(problems.map(({ port, problem }) => [port, problem]));
  }

  /** Why a port is not served somewhere; null where nobody complains. */
  problemAt(port: number): string | null {
    return this.#problems.get(port) ?? null;
  }
}
