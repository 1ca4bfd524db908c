import { HostTable } from "./host-table.ts";

/** What one host name means, and the next less specific name that also takes every host it takes. */
export class HostLink<T> {
  readonly value: T;
  readonly next: HostLink<T> | null;

  constructor(value: T, next: HostLink<T> | null) {
    this.value = value;
    this.next = next;
    Object.freeze(this);
  }
}

/**
 * Values by host name in the precedence of Gateway API: the name itself, then
 * wildcards from the longest to the shortest, then "" for every host. What
 * takes a host beside the first is known beforehand: the chain behind it.
 * Immutable; of two equal names the first counts; a lookup makes no string.
 */
export class HostChain<T> {
  readonly #table: HostTable<HostLink<T>>;
  readonly #any: HostLink<T> | null;

  constructor(entries: readonly (readonly [hostname: string, value: T])[], seed: number) {
    const values = new Map<string, T>();
    for (const [name, value] of entries) if (!values.has(name)) values.set(name, value);
    const links = new Map<string, HostLink<T>>();
    // From the least specific on: each finds what stands behind it made already.
    const names = [...values.keys()].sort((a, b) => rankOf(a) - rankOf(b));
    for (const name of names) links.set(name, new HostLink(values.get(name)!, behind(name, links)));
    this.#any = links.get("") ?? null;
    links.delete("");
    this.#table = new HostTable([...links], seed);
  }

  /** The most specific for the host in `bytes[start, end)`, in any case, also with a dot at its end; no port. */
  find(bytes: Buffer, start: number, end: number): HostLink<T> | null {
    return this.#table.get(bytes, start, end) ?? this.#any;
  }
}

function isWildcard(name: string): boolean {
  return name.startsWith("*.");
}

/** "" before wildcards by their length before whole names. */
function rankOf(name: string): number {
  return isWildcard(name) ? name.length : name === "" ? 0 : Number.MAX_SAFE_INTEGER;
}

/** The longest wildcard that takes all that the name takes. */
function behind<T>(name: string, links: ReadonlyMap<string, HostLink<T>>): HostLink<T> | null {
  if (name === "") return null;
  let rest = isWildcard(name) ? name.slice(2) : name;
  for (let dot = rest.indexOf("."); dot >= 0; dot = rest.indexOf(".")) {
    const found = links.get(`*${rest.slice(dot)}`);
    if (found !== undefined) return found;
    rest = rest.slice(dot + 1);
  }
  return links.get("") ?? null;
}
