/** The other side of shared-counters.test.ts: takes from one bucket, and makes keys nobody else uses. */
import { SharedCounters } from "./shared-counters.ts";

declare const self: Worker;

self.onmessage = ({ data }: MessageEvent<{ memory: SharedArrayBuffer; limit: number; calls: number }>) => {
  const counters = new SharedCounters(data.memory);
  const shared = Buffer.from("shared");
  const sum = Buffer.from("sum");
  let allowed = 0;
  for (let i = 0; i < data.calls; i++) {
    if (counters.take(1, shared, data.limit, 3_600_000, 1, 0) >= 0) allowed++;
    counters.take(1, Buffer.from(`other ${i % 500}`), 10, 1, 1, 0);
    counters.add(1, sum, 1n, 0);
  }
  self.postMessage({ allowed });
};
