import type { Metric } from "prom-client";
import type { Aggregate, MetricTotal, TotalSeries } from "./aggregate.ts";

/** Content type of `exposition()`: the Prometheus text format. */
export const EXPOSITION_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/**
 * Writes everything that was counted in the Prometheus text format, through a
 * prom-client registry. The library is loaded by the first scrape: a proxy
 * that nobody scrapes saves its 15 MB.
 */
export async function exposition(aggregate: Aggregate): Promise<string> {
  const { Registry } = await import("prom-client");
  const registry = new Registry();
  for (const total of aggregate.totals()) registry.registerMetric(metricOf(total));
  return registry.metrics();
}

interface Value {
  readonly metricName?: string;
  readonly labels: Readonly<Record<string, string | number>>;
  /** prom-client makes their text once for each object. */
  readonly sharedLabels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** A metric that a registry can print. Its own classes cannot take over sums: they only count. */
function metricOf(total: MetricTotal): Metric<string> {
  const { name, help, kind } = total.definition;
  const get = () => Promise.resolve({ name, help, type: kind, aggregator: "sum", values: valuesOf(total) });
  return { name, help, type: kind, get, getForPromString: get } as unknown as Metric<string>;
}

function valuesOf(total: MetricTotal): Value[] {
  if (total.definition.kind === "histogram") return total.series.flatMap((series) => bucketsOf(total, series));
  return total.series.map(({ labels, values }) => ({ labels: {}, sharedLabels: labels, value: values[0]! }));
}

function bucketsOf({ definition }: MetricTotal, { labels, values }: TotalSeries): Value[] {
  const { name, bounds } = definition;
  const lines: Value[] = [];
  let count = 0;
  for (let i = 0; i <= bounds.length; i++) {
    count += values[i]!;
    const le = i < bounds.length ? bounds[i]! : "+Inf";
    lines.push({ metricName: `${name}_bucket`, labels: { le }, sharedLabels: labels, value: count });
  }
  lines.push({ metricName: `${name}_sum`, labels: {}, sharedLabels: labels, value: values[bounds.length + 1]! });
  lines.push({ metricName: `${name}_count`, labels: {}, sharedLabels: labels, value: count });
  return lines;
}
