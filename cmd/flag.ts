import {
  ADDRESS,
  type Address,
  CIDR,
  type Cidr,
  DURATION,
  PORT,
  parseAddress,
  parseCidr,
  parseDuration,
  parsePort,
} from "../core/config/mod.ts";

/**
 * One flag of a verb: how it is spelled, what help says of it, and how what
 * was typed becomes a value. `null` is the value of a flag that was not given.
 */
export interface Flag<T> {
  /** What stands for the value in help; empty for a switch. */
  readonly hint: string;
  readonly about: string;
  /** A single letter: `-f`. */
  readonly short: string;
  /** Environment variable that is read where the flag is not given; empty for none. */
  readonly env: string;
  /** What help shows as its default; empty for none. */
  readonly fallback: string;
  readonly repeats: boolean;
  /** @throws {BadValue} for text that is not what the flag takes. */
  read(given: readonly string[]): T;
}

/** A flag's text is not what it takes. The message goes on after the flag's name. */
export class BadValue extends Error {
  override readonly name = "BadValue";
}

export interface Spelling {
  readonly hint: string;
  readonly about: string;
  readonly short?: string;
  readonly env?: string;
}

/** A flag whose text is read by `parse`; null for what is not `expected`. */
export function valued<T>(expected: string, parse: (text: string) => T | null, spelling: Spelling): Flag<T | null> {
  const { hint, about, short = "", env = "" } = spelling;
  const read = (given: readonly string[]): T | null => {
    const text = given.at(-1);
    if (text === undefined) return null;
    const value = parse(text);
    if (value === null) throw new BadValue(`must be ${expected}: current value is "${text}"`);
    return value;
  };
  return { hint, about, short, env, fallback: "", repeats: false, read };
}

export function text(spelling: Spelling): Flag<string | null> {
  return valued("text that is not empty", (given) => (given === "" ? null : given), spelling);
}

/** Milliseconds of a text like 1m30s. */
export function duration(spelling: Spelling): Flag<number | null> {
  return valued(DURATION, parseDuration, spelling);
}

export function address(spelling: Spelling): Flag<Address | null> {
  return valued(ADDRESS, parseAddress, spelling);
}

/** The range from which Gateways get their addresses. */
export function gatewayAddresses(): Flag<Cidr | null> {
  const about = "range that Gateways get an address each of; without it they listen where their proxy does";
  return valued(CIDR, parseCidr, { hint: "CIDR", about });
}

/** A port of an app: the system cannot choose it. */
export function port(spelling: Spelling): Flag<number | null> {
  return valued(PORT, parsePort, spelling);
}

export function count(spelling: Spelling): Flag<number | null> {
  const parse = (given: string) => (/^\d{1,9}$/.test(given) ? Number(given) : null);
  return valued("a whole number", parse, spelling);
}

export function choice<const W extends string>(words: readonly W[], spelling: Spelling): Flag<W | null> {
  return valued(`one of ${words.join(", ")}`, (given) => words.find((word) => word === given) ?? null, spelling);
}

/** Given or not. */
export function toggle(about: string, short = ""): Flag<boolean> {
  return { hint: "", about, short, env: "", fallback: "", repeats: false, read: (given) => given.length > 0 };
}

/** The same flag, given as often as there are values. */
export function list<T>(flag: Flag<T | null>): Flag<readonly T[]> {
  const read = (given: readonly string[]) => given.map((text) => flag.read([text])!);
  return { ...flag, repeats: true, read };
}

/** The same flag with a value, written as a user would write it, for when none is given. */
export function withDefault<T>(flag: Flag<T | null>, fallback: string): Flag<T> {
  return { ...flag, fallback, read: (given) => flag.read(given.length === 0 ? [fallback] : given)! };
}

/** The same flag, which must be given. */
export function required<T>(flag: Flag<T | null>): Flag<T> {
  const read = (given: readonly string[]): T => {
    const value = flag.read(given);
    if (value === null) throw new BadValue(`is missing: give ${flag.hint}`);
    return value;
  };
  return { ...flag, read };
}
