import type { Span } from "./handle.ts";
import { cellsOf, type MetricDefinition, type RegionMessage } from "./message.ts";
import { MetricConflict } from "./region.ts";

export type Labels = Readonly<Record<string, string>>;

/** One value of a gauge that is read when somebody scrapes. */
export interface GaugeReading {
  readonly labels: Labels;
  readonly value: number;
}

/** One series as the sum of all regions. Equal label sets are one object, so that its text is made once. */
export interface TotalSeries {
  readonly labels: Labels;
  /** One number, or the cells of a histogram. */
  readonly values: Float64Array;
}

/** One metric with everything that was counted for it. */
export interface MetricTotal {
  readonly definition: MetricDefinition;
  readonly series: readonly TotalSeries[];
}

/** Sums the regions of all workers of a process. Lives on the main thread, reads their memory, writes none of it. */
export class Aggregate {
  readonly #workers = new Map<number, WorkerView>();
  readonly #metrics = new Map<string, Metric>();
  readonly #labelSets = new Map<string, Labels>();
  readonly #gauges = new Map<string, ReadGauge>();

  /**
   * Takes a message of a worker's region; messages of one worker come in order.
   *
   * @throws {MetricConflict} when two workers use one name for different things.
   */
  receive(worker: number, message: RegionMessage): void {
    const view = this.#viewOf(worker);
    if (message.type === "chunk") view.chunks.push(new Float64Array(message.buffer));
    else if (message.type === "metric") view.metrics[message.metric] = this.#metricOf(message.definition);
    else this.#add(view, message.metrics, message.labels, message.chunk, message.at);
  }

  /**
   * Forgets a worker that has ended. What it counted stays in the sums: a
   * counter that fell would read as a restart of everything. Its gauges go.
   */
  retire(worker: number): void {
    const view = this.#workers.get(worker);
    if (view === undefined) return;
    this.#workers.delete(worker);
    for (const metric of this.#metrics.values())
      for (const series of metric.series.values()) retire(metric, series, view);
  }

  /**
   * A gauge whose values are asked for at each scrape.
   *
   * @throws {MetricConflict} when the name is known already.
   */
  gauge(name: string, help: string, labels: readonly string[], read: () => Iterable<GaugeReading>): void {
    if (this.#gauges.has(name) || this.#metrics.has(name)) throw new MetricConflict(name);
    this.#gauges.set(name, { definition: { name, help, kind: "gauge", labels, bounds: [] }, read });
  }

  /** The sums of this moment. */
  totals(): readonly MetricTotal[] {
    return [...[...this.#gauges.values()].map(readGauge), ...[...this.#metrics.values()].map(totalOf)];
  }

  #viewOf(worker: number): WorkerView {
    let view = this.#workers.get(worker);
    if (view === undefined) {
      view = { chunks: [], metrics: [] };
      this.#workers.set(worker, view);
    }
    return view;
  }

  #metricOf(definition: MetricDefinition): Metric {
    const known = this.#metrics.get(definition.name);
    if (known === undefined) {
      const metric = { definition, series: new Map<string, Series>() };
      this.#metrics.set(definition.name, metric);
      return metric;
    }
    if (known.definition.kind !== definition.kind || known.definition.labels.join() !== definition.labels.join())
      throw new MetricConflict(definition.name);
    return known;
  }

  #add(view: WorkerView, metrics: readonly number[], values: readonly string[], chunk: number, at: number): void {
    let offset = at;
    for (const id of metrics) {
      const metric = view.metrics[id]!;
      const key = values.join("\0");
      let series = metric.series.get(key);
      if (series === undefined) {
        series = { labels: this.#labelsOf(metric.definition.labels, values, key), parts: [], retired: null };
        metric.series.set(key, series);
      }
      series.parts.push({ view, cells: view.chunks[chunk]!, at: offset });
      offset += cellsOf(metric.definition);
    }
  }

  #labelsOf(names: readonly string[], values: readonly string[], valuesKey: string): Labels {
    const key = `${names.join()}\0${valuesKey}`;
    let labels = this.#labelSets.get(key);
    if (labels === undefined) {
      labels = Object.freeze(Object.fromEntries(names.map((name, i) => [name, values[i]!])));
      this.#labelSets.set(key, labels);
    }
    return labels;
  }
}

/** A worker's memory as this side knows it. */
interface WorkerView {
  readonly chunks: Float64Array[];
  readonly metrics: Metric[];
}

interface Metric {
  readonly definition: MetricDefinition;
  readonly series: Map<string, Series>;
}

interface Series {
  readonly labels: Labels;
  parts: Part[];
  /** Sum of the workers that are gone. */
  retired: Float64Array | null;
}

interface Part extends Span {
  readonly view: WorkerView;
}

interface ReadGauge {
  readonly definition: MetricDefinition;
  readonly read: () => Iterable<GaugeReading>;
}

function totalOf(metric: Metric): MetricTotal {
  const size = cellsOf(metric.definition);
  const series = [...metric.series.values()].map((one) => ({ labels: one.labels, values: sumOf(one, size) }));
  return { definition: metric.definition, series };
}

function sumOf(series: Series, size: number): Float64Array {
  const sum = series.retired === null ? new Float64Array(size) : series.retired.slice();
  for (const part of series.parts) addTo(sum, part);
  return sum;
}

function addTo(sum: Float64Array, part: Span): void {
  for (let i = 0; i < sum.length; i++) sum[i]! += part.cells[part.at + i]!;
}

function retire(metric: Metric, series: Series, view: WorkerView): void {
  if (metric.definition.kind !== "gauge") {
    for (const part of series.parts) {
      if (part.view !== view) continue;
      series.retired ??= new Float64Array(cellsOf(metric.definition));
      addTo(series.retired, part);
    }
  }
  series.parts = series.parts.filter((part) => part.view !== view);
}

/** A gauge whose reader fails is left out: the scrape is wanted most when something is broken. */
function readGauge(gauge: ReadGauge): MetricTotal {
  const { definition, read } = gauge;
  try {
    const series = [...read()].map(({ labels, value }) => ({ labels, values: Float64Array.of(value) }));
    return { definition, series };
  } catch {
    return { definition, series: [] };
  }
}
