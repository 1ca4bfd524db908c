/** Where the cells of a series are. */
export interface Span {
  readonly cells: Float64Array;
  readonly at: number;
}

/** A number that only grows. */
export class Counter {
  readonly #cells: Float64Array;
  readonly #at: number;

  constructor(span: Span) {
    this.#cells = span.cells;
    this.#at = span.at;
  }

  add(count = 1): void {
    this.#cells[this.#at]! += count;
  }
}

/** A number that goes both ways. Those of several workers are summed. */
export class Gauge {
  readonly #cells: Float64Array;
  readonly #at: number;

  constructor(span: Span) {
    this.#cells = span.cells;
    this.#at = span.at;
  }

  add(count = 1): void {
    this.#cells[this.#at]! += count;
  }

  set(value: number): void {
    this.#cells[this.#at] = value;
  }
}

/** How often values fell between which bounds. */
export class Histogram {
  readonly #cells: Float64Array;
  readonly #at: number;
  readonly #bounds: Float64Array;

  constructor(span: Span, bounds: readonly number[]) {
    this.#cells = span.cells;
    this.#at = span.at;
    this.#bounds = Float64Array.from(bounds);
  }

  observe(value: number): void {
    observe(this.#cells, this.#at, this.#bounds, value);
  }
}

/** Counts a value into the cells of a histogram. What is not finite is not counted: one NaN would spoil the sum for good. */
export function observe(cells: Float64Array, at: number, bounds: Float64Array, value: number): void {
  if (!Number.isFinite(value)) return;
  const count = bounds.length;
  let bucket = 0;
  while (bucket < count && value > bounds[bucket]!) bucket++;
  cells[at + bucket]! += 1;
  cells[at + count + 1]! += value;
}

/** One value for each label name. */
export type LabelValues<L extends readonly string[]> = { readonly [K in keyof L]: string };

/**
 * One metric with its label names; each combination of values has its own
 * handle. Take handles where things are built, not per request. Values come
 * from configuration or a fixed list, never from a request's bytes.
 */
export class Family<L extends readonly string[], T> {
  readonly #known = new Map<string, T>();
  readonly #make: (values: readonly string[]) => { readonly handle: T; readonly own: boolean };

  constructor(make: (values: readonly string[]) => { readonly handle: T; readonly own: boolean }) {
    this.#make = make;
  }

  /** The handle of these values, in the order of the label names. */
  with(...values: LabelValues<L>): T {
    const key = values.join("\0");
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const { handle, own } = this.#make(values);
    // The overflow series is not remembered by name: those names have no bound.
    if (own) this.#known.set(key, handle);
    return handle;
  }
}
