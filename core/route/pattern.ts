import { Op, type Program, parsePattern } from "./pattern-parse.ts";

/** More than this of a value is not looked at: it does not match. */
const MAX_VALUE_BYTES = 4096;

/**
 * A regular expression over bytes that must match the whole value, as in Istio
 * and Envoy. It is run as an automaton, all alternatives side by side, so its
 * time grows with the value's length and never explodes with what a stranger
 * sends; RegExp backtracks and would.
 *
 * Bytes are fed one at a time: `begin()`, `step(byte)` …, `end()`.
 */
export class Pattern {
  readonly text: string;
  readonly #program: Program;
  /** States that are alive, and those of the next byte. */
  #now: Int32Array;
  #next: Int32Array;
  #nowCount = 0;
  #nextCount = 0;
  /** Generation in which a state was last added: no state is added twice. */
  readonly #seen: Int32Array;
  #generation = 0;
  readonly #stack: Int32Array;
  #position = 0;

  /** @throws {InvalidPattern} */
  constructor(text: string) {
    this.text = text;
    this.#program = parsePattern(text);
    const states = this.#program.ops.length;
    this.#now = new Int32Array(states);
    this.#next = new Int32Array(states);
    this.#seen = new Int32Array(states);
    this.#stack = new Int32Array(states * 2 + 1);
  }

  matches(bytes: Uint8Array, start: number, end: number): boolean {
    this.begin();
    for (let i = start; i < end; i++) if (!this.step(bytes[i]!)) return false;
    return this.end();
  }

  begin(): void {
    this.#position = 0;
    this.#nextCount = 0;
    this.#renew();
    this.#add(0, false);
    this.#swap();
  }

  /** False when nothing that follows can make it match. */
  step(byte: number): boolean {
    const { ops, x, sets } = this.#program;
    this.#position++;
    if (this.#position > MAX_VALUE_BYTES) this.#nowCount = 0;
    this.#renew();
    for (let i = 0; i < this.#nowCount; i++) {
      const at = this.#now[i]!;
      if (ops[at] === Op.Set && sets[x[at]! * 256 + byte] === 1) this.#add(at + 1, false);
    }
    this.#swap();
    return this.#nowCount > 0;
  }

  end(): boolean {
    this.#renew();
    for (let i = 0; i < this.#nowCount; i++) this.#add(this.#now[i]!, true);
    for (let i = 0; i < this.#nextCount; i++) if (this.#program.ops[this.#next[i]!] === Op.Match) return true;
    return false;
  }

  #renew(): void {
    this.#nextCount = 0;
    this.#generation = (this.#generation + 1) | 0;
  }

  #swap(): void {
    const now = this.#now;
    this.#now = this.#next;
    this.#next = now;
    this.#nowCount = this.#nextCount;
  }

  /** Adds a state with all that is reached from it without a byte. */
  #add(state: number, atEnd: boolean): void {
    const { ops, x, y } = this.#program;
    const stack = this.#stack;
    let depth = 0;
    stack[depth++] = state;
    while (depth > 0) {
      const at = stack[--depth]!;
      if (this.#seen[at] === this.#generation) continue;
      this.#seen[at] = this.#generation;
      const op = ops[at]!;
      if (op === Op.Jump) stack[depth++] = x[at]!;
      else if (op === Op.Split) {
        stack[depth++] = y[at]!;
        stack[depth++] = x[at]!;
      } else if (op === Op.Start) {
        if (this.#position === 0) stack[depth++] = at + 1;
      } else if (op === Op.End && atEnd) stack[depth++] = at + 1;
      else this.#next[this.#nextCount++] = at;
    }
  }
}
