import { MeshError } from "../base/mod.ts";
import { Counter, Family, Gauge, Histogram, type Span } from "./handle.ts";
import { cellsOf, type MetricDefinition, type MetricKind, type RegionMessage } from "./message.ts";

/** 32 KiB: 64 label sets of the request metrics. */
const CHUNK_CELLS = 4096;
/** Series of one worker before the rest is counted as "other"; at most 4 MB of cells if all are histograms. */
export const DEFAULT_MAX_SERIES = 20_000;
const OTHER = "other";

/**
 * The numbers of one worker, in memory that the aggregate reads while the
 * worker counts. One thread writes, so no Atomics; and Float64, not pairs of
 * Uint32: an aligned 8-byte store is one instruction on the machines we build
 * for, so a reader never sees half a number, where a carry between two words
 * could be seen halfway. Counts are exact up to 2^53.
 *
 * Series are never dropped: a counter that vanishes and returns reads as a
 * restart. Their number is bounded instead.
 */
export class Region {
  readonly #report: (message: RegionMessage) => void;
  readonly #maxSeries: number;
  readonly #definitions: MetricDefinition[] = [];
  readonly #ids = new Map<string, number>();
  readonly #others = new Map<string, Span>();
  readonly #dropped: Counter;
  #cells: Float64Array = new Float64Array(0);
  #chunks = 0;
  #used = 0;
  #series = 0;

  constructor(report: (message: RegionMessage) => void, maxSeries = DEFAULT_MAX_SERIES) {
    this.#report = report;
    this.#maxSeries = maxSeries;
    const name = "mesh_telemetry_series_dropped_total";
    const help = 'Label sets counted as "other" because the process holds as many series as it may.';
    this.#dropped = new Counter(
      this.#allocate([this.define({ name, help, kind: "counter", labels: [], bounds: [] })], []),
    );
  }

  /** No further series of their own: new label sets share the one whose labels all say "other". */
  get isFull(): boolean {
    return this.#series >= this.#maxSeries;
  }

  /** @throws {MetricConflict} when the name is known as something else. */
  counter<const L extends readonly string[]>(name: string, help: string, labels: L): Family<L, Counter> {
    return this.#family(this.#defineAs("counter", name, help, labels), (span) => new Counter(span));
  }

  /** @throws {MetricConflict} when the name is known as something else. */
  gauge<const L extends readonly string[]>(name: string, help: string, labels: L): Family<L, Gauge> {
    return this.#family(this.#defineAs("gauge", name, help, labels), (span) => new Gauge(span));
  }

  /** @throws {MetricConflict} when the name is known as something else. */
  histogram<const L extends readonly string[]>(
    name: string,
    help: string,
    labels: L,
    bounds: readonly number[],
  ): Family<L, Histogram> {
    const metric = this.#defineAs("histogram", name, help, labels, bounds);
    return this.#family(metric, (span) => new Histogram(span, bounds));
  }

  /**
   * The number of a metric, for `series()`. The same definition again gives the same number.
   *
   * @throws {MetricConflict} when the name is known as something else.
   */
  define(definition: MetricDefinition): number {
    const known = this.#ids.get(definition.name);
    if (known !== undefined) {
      if (!isSame(this.#definitions[known]!, definition)) throw new MetricConflict(definition.name);
      return known;
    }
    const metric = this.#definitions.push(definition) - 1;
    this.#ids.set(definition.name, metric);
    this.#report({ type: "metric", metric, definition });
    return metric;
  }

  /**
   * Cells for these label values, for several metrics of the same labels at
   * once, one after the other. Each call makes new series: the caller keeps
   * the span. In a full region it is the one that all others share.
   */
  series(metrics: readonly number[], labels: readonly string[]): Span {
    if (this.#series + metrics.length <= this.#maxSeries) {
      this.#series += metrics.length;
      return this.#allocate(metrics, labels);
    }
    this.#series = this.#maxSeries;
    this.#dropped.add(metrics.length);
    const key = metrics.join();
    let other = this.#others.get(key);
    if (other === undefined) {
      other = this.#allocate(metrics, new Array<string>(labels.length).fill(OTHER));
      this.#others.set(key, other);
    }
    return other;
  }

  #defineAs(
    kind: MetricKind,
    name: string,
    help: string,
    labels: readonly string[],
    bounds: readonly number[] = [],
  ): number {
    return this.define({ name, help, kind, labels, bounds });
  }

  #family<L extends readonly string[], T>(metric: number, handleOf: (span: Span) => T): Family<L, T> {
    return new Family((values) => {
      const own = !this.isFull;
      return { handle: handleOf(this.series([metric], values)), own };
    });
  }

  #allocate(metrics: readonly number[], labels: readonly string[]): Span {
    const size = metrics.reduce((sum, metric) => sum + cellsOf(this.#definitions[metric]!), 0);
    if (this.#used + size > this.#cells.length) this.#grow(size);
    const at = this.#used;
    this.#used += size;
    this.#report({ type: "series", metrics, labels, chunk: this.#chunks - 1, at });
    return { cells: this.#cells, at };
  }

  #grow(size: number): void {
    const buffer = new SharedArrayBuffer(Math.max(CHUNK_CELLS, size) * Float64Array.BYTES_PER_ELEMENT);
    this.#cells = new Float64Array(buffer);
    this.#used = 0;
    this.#chunks++;
    this.#report({ type: "chunk", buffer });
  }
}

/** Two rooms use one metric name for different things. */
export class MetricConflict extends MeshError {
  override readonly name = "MetricConflict";
  readonly code = "MESH_METRIC_CONFLICT";
  readonly source = "mesh";

  constructor(metric: string) {
    super(`Cannot define metric "${metric}": it is defined with another kind, help, labels or bounds`);
  }
}

function isSame(a: MetricDefinition, b: MetricDefinition): boolean {
  return (
    a.kind === b.kind && a.help === b.help && a.labels.join() === b.labels.join() && a.bounds.join() === b.bounds.join()
  );
}
