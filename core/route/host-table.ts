import { latin1 } from "../base/mod.ts";
import { ByteTable } from "./byte-table.ts";

const DOT = 0x2e;

/**
 * Values by host name, in any case. A name that begins with "*." takes every
 * host under it, one label deep or many (Gateway API, Hostname); the most
 * specific wins. Immutable; a lookup makes no string.
 */
export class HostTable<V> {
  readonly #exact: ByteTable<V>;
  /** By the suffix behind the star, with its dot; null without any: most tables have none. */
  readonly #wild: ByteTable<V> | null;
  /** Of the suffixes: what is longer is none of them, and is not looked at. */
  readonly #longest: number;

  /** Of two equal names the first counts. */
  constructor(entries: readonly (readonly [host: string, value: V])[], seed: number) {
    const options = { seed, ignoreCase: true };
    const exact = entries.filter(([host]) => !host.startsWith("*."));
    const wild = entries.filter(([host]) => host.startsWith("*."));
    this.#exact = new ByteTable(
      exact.map(([host, value]) => [latin1(host), value] as const),
      options,
    );
    this.#longest = wild.reduce((most, [host]) => Math.max(most, host.length - 1), 0);
    this.#wild =
      wild.length === 0
        ? null
        : new ByteTable(
            wild.map(([host, value]) => [latin1(host.slice(1)), value] as const),
            options,
          );
  }

  /** The value of a host in `bytes[start, end)`, also with a dot at its end; no port. */
  get(bytes: Buffer, start: number, end: number): V | null {
    const last = end - 1 > start && bytes[end - 1] === DOT ? end - 1 : end;
    const exact = this.#exact.get(bytes, start, last);
    return exact === null && this.#wild !== null ? this.#under(this.#wild, bytes, start, last) : exact;
  }

  /** The longest suffix first: the star stands for one character at least. */
  #under(wild: ByteTable<V>, bytes: Buffer, start: number, end: number): V | null {
    for (let i = Math.max(start + 1, end - this.#longest); i < end; i++) {
      if (bytes[i] !== DOT) continue;
      const found = wild.get(bytes, i, end);
      if (found !== null) return found;
    }
    return null;
  }
}
