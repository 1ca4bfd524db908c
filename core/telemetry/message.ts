export type MetricKind = "counter" | "gauge" | "histogram";

/** What a metric is, whatever its values. */
export interface MetricDefinition {
  readonly name: string;
  readonly help: string;
  readonly kind: MetricKind;
  readonly labels: readonly string[];
  /** Upper bounds of a histogram's buckets, rising, without +Inf. Empty for the other kinds. */
  readonly bounds: readonly number[];
}

/** What a region tells the aggregate, in this order of kinds: plain data, so that it can cross threads. */
export type RegionMessage =
  /** The next chunk; chunks are numbered from 0 in the order of these messages. */
  | { readonly type: "chunk"; readonly buffer: SharedArrayBuffer }
  | { readonly type: "metric"; readonly metric: number; readonly definition: MetricDefinition }
  /** The metrics' cells for these label values, one metric after the other. All of them have the same labels. */
  | {
      readonly type: "series";
      readonly metrics: readonly number[];
      readonly labels: readonly string[];
      readonly chunk: number;
      readonly at: number;
    };

/** Cells of one series. A histogram has its buckets (not cumulative), the one above all bounds, and the sum. */
export function cellsOf(definition: MetricDefinition): number {
  return definition.kind === "histogram" ? definition.bounds.length + 2 : 1;
}
