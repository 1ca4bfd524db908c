import { MeshError } from "../base/mod.ts";

/** A regular expression that is wrong, or asks for what a linear automaton cannot do. */
export class InvalidPattern extends MeshError {
  override readonly name = "InvalidPattern";
  readonly code = "MESH_INVALID_PATTERN";
  readonly source = "mesh";

  constructor(pattern: string, problem: string) {
    super(`Cannot compile the regular expression "${pattern}": ${problem}`);
  }
}

export const Op = {
  /** Takes a byte of set x. */
  Set: 0,
  /** Goes on at x and at y. */
  Split: 1,
  /** Goes on at x. */
  Jump: 2,
  /** Holds before the first byte. */
  Start: 3,
  /** Holds after the last byte. */
  End: 4,
  Match: 5,
} as const;

/** One state per index. */
export interface Program {
  readonly ops: Uint8Array;
  readonly x: Int32Array;
  readonly y: Int32Array;
  /** 256 flags a set. */
  readonly sets: Uint8Array;
}

type Node =
  | { readonly type: "empty" }
  | { readonly type: "set"; readonly set: Uint8Array }
  | { readonly type: "start" | "end" }
  | { readonly type: "all" | "any"; readonly nodes: readonly Node[] }
  | { readonly type: "repeat"; readonly node: Node; readonly min: number; readonly max: number };

/** RE2 allows as much; a state costs time for every byte. */
const MAX_REPEAT = 1000;
const MAX_STATES = 1000;
const MAX_DEPTH = 100;

/**
 * Compiles the RE2 syntax without what needs backtracking or Unicode tables:
 * literals, `.`, classes with ranges and `\d \w \s`, groups, `|`, `* + ? {m,n}`
 * (also lazy, which changes nothing for a whole match), `^ $`, a leading `(?i)`.
 *
 * @throws {InvalidPattern}
 */
export function parsePattern(pattern: string): Program {
  return new Emitter(pattern).program(new Parser(pattern).parse());
}

class Parser {
  readonly #pattern: string;
  readonly #text: readonly string[];
  readonly #ignoreCase: boolean;
  #at = 0;
  #depth = 0;

  constructor(pattern: string) {
    this.#pattern = pattern;
    this.#ignoreCase = pattern.startsWith("(?i)");
    this.#text = [...(this.#ignoreCase ? pattern.slice(4) : pattern)];
  }

  parse(): Node {
    const node = this.#alternatives();
    if (this.#at < this.#text.length) this.#fail(`")" without "("`);
    return node;
  }

  #alternatives(): Node {
    if (++this.#depth > MAX_DEPTH) this.#fail(`groups nest deeper than ${MAX_DEPTH}`);
    const nodes = [this.#sequence()];
    while (this.#take("|")) nodes.push(this.#sequence());
    this.#depth--;
    return nodes.length === 1 ? nodes[0]! : { type: "any", nodes };
  }

  #sequence(): Node {
    const nodes: Node[] = [];
    for (let c = this.#peek(); c !== undefined && c !== "|" && c !== ")"; c = this.#peek())
      nodes.push(this.#repeated());
    return nodes.length === 0 ? { type: "empty" } : { type: "all", nodes };
  }

  #repeated(): Node {
    const node = this.#atom();
    const bounds = this.#bounds();
    if (bounds === null) return node;
    this.#take("?");
    if (this.#peek() === "+" || this.#bounds() !== null) this.#fail("a repetition cannot be repeated without a group");
    return { type: "repeat", node, min: bounds[0], max: bounds[1] };
  }

  #bounds(): readonly [number, number] | null {
    if (this.#take("*")) return [0, Number.POSITIVE_INFINITY];
    if (this.#take("+")) return [1, Number.POSITIVE_INFINITY];
    if (this.#take("?")) return [0, 1];
    const counted = /^\{(\d{1,5})(,(\d{0,5}))?\}/.exec(this.#text.slice(this.#at, this.#at + 14).join(""));
    if (counted === null) return null;
    this.#at += counted[0].length;
    const min = Number(counted[1]);
    const max = counted[2] === undefined ? min : counted[3] === "" ? Number.POSITIVE_INFINITY : Number(counted[3]);
    if (min > MAX_REPEAT || (Number.isFinite(max) && max > MAX_REPEAT) || max < min)
      this.#fail(`"${counted[0]}" is no repetition from 0 to ${MAX_REPEAT}`);
    return [min, max];
  }

  #atom(): Node {
    const c = this.#next();
    if (c === "(") return this.#group();
    if (c === "[") return { type: "set", set: this.#class() };
    if (c === ".") return { type: "set", set: setOf((b) => b !== 0x0a) };
    if (c === "^") return { type: "start" };
    if (c === "$") return { type: "end" };
    if (c === "*" || c === "+" || c === "?") this.#fail(`"${c}" has nothing to repeat`);
    return c === "\\" ? { type: "set", set: this.#cased(this.#escape()) } : this.#literal(c);
  }

  #group(): Node {
    if (this.#take("?") && !this.#take(":")) this.#fail(`"(?${this.#peek() ?? ""}" is not supported`);
    const node = this.#alternatives();
    if (!this.#take(")")) this.#fail(`"(" without ")"`);
    return node;
  }

  #literal(c: string): Node {
    const nodes = [...new TextEncoder().encode(c)].map((byte): Node => {
      return { type: "set", set: this.#cased(setOf((b) => b === byte)) };
    });
    return nodes.length === 1 ? nodes[0]! : { type: "all", nodes };
  }

  #class(): Uint8Array {
    const negated = this.#take("^");
    const set = new Uint8Array(256);
    for (let first = true; first || this.#peek() !== "]"; first = false) {
      const low = this.#member();
      if (low.single < 0 || this.#peek() !== "-" || this.#text[this.#at + 1] === "]") merge(set, low.set);
      else {
        this.#at++;
        const high = this.#member().single;
        if (high < low.single) this.#fail("a range in a class ends before it starts");
        merge(
          set,
          setOf((b) => b >= low.single && b <= high),
        );
      }
    }
    this.#at++;
    const cased = this.#cased(set);
    return negated ? setOf((b) => cased[b] === 0) : cased;
  }

  #member(): { readonly set: Uint8Array; readonly single: number } {
    const c = this.#next(`"[" without "]"`);
    if (c === "[" && this.#peek() === ":") this.#fail("named classes are not supported");
    if (c.codePointAt(0)! > 0x7f) this.#fail(`"${c}" in a class is not ASCII`);
    const byte = c.charCodeAt(0);
    const set = c === "\\" ? this.#escape() : setOf((b) => b === byte);
    return { set, single: set.indexOf(1) === set.lastIndexOf(1) ? set.indexOf(1) : -1 };
  }

  #escape(): Uint8Array {
    const c = this.#next(`"\\" at the end`);
    const negative = c.toLowerCase();
    const named = ESCAPES[negative];
    if (named !== undefined) return c === negative ? setOf((b) => named(b)) : setOf((b) => !named(b));
    const control = CONTROLS.indexOf(c);
    if (control >= 0) return setOf((b) => b === CONTROL_BYTES[control]);
    if (c === "x") return this.#hexEscape();
    if (/[A-Za-z0-9]/.test(c) || c.codePointAt(0)! > 0x7f) this.#fail(`"\\${c}" is not supported`);
    return setOf((b) => b === c.charCodeAt(0));
  }

  #hexEscape(): Uint8Array {
    const digits = this.#text.slice(this.#at, this.#at + 2).join("");
    if (!/^[0-9a-fA-F]{2}$/.test(digits)) this.#fail(`"\\x" wants two hex digits`);
    this.#at += 2;
    return setOf((b) => b === Number.parseInt(digits, 16));
  }

  #cased(set: Uint8Array): Uint8Array {
    if (!this.#ignoreCase) return set;
    return setOf((b) => set[b] === 1 || (isLetter(b) && set[b ^ 0x20] === 1));
  }

  #peek(): string | undefined {
    return this.#text[this.#at];
  }

  #take(c: string): boolean {
    if (this.#peek() !== c) return false;
    this.#at++;
    return true;
  }

  #next(otherwise = "it ends too early"): string {
    const c = this.#text[this.#at++];
    return c ?? this.#fail(otherwise);
  }

  #fail(problem: string): never {
    throw new InvalidPattern(this.#pattern, problem);
  }
}

/** Writes the states of a tree, Thompson's construction. */
class Emitter {
  readonly #pattern: string;
  readonly #ops: number[] = [];
  readonly #x: number[] = [];
  readonly #y: number[] = [];
  readonly #sets: Uint8Array[] = [];

  constructor(pattern: string) {
    this.#pattern = pattern;
  }

  program(root: Node): Program {
    this.#node(root);
    this.#emit(Op.Match);
    const sets = new Uint8Array(this.#sets.length * 256);
    this.#sets.forEach((set, i) => {
      sets.set(set, i * 256);
    });
    return { ops: Uint8Array.from(this.#ops), x: Int32Array.from(this.#x), y: Int32Array.from(this.#y), sets };
  }

  #emit(op: number, x = 0, y = 0): number {
    if (this.#ops.length >= MAX_STATES)
      throw new InvalidPattern(this.#pattern, `it needs more than ${MAX_STATES} states`);
    this.#ops.push(op);
    this.#x.push(x);
    this.#y.push(y);
    return this.#ops.length - 1;
  }

  #node(node: Node): void {
    if (node.type === "set") this.#emit(Op.Set, this.#set(node.set));
    else if (node.type === "start") this.#emit(Op.Start);
    else if (node.type === "end") this.#emit(Op.End);
    else if (node.type === "all") for (const part of node.nodes) this.#node(part);
    else if (node.type === "any") this.#any(node.nodes);
    else if (node.type === "repeat") this.#repeat(node.node, node.min, node.max);
  }

  #set(set: Uint8Array): number {
    const known = this.#sets.findIndex((other) => other.every((flag, b) => flag === set[b]));
    return known >= 0 ? known : this.#sets.push(set) - 1;
  }

  #any(nodes: readonly Node[]): void {
    const jumps: number[] = [];
    nodes.forEach((node, i) => {
      const last = i === nodes.length - 1;
      const split = last ? -1 : this.#emit(Op.Split, this.#ops.length + 1);
      this.#node(node);
      if (last) return;
      jumps.push(this.#emit(Op.Jump));
      this.#y[split] = this.#ops.length;
    });
    for (const jump of jumps) this.#x[jump] = this.#ops.length;
  }

  #repeat(node: Node, min: number, max: number): void {
    const before = this.#ops.length;
    // A part without states is the same however often: do not count to a billion with it.
    for (let i = 0; i < min && (i === 0 || this.#ops.length > before); i++) this.#node(node);
    if (max === Number.POSITIVE_INFINITY) {
      const split = this.#emit(Op.Split, this.#ops.length + 1);
      this.#node(node);
      this.#emit(Op.Jump, split);
      this.#y[split] = this.#ops.length;
      return;
    }
    const splits: number[] = [];
    for (let i = min; i < max; i++) {
      splits.push(this.#emit(Op.Split, this.#ops.length + 1));
      this.#node(node);
    }
    for (const split of splits) this.#y[split] = this.#ops.length;
  }
}

const CONTROLS = "tnrfva";
const CONTROL_BYTES = [0x09, 0x0a, 0x0d, 0x0c, 0x0b, 0x07];
const ESCAPES: Readonly<Record<string, (byte: number) => boolean>> = {
  d: (b) => b >= 0x30 && b <= 0x39,
  w: (b) => isLetter(b) || (b >= 0x30 && b <= 0x39) || b === 0x5f,
  s: (b) => b === 0x20 || (b >= 0x09 && b <= 0x0d && b !== 0x0b),
};

function isLetter(byte: number): boolean {
  return (byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x7a;
}

function setOf(has: (byte: number) => boolean): Uint8Array {
  return new Uint8Array(256).map((_, b) => (has(b) ? 1 : 0));
}

function merge(into: Uint8Array, from: Uint8Array): void {
  for (let b = 0; b < 256; b++) into[b]! |= from[b]!;
}
