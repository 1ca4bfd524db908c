/**
 * Counters, histograms, log lines: names and formats.
 * @module
 */
export { Aggregate, type GaugeReading, type Labels, type MetricTotal, type TotalSeries } from "./aggregate.ts";
export { CLUSTER_MS, CLUSTER_MS_BOUNDS, CLUSTER_REQUESTS, type MeshMetrics, meshMetrics } from "./catalogue.ts";
export { EXPOSITION_TYPE, exposition } from "./exposition.ts";
export { RESPONSE_FLAGS, type ResponseFlag } from "./flag.ts";
export { Counter, Family, Gauge, Histogram } from "./handle.ts";
export { Edge, type EdgeLabels, type EdgePeer, IstioMetrics } from "./istio.ts";
export { type LogKey, logConstant, logKey } from "./log-key.ts";
export { descriptorSink, fileSink, LogFileUnusable, type LogSink, openLogSink } from "./log-sink.ts";
export { type LogFormat, LogWriter } from "./log-writer.ts";
export type { MetricDefinition, MetricKind, RegionMessage } from "./message.ts";
export { MetricConflict, Region } from "./region.ts";
