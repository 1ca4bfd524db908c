import type { RequestHead } from "../http/mod.ts";
import { ByteTable } from "./byte-table.ts";
import { Conditions } from "./condition.ts";
import { WHOLE_PATH } from "./filter/path-change.ts";
import type { MatchModel } from "./model.ts";
import { normalizePath, type PathScan } from "./path.ts";
import { Pattern } from "./pattern.ts";

/** One match of one rule, with what is found when it holds. */
export interface RouteMatch<T> {
  readonly match: MatchModel;
  /** Of the rule's route; lower goes first among equals. */
  readonly order: number;
  /** Place of the rule in its route; lower goes first among equals. */
  readonly ruleIndex: number;
  readonly value: T;
}

/**
 * Finds the rule of a request by the precedence of Gateway API (HTTPRouteRule,
 * `matches`): exact path, longest path prefix, method, most headers, most
 * query parameters, then the older route, then the earlier rule.
 *
 * Regular expressions, whose place the specification leaves open, come behind
 * the prefixes, the longest text first, but before the prefix "/": that one
 * stands for "everything else", and would leave them nothing.
 *
 * A lookup, not a scan: the path is hashed once, and only prefixes of whole
 * elements that some rule has are probed, longest first. Regular expressions
 * are tried one by one. Immutable; routers of one worker share the scan they
 * are made with.
 */
export class Router<T> {
  readonly #scan: PathScan;
  /** Null without any: most services have the prefix "/" and nothing else. */
  readonly #exact: ByteTable<readonly Candidate<T>[]> | null;
  readonly #prefixes: ByteTable<readonly Candidate<T>[]> | null;
  readonly #patterns: readonly PatternGroup<T>[] | null;
  /** 1 at every length that a prefix has. */
  readonly #lengths: Uint8Array;
  /** The prefix "/": it also takes what has no path, "OPTIONS *" and CONNECT. */
  readonly #root: readonly Candidate<T>[];

  /** @throws {InvalidPattern} */
  constructor(matches: readonly RouteMatch<T>[], scan: PathScan) {
    const sorted = matches.map((match) => new Candidate(match)).sort(byPrecedence);
    const exact = byPath(sorted.filter(({ type }) => type === "Exact"));
    const prefixes = byPath(sorted.filter(({ type }) => type === "PathPrefix"));
    const patterns = byPath(sorted.filter(({ type }) => type === "RegularExpression"));
    this.#scan = scan;
    this.#root = prefixes.get("") ?? [];
    prefixes.delete("");
    this.#exact = tableOf(exact, scan.seed);
    this.#prefixes = tableOf(prefixes, scan.seed);
    this.#patterns = groupsOf(patterns);
    this.#lengths = lengthsOf(prefixes.keys());
    scan.reserve(this.#lengths.length);
  }

  /** The value of the rule that takes a request; null without one. */
  match(head: RequestHead): T | null {
    if (this.#exact === null && this.#prefixes === null && this.#patterns === null) return firstOf(this.#root, head);
    const scan = this.#scan;
    scan.read(head.bytes, head.pathStart, head.pathEnd, this.#lengths);
    const found = this.#matchExact(scan, head) ?? this.#matchPrefix(scan, head);
    if (found !== null) return found;
    return (this.#patterns === null ? null : matchPattern(this.#patterns, scan, head)) ?? firstOf(this.#root, head);
  }

  #matchExact(scan: PathScan, head: RequestHead): T | null {
    const candidates = this.#exact?.probe(scan.hash, scan.bytes, scan.start, scan.end) ?? null;
    return candidates === null ? null : firstOf(candidates, head);
  }

  /** A shorter prefix gets its turn when no rule of a longer one takes the request. */
  #matchPrefix(scan: PathScan, head: RequestHead): T | null {
    const { bytes, start } = scan;
    const prefixes = this.#prefixes;
    if (prefixes === null) return null;
    for (let i = scan.count - 1; i >= 0; i--) {
      const candidates = prefixes.probe(scan.hashes[i]!, bytes, start, start + scan.lengths[i]!);
      if (candidates === null) continue;
      const found = firstOf(candidates, head);
      if (found !== null) return found;
    }
    return null;
  }
}

/** The candidates of one regular expression. */
interface PatternGroup<T> {
  readonly pattern: Pattern;
  readonly candidates: readonly Candidate<T>[];
}

/** The path is read in its normal form, as everywhere. */
function matchPattern<T>(groups: readonly PatternGroup<T>[], scan: PathScan, head: RequestHead): T | null {
  for (let i = 0; i < groups.length; i++) {
    const { pattern, candidates } = groups[i]!;
    if (!pattern.matches(scan.bytes, scan.start, scan.end)) continue;
    const found = firstOf(candidates, head);
    if (found !== null) return found;
  }
  return null;
}

class Candidate<T> {
  readonly type: MatchModel["path"]["type"];
  /** Normal form, one character a byte; of a prefix without slashes at its end; of a regular expression as it is. */
  readonly path: string;
  /** Null where the path is all that is asked. */
  readonly conditions: Conditions | null;
  readonly value: T;
  readonly order: number;
  readonly ruleIndex: number;

  constructor({ match, order, ruleIndex, value }: RouteMatch<T>) {
    const conditions = new Conditions(match);
    this.type = match.path.type;
    this.path = pathOf(match);
    this.conditions = conditions.hasMethod || conditions.headerCount + conditions.queryCount > 0 ? conditions : null;
    this.value = value;
    this.order = order;
    this.ruleIndex = ruleIndex;
  }
}

/** The first candidate whose conditions hold; they are sorted. */
function firstOf<T>(candidates: readonly Candidate<T>[], head: RequestHead): T | null {
  for (let i = 0; i < candidates.length; i++) {
    const candidate = candidates[i]!;
    if (candidate.conditions === null || candidate.conditions.hold(head)) return candidate.value;
  }
  return null;
}

/** Precedence among candidates of one path. */
function byPrecedence<T>(a: Candidate<T>, b: Candidate<T>): number {
  const [x, y] = [a.conditions, b.conditions];
  return (
    Number(y?.hasMethod ?? false) - Number(x?.hasMethod ?? false) ||
    (y?.headerCount ?? 0) - (x?.headerCount ?? 0) ||
    (y?.queryCount ?? 0) - (x?.queryCount ?? 0) ||
    a.order - b.order ||
    a.ruleIndex - b.ruleIndex
  );
}

/** Groups sorted candidates; what stands behind an unconditional one can never be reached and is left out. */
function byPath<T>(sorted: readonly Candidate<T>[]): Map<string, Candidate<T>[]> {
  const groups = new Map<string, Candidate<T>[]>();
  for (const candidate of sorted) {
    const group = groups.get(candidate.path);
    if (group === undefined) groups.set(candidate.path, [candidate]);
    else if (group.at(-1)!.conditions !== null) group.push(candidate);
  }
  return groups;
}

function tableOf<T>(
  groups: ReadonlyMap<string, readonly Candidate<T>[]>,
  seed: number,
): ByteTable<readonly Candidate<T>[]> | null {
  if (groups.size === 0) return null;
  const entries = Array.from(groups, ([path, candidates]) => [Buffer.from(path, "latin1"), candidates] as const);
  return new ByteTable(entries, { seed });
}

function groupsOf<T>(groups: ReadonlyMap<string, readonly Candidate<T>[]>): readonly PatternGroup<T>[] | null {
  if (groups.size === 0) return null;
  return [...groups]
    .sort(([a], [b]) => b.length - a.length)
    .map(([text, candidates]) => ({ pattern: new Pattern(text), candidates }));
}

function lengthsOf(paths: Iterable<string>): Uint8Array {
  const lengths = Array.from(paths, (path) => path.length);
  const marks = new Uint8Array(lengths.reduce((most, length) => Math.max(most, length + 1), 0));
  for (const length of lengths) marks[length] = 1;
  return marks;
}

/** How much of a path a match takes, in its normal form; `WHOLE_PATH` where it is no prefix. */
export function prefixLengthOf(match: MatchModel): number {
  return match.path.type === "PathPrefix" ? pathOf(match).length : WHOLE_PATH;
}

function pathOf({ path: { type, value } }: MatchModel): string {
  if (type === "RegularExpression") return value;
  const path = normalForm(value);
  return type === "Exact" ? path : path.replace(/\/+$/, "");
}

function normalForm(path: string): string {
  const bytes = Buffer.from(path, "utf8");
  const into = Buffer.alloc(bytes.length);
  return into.latin1Slice(0, normalizePath(bytes, 0, bytes.length, into));
}
