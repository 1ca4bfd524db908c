import type { HealthCheckModel } from "../cluster/mod.ts";
import type { DocumentOf } from "../schema/mod.ts";

type HealthCheck = NonNullable<DocumentOf<"TrafficPolicy">["body"]["spec"]["healthCheck"]>;

/** A check as proxies make it. */
export function healthCheckOf({ http, grpc, ...check }: HealthCheck): HealthCheckModel {
  const often = {
    intervalMs: check.interval,
    timeoutMs: check.timeout,
    healthyAfter: check.healthyAfter,
    unhealthyAfter: check.unhealthyAfter,
  };
  if (grpc !== undefined) return { type: "GRPC", service: grpc.service, ...often };
  if (http === undefined) return { type: "TCP", ...often };
  const { path, host, statuses } = http;
  return {
    type: "HTTP",
    path,
    ...(host === undefined ? {} : { host }),
    ...(statuses === undefined ? {} : { statuses }),
    ...often,
  };
}
